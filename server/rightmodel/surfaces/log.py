"""The log, on standard error."""

from __future__ import annotations

import logging
import os
import sys

from rightmodel.core.format import visible


class _Formatter(logging.Formatter):
    """Log lines with control characters as escapes: they may quote an upstream."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def log_formatter() -> logging.Formatter:
    """How log lines look on standard error."""
    return _Formatter("%(asctime)s %(name)s %(levelname)s %(message)s")


def log_to_stderr() -> None:
    """Write the log to standard error, from the level that `RIGHTMODEL_LOG` names."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(log_formatter())
    level = os.environ.get("RIGHTMODEL_LOG", "WARNING").upper()
    logging.basicConfig(handlers=[handler], level=level)
    logging.getLogger("mcp").setLevel(logging.ERROR)
