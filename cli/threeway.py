"""What to change so that a live object agrees with a file, and forgets what an earlier file said. Pure.

The three-way merge of `kubectl apply` (https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/),
as a JSON merge patch: maps merge, lists are replaced whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

LAST = "kubectl.kubernetes.io/last-applied-configuration"


def annotated(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The object with itself in the last-applied annotation."""
    metadata = dict(wanted.get("metadata") or {})
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != LAST}
    bare = {**wanted, "metadata": {**metadata, "annotations": annotations}}
    text = json.dumps(bare, separators=(",", ":"), sort_keys=True) + "\n"
    return {**wanted, "metadata": {**metadata, "annotations": {**annotations, LAST: text}}}


def last_applied(live: Mapping[str, Any]) -> dict[str, Any]:
    """What the earlier file said; empty when there was none."""
    text = ((live.get("metadata") or {}).get("annotations") or {}).get(LAST)
    said: dict[str, Any] = json.loads(text) if text else {}
    return said


def merge_patch(last: Mapping[str, Any], wanted: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON merge patch (RFC 7386); empty when nothing is to be changed."""
    patch: dict[str, Any] = {key: None for key in last if key not in wanted and key in live}
    for key, value in wanted.items():
        now = live.get(key)
        if isinstance(value, Mapping) and isinstance(now, Mapping):
            before = last.get(key)
            inner = merge_patch(before if isinstance(before, Mapping) else {}, value, now)
            if inner:
                patch[key] = inner
        elif not _says_the_same(value, now):
            patch[key] = value
    return patch


def _says_the_same(wanted: Any, live: Any) -> bool:
    """Does the live value already say all that is wanted? The server may have added defaults inside list elements."""
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        return all(key in live and _says_the_same(value, live[key]) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(live, list):
        return len(wanted) == len(live) and all(_says_the_same(a, b) for a, b in zip(wanted, live, strict=True))
    return bool(wanted == live)
