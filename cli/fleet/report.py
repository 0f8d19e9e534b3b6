"""Tells a person (or a program) how far each machine is while several are worked on at once.

On a terminal: one line a machine, redrawn. In a pipe: a line when a machine enters a phase. For programs: a JSON object
a line on stdout. Called from several threads; what is shown is `master.provision.progress`'s.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from master.provision import progress
from master.provision.progress import Board, Happening, Kind

if TYPE_CHECKING:
    from rich.live import Live


class Report:
    """`output` is "text" or "json"."""

    def __init__(self, output: str = "text", now: Callable[[], float] = time.time) -> None:
        self.json, self._now = output == "json", now
        self.board: Board = {}
        self._lock = threading.Lock()
        self._live: Live | None = None

    def begin(self, names: Sequence[str]) -> None:
        """These machines are worked on from now."""
        self.board = progress.start(names, self._now())
        if not self.json and sys.stderr.isatty():
            self._live = _live(lambda: progress.lines(self.board, self._now()))
            self._live.start()

    def rename(self, names: Mapping[str, str]) -> None:
        """Machines have told their names."""
        with self._lock:
            self.board = progress.renamed(self.board, names)

    def told(self, happening: Happening) -> None:
        """Something happened."""
        happening = replace(happening, words=progress.harmless(happening.words))
        with self._lock:
            before, self.board = self.board, progress.after(self.board, happening)
            if self.json:
                self._object(progress.record(happening))
            elif self._live is None and (text := progress.plain(before, self.board, happening)):
                click.echo(text, err=True)

    def tell(self, host: str, kind: Kind, *, phase: str = "", words: str = "") -> None:
        """Something happened just now."""
        self.told(Happening(host=host, kind=kind, at=self._now(), phase=phase, words=words))

    def say(self, words: str, host: str = "") -> None:
        """A sentence beside the board."""
        words = progress.harmless(words)
        with self._lock:
            if self.json:
                self._object({"at": round(self._now(), 3), "event": "note", "host": host, "message": words})
            elif self._live is not None:
                self._live.console.print(words, markup=False, highlight=False, soft_wrap=True)
            else:
                click.echo(words, err=True)

    def end(self) -> bool:
        """Print how it ended everywhere; True when no machine failed. May be called again."""
        if self._live is not None:
            self._live.stop()
            self._live = None
            for host in self.board.values():
                if host.reached and host.phases:
                    click.echo(f"  {host.name}: {progress.spent(host)}", err=True)
        if self.json:
            for host in self.board.values():
                self._object({"event": "result", **progress.summary(host, self._now())})
        return not any(host.failure for host in self.board.values())

    def open(self) -> list[str]:
        """Machines that are not over."""
        return [name for name, host in self.board.items() if not host.over]

    def _object(self, value: Mapping[str, Any]) -> None:
        click.echo(json.dumps({key: part for key, part in value.items() if part != ""}))


def _live(lines: Callable[[], Sequence[str]]) -> Live:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(stderr=True)
    return Live(get_renderable=lambda: Text("\n".join(lines()), no_wrap=True, overflow="ellipsis"), console=console,
                refresh_per_second=8)
