"""The fleet file on disk: `~/.kubus/inventory.yml`. Reads and writes it whole, under a lock, by rename.

What it says is `fleet`'s; this is only how it is kept. Mode 0600: an operator may write secrets into it.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import fleet
from .fleet import BadInventory, Machine


class Inventory:
    """One fleet file; it need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> str:
        """The text, "" when there is no file."""
        return self.path.read_text() if self.path.exists() else ""

    def machines(self) -> tuple[Machine, ...]:
        """Raises BadInventory."""
        with self._named():
            return fleet.machines(self.read())

    def machine(self, name: str) -> Machine | None:
        """The machine of that name."""
        return next((machine for machine in self.machines() if machine.name == name), None)

    def put(self, machines: Sequence[Machine], shared: Mapping[str, Any]) -> None:
        """Add or change machines, and what all share. Raises BadInventory."""
        def change(text: str) -> str:
            text = fleet.with_shared(text, shared) if shared else text
            for machine in machines:
                text = fleet.with_machine(text, machine)
            return text

        self._change(change)

    def forget(self, name: str) -> None:
        """Take a machine out. Raises BadInventory."""
        if self.path.exists():
            self._change(lambda text: fleet.without(text, name))

    def keep_master(self, name: str) -> None:
        """Take a machine out of the workers; it stays a master. Raises BadInventory."""
        self._change(lambda text: fleet.only_master(text, name))

    def _change(self, change: Callable[[str], str]) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # the lock is a file of its own: the inventory's inode changes with every rename
        with self.path.with_name(f".{self.path.name}.lock").open("w") as lock, self._named():
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = self.read()
            after = change(before)
            if after != before:
                _write(self.path, after)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except BadInventory as error:
            raise BadInventory(f"{self.path}: {error}; mend the file, or move it away to begin a new one") from error


def _write(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".inventory-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
