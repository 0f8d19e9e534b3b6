"""Building blocks of a description: `Name:   value` lines, nested sections, and any object as such lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

INDENT = "  "
WIDTH = 18


def line(name: str, value: Any, depth: int = 0) -> str:
    """`Name:             value`, indented."""
    shown = "<none>" if value in (None, "", {}, []) else value
    return f"{INDENT * depth}{name + ':':<{max(1, WIDTH - 2 * depth)}} {shown}"


def pairs(name: str, values: Mapping[str, Any] | None, depth: int = 0) -> list[str]:
    """Labels and annotations: the first on the name's line, the rest below it."""
    if not values:
        return [line(name, None, depth)]
    shown = [f"{key}={value}" for key, value in sorted(values.items())]
    gap = " " * (max(WIDTH, len(name) + 1 + 2 * depth) + 1)
    return [line(name, shown[0], depth), *(f"{gap}{text}" for text in shown[1:])]


def listed(name: str, values: Iterable[str], depth: int = 0) -> list[str]:
    """Several values below each other."""
    shown = list(values) or ["<none>"]
    gap = " " * (WIDTH + 1)
    return [line(name, shown[0], depth), *(f"{gap}{text}" for text in shown[1:])]


def head(obj: Mapping[str, Any]) -> list[str]:
    """Name, namespace, labels and annotations of any object."""
    meta = obj.get("metadata", {})
    lines = [line("Name", meta.get("name"))]
    if "namespace" in meta:
        lines.append(line("Namespace", meta["namespace"]))
    lines += pairs("Labels", meta.get("labels"))
    annotations = {k: _short(v) for k, v in (meta.get("annotations") or {}).items()
                   if k != "kubectl.kubernetes.io/last-applied-configuration"}
    lines += pairs("Annotations", annotations)
    owner = next((o for o in meta.get("ownerReferences") or () if o.get("controller")), None)
    if owner:
        lines.append(line("Controlled By", f"{owner['kind']}/{owner['name']}"))
    lines.append(line("Created", meta.get("creationTimestamp")))
    if meta.get("deletionTimestamp"):
        lines.append(line("Terminating", f"since {meta['deletionTimestamp']}"))
    return lines


def conditions(values: Iterable[Mapping[str, Any]] | None) -> list[str]:
    """The conditions as a small table."""
    rows = [(c.get("type", ""), c.get("status", ""), c.get("reason", ""), c.get("message", "")) for c in values or ()]
    return ["Conditions:", *table(("Type", "Status", "Reason", "Message"), rows)] if rows else []


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]], depth: int = 1) -> list[str]:
    """Columns aligned under a ruled header."""
    everything = [header, tuple("-" * len(name) for name in header), *rows]
    widths = [max(len(str(row[i])) for row in everything) for i in range(len(header))]
    return [
        (INDENT * depth + "  ".join(f"{cell!s:<{width}}" for cell, width in zip(row, widths, strict=True))).rstrip()
        for row in everything
    ]


def generic(obj: Mapping[str, Any]) -> list[str]:
    """Any object: its head, then every other field as nested lines."""
    rest = {k: v for k, v in obj.items() if k not in ("apiVersion", "kind", "metadata")}
    hidden = obj.get("kind") == "Secret"
    return [*head(obj), *_nested({k: _sizes(v) if hidden and k == "data" else v for k, v in rest.items()}, 0)]


def _nested(values: Mapping[str, Any], depth: int) -> list[str]:
    lines: list[str] = []
    for key, value in values.items():
        name = key[:1].upper() + key[1:]
        match value:
            case dict() if value:
                lines += [f"{INDENT * depth}{name}:", *_nested(value, depth + 1)]
            case list() if value and isinstance(value[0], dict):
                lines.append(f"{INDENT * depth}{name}:")
                for each in value:
                    lines += [*_nested(each, depth + 1), ""]
                lines.pop()
            case list():
                lines += listed(name, [str(v) for v in value], depth)
            case _:
                lines.append(line(name, value, depth))
    return lines


def _sizes(values: Mapping[str, str]) -> dict[str, str]:
    return {k: f"{len(v) * 3 // 4 - v.count('=')} bytes" for k, v in values.items()}


def _short(text: str) -> str:
    return text if len(text) <= 140 else text[:137] + "…"
