"""`python -m benchmarks NAME [--json] [options]` runs a benchmark; without a name it lists them.

A benchmark is a module of this package with `add_options(parser)` and `run(options) -> Report`.
Progress goes to stderr; stdout has the table, or with `--json` one JSON object.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import Final

BENCHMARKS: Final = {
    "cold_start": "spawn to first answer, and import, against a one-route hello-world app",
    "providers": "reading HubSpot, against a bare loop, dlt and a Singer tap",
    "warehouse": "a Convex export into typed SQL tables, against a hand-written loop and peers",
}


def main(words: list[str] | None = None) -> int:
    """Run what the command line names; 0 when it ran and what it did was correct, else 1 or 2."""
    words = sys.argv[1:] if words is None else words
    name = words[0].replace("-", "_") if words else ""
    if name not in BENCHMARKS:
        print(_listing(words[0] if words else ""), file=sys.stderr)
        return 0 if words[:1] in (["-h"], ["--help"]) else 2
    module = import_module(f"benchmarks.{name}")
    parser = argparse.ArgumentParser(prog=f"bench {name}", description=BENCHMARKS[name])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    module.add_options(parser)
    options = parser.parse_args(words[1:])
    report = module.run(options)
    print(report.as_json() if options.json else report.as_table())
    return 0 if report.is_correct else 1


def _listing(wanted: str) -> str:
    unknown = f"There is no benchmark {wanted!r}.\n" if wanted not in {"", "-h", "--help"} else ""
    width = max(map(len, BENCHMARKS))
    lines = [f"  {name:<{width}}  {what}" for name, what in BENCHMARKS.items()]
    return "\n".join([unknown + "Benchmarks, run by `dev.py bench NAME [--json]`:", *lines])


if __name__ == "__main__":
    sys.exit(main())
