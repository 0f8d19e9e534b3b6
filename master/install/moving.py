"""Renames that are done all, or none: each is remembered, and taken back in reverse when a later one fails."""

from __future__ import annotations

from pathlib import Path


class Moves:
    """What was moved so far. Renames only: within one file system, so that a full disk cannot stop the way back."""

    def __init__(self) -> None:
        self._done: list[tuple[Path, Path]] = []

    def move(self, source: Path, target: Path) -> None:
        """Nothing may be at `target`: a rename would replace a file. Raises OSError."""
        if target.exists():
            raise FileExistsError(17, "something is there already", str(target))
        source.rename(target)
        self._done.append((source, target))

    def undo(self) -> list[tuple[Path, Path]]:
        """All back, the last first; (where it belongs, where it is) of what would not go."""
        stuck = []
        for source, target in reversed(self._done):
            try:
                target.rename(source)
            except OSError:
                stuck.append((source, target))
        self._done.clear()
        return stuck
