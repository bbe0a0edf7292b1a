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


def log_formatter(*, dated: bool = True) -> logging.Formatter:
    """How log lines look on standard error. `dated`: for a server, with time and logger."""
    prefix = "%(asctime)s %(name)s %(levelname)s" if dated else "%(levelname)s:"
    return _Formatter(f"{prefix} %(message)s")


def log_to_stderr(*, dated: bool = True) -> None:
    """Write the log to standard error, from the level that `RIGHTMODEL_LOG` names."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(log_formatter(dated=dated))
    level = os.environ.get("RIGHTMODEL_LOG", "WARNING").upper()
    logging.basicConfig(handlers=[handler], level=level)
    logging.getLogger("mcp").setLevel(logging.ERROR)
