"""The journey as text: one line a step, milliseconds since the first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Record = Mapping[str, Any]

WORDS = {
    ("apiserver", "stored"): "stored it",
    ("publisher", "sent"): "sent it on the bus",
    ("scheduler", "chose"): "chose a node",
    ("agent", "sandbox"): "made the sandbox",
    ("agent", "pulled"): "has the image",
    ("agent", "created"): "created the container",
    ("agent", "started"): "started the container",
    ("agent", "ready"): "reports Ready",
}


def render(records: Sequence[Record], target: str) -> list[str]:
    """Lines of text for a terminal or a file. `records` are ordered by `at` (unix milliseconds)."""
    if not records:
        return [f"{target}: no steps are recorded (they are kept for one hour)"]
    first, last = records[0]["at"], records[-1]["at"]
    began = datetime.fromtimestamp(first / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    rows = [_row(record, first) for record in records]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{target}: {len(rows)} steps in {last - first:.1f} ms, from {began} UTC", ""]
    for at, who, what, words in rows:
        lines.append(f"{at:>{widths[0]}}  {who:<{widths[1]}}  {what:<{widths[2]}}  {words}".rstrip())
    return lines


def _row(record: Record, first: float) -> tuple[str, str, str, str]:
    who, step = str(record.get("component", "")), str(record.get("step", ""))
    what = f"{str(record.get('kind', '')).lower()}/{record.get('name', '')}"
    sentence = WORDS.get((who.split("/", maxsplit=1)[0], step), step)
    parts = [sentence, f"r{record['revision']}" if record.get("revision") else "", _detail(record.get("detail") or {})]
    return f"+{record['at'] - first:.1f} ms", who, what, "  ".join(part for part in parts if part)


def _detail(detail: Mapping[str, Any]) -> str:
    shown = {name: value for name, value in detail.items() if value not in (None, "", {}, []) and name != "owner"}
    return " ".join(f"{name}={_value(value)}" for name, value in shown.items())


def _value(value: Any) -> str:
    match value:
        case float():
            return f"{value:.1f}"
        case dict():
            return ",".join(f"{k}:{_value(v)}" for k, v in value.items())
        case list() | tuple():
            return ",".join(_value(v) for v in value)
        case _:
            return str(value)
