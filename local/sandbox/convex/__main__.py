"""Writes the sample export: `python -m local.sandbox.convex export.zip [--limit ROWS]`."""

from __future__ import annotations

import argparse
from pathlib import Path

from local.sandbox.convex.sample import write_sample


def main() -> None:
    """Write the file and say what is in it."""
    parser = argparse.ArgumentParser(description="Write the sample Convex export.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--limit", type=int, help="rows of each table; all where absent")
    arguments = parser.parse_args()
    for stream, count in write_sample(arguments.out, limit=arguments.limit).items():
        print(f"{stream}: {count:,} documents")


if __name__ == "__main__":
    main()
