"""`If-Match`: a change that goes through only where nobody changed the thing meanwhile."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import azure.functions as func

if TYPE_CHECKING:
    from shared.services.steps import Versions

_ETAG = re.compile(r'"([0-9]{1,9})"')


def expected_versions(req: func.HttpRequest) -> Versions:
    """Return the versions `If-Match` names; None where it is absent or `*`.

    The comparison is strong (RFC 9110, section 13.1.1): a weak tag, or one that is none of ours,
    matches nothing.
    """
    header = req.headers.get("if-match", "").strip()
    if not header or header == "*":
        return None
    found = (_ETAG.fullmatch(tag.strip()) for tag in header.split(","))
    return frozenset(int(match[1]) for match in found if match is not None)
