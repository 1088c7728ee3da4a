"""The host's log: one line an event on stderr, each with the invocation it belongs to."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

from local.host.worker import current_invocation

_QUIET = {
    "azure": logging.WARNING,
    "urllib3": logging.ERROR,
    "uvicorn": logging.WARNING,
}


class LineFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.000Z INFO host [id] text`; line ends inside a text become ` | `."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        at = datetime.fromtimestamp(record.created, UTC)
        stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        bound = getattr(record, "invocation", "")
        mark = f" [{bound}]" if bound else ""
        lines = " | ".join(line for line in text.splitlines() if line.strip())
        return f"{stamp} {record.levelname} {record.name}{mark} {lines}"


def mark_invocation(record: logging.LogRecord) -> bool:
    """Note on the record which invocation logged it; let it pass."""
    record.invocation = current_invocation()
    return True


def set_up_logging(level: int) -> None:
    """Send every log line from `level` up to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    handler.addFilter(mark_invocation)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(max(level, quiet))
