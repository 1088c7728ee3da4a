"""The contract suite as a table: `python -m tests.contract.table [--write]`.

Runs every check on every provider and prints Markdown, or writes it to `docs/contract.md`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.contract.cases import CASES
from tests.contract.checks import CHECKS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "contract.md"
HEAD = """# The contract suite

Every check of `tests/contract/checks.py` on every provider, against its emulator:
`python -m tests.contract.table --write` runs the suite and writes this page. A word in place of
*passes* says why a check has no meaning there; nothing is left out for any other reason. Each check
is also run on adapters that break its promise (`tests/contract/test_checks_can_fail.py`), and fails
there. The vendors' documents are those of `../shared/specs`; HubSpot's may not be stored.
"""


def outcomes_of(report: Path) -> dict[str, str]:
    """Return how each check of each case ended, from pytest's JUnit report."""
    found = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own file
        name = re.fullmatch(r"test_contract\[(.+)\]", case.get("name", ""))
        if name:
            found[name[1]] = "passed" if len(case) == 0 else case[0].tag
    return found


def run_suite(report: Path) -> int:
    """Run the suite in a process of its own, as CI does; return its status."""
    suite = Path(__file__).with_name("test_provider_contract.py")
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", str(suite)]
    return subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False).returncode


def rows(outcomes: Mapping[str, str]) -> Sequence[Sequence[str]]:
    """Return the head and one row a check."""
    table = [["Check", *(case.id for case in CASES)]]
    for check in CHECKS:
        cells = []
        for case in CASES:
            word = check.absent(case)
            if not word:
                word = outcomes.get(f"{case.id}-{check.run.__name__}", "not run")
            cells.append({"passed": "passes"}.get(word, word))
        table.append([check.name, *cells])
    return table


def markdown(table: Sequence[Sequence[str]]) -> str:
    """Return the page's text."""
    lines = ["| " + " | ".join(row) + " |" for row in table]
    lines.insert(1, "|" + "---|" * len(table[0]))
    return "\n".join([HEAD, *lines, ""])


def cells_of(page: str) -> list[list[str]]:
    """Return the table of a page, without its line of dashes."""
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def main() -> int:
    """Run the suite and show the table; return pytest's status."""
    parser = argparse.ArgumentParser(prog="python -m tests.contract.table", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    write = parser.parse_args().write
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        status = run_suite(report)
        text = markdown(rows(outcomes_of(report)))
    if write:
        PAGE.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return status


if __name__ == "__main__":
    sys.exit(main())
