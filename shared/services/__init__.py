"""Use cases: functions that take the unit of work and the ports they need by keyword.

`from shared.services import jobs` loads the module when it is first used: a request needs one or
two of them.
"""

from shared.lazy import submodules

__getattr__ = submodules(__name__)
