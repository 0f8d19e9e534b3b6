"""The order of a merged list: what was asked for, around what only the live object has. Pure; both merges use it.

Rule: k8s.io/apimachinery/pkg/util/strategicpatch (mergeSortedSlice).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def in_order(items: Sequence[Any], asked: Sequence[str], live: Sequence[Any], key: Callable[[Any], str]) -> list[Any]:
    """Items whose key is in `asked` follow it; the others keep their places relative to them in the live list."""
    wanted = {name: at for at, name in reversed(list(enumerate(asked)))}
    before = {key(item): at for at, item in reversed(list(enumerate(live)))}
    named = sorted((item for item in items if key(item) in wanted), key=lambda item: wanted[key(item)])
    others = sorted((item for item in items if key(item) not in wanted),
                    key=lambda item: before.get(key(item), len(before)))
    result: list[Any] = []
    left = right = 0
    while left < len(others) and right < len(named):
        first, second = before.get(key(others[left]), -1), before.get(key(named[right]), -1)
        if 0 <= first < second:
            result.append(others[left])
            left += 1
        else:
            result.append(named[right])
            right += 1
    return result + named[right:] + others[left:]
