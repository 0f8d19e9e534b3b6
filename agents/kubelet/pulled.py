"""Names of the images that this agent fetched and that were not here before: they go when the node is purged.

One name a line, appended and on the disk before the pull begins, so that an image of ours is never unrecorded. An
image that was here already, or that somebody loaded by hand, is not ours and never listed.
"""

from __future__ import annotations

import os
from pathlib import Path

NAME = "images"


def add(state: Path, name: str) -> None:
    """Remember a name; once is enough. Raises OSError."""
    if name in names(state):
        return
    state.mkdir(parents=True, exist_ok=True)
    with (state / NAME).open("a") as file:
        file.write(f"{name}\n")
        file.flush()
        os.fsync(file.fileno())


def names(state: Path) -> list[str]:
    """Those that are ours, in the order of their first pull."""
    try:
        return (state / NAME).read_text().split()
    except FileNotFoundError:
        return []
