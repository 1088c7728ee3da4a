"""The committed table of the contract suite is the suite's."""

from __future__ import annotations

from tests.contract.cases import CASES
from tests.contract.checks import CHECKS
from tests.contract.table import PAGE, cells_of, markdown, rows


def test_the_page_has_every_check_and_every_provider() -> None:
    """Run `python -m tests.contract.table --write` where this fails."""
    found = cells_of(PAGE.read_text(encoding="utf-8"))
    wanted = {
        f"{case.id}-{check.run.__name__}": "passed"
        for case in CASES
        for check in CHECKS
        if not check.absent(case)
    }
    assert found == rows(wanted)


def test_what_did_not_pass_is_told() -> None:
    """A failure, and a check that was not run, stand in the table as such."""
    first, check = CASES[0], CHECKS[0]
    table = cells_of(markdown(rows({f"{first.id}-{check.run.__name__}": "failed"})))
    assert table[1][:2] == [check.name, "failed"]
    assert set(table[1][2:]) == {"not run"}
