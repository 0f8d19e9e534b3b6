"""Logs: one JSON object per line on stderr: a constant sentence, keys, and the request id that caused it.

    log.info("pod started", extra={"pod": "default/web-1", "node": "n1"})

Writes nothing else, anywhere; rotation and shipping belong to systemd or to `kubus up`.
"""

from __future__ import annotations

import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the HTTP or bus request that this task works for; travels in the Kubus-Request header."""

_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_ENCODE = msgspec.json.Encoder(enc_hook=str).encode


class JsonLines(logging.Formatter):
    """time, level, component, logger, message, request, then the record's own keys."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self.component = component

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line: dict[str, Any] = {
            "time": at, "level": record.levelname.lower(), "component": self.component, "logger": record.name,
            "message": record.getMessage(),
        }
        if request := request_id.get():
            line["request"] = request
        line.update((key, value) for key, value in record.__dict__.items() if key not in _OWN)
        if record.exc_info:
            line["error"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        return _ENCODE(line).decode()


def setup(component: str, level: str = "info") -> None:
    """Send this process's logs to stderr as JSON lines. Libraries speak from warning upward."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(component))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for room in ("schemas", "runtime", "master", "agents", "cli", component, "__main__"):
        logging.getLogger(room).setLevel(level.upper())
