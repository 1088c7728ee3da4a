"""Histories of two sides that are edited by people and kept in step by jobs.

`remote` is an application of its own, `rig` the product between it and LinkHub over `wires`,
`people` what is done on both sides, `shadow` what must come of it, `history` all of that from one
seed. `HISTORIES` in the environment says how many are played: 1,000 unless it does, which take a
minute or two.
"""

import os
from typing import Final

HISTORIES: Final = int(os.environ.get("HISTORIES", "1000"))
