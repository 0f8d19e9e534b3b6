"""Commands of the laboratory: one way to run them, one error that shows what failed and its last words."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


class LabError(Exception):
    """The test bed could not do what was asked; says what, and the words of whoever refused."""


def sh(*command: str | Path, check: bool = True, stdin: bytes | None = None, timeout: float = 600,
       env: dict[str, str] | None = None, log: Path | None = None) -> str:
    """Standard output of a command, whole; LabError when it fails and `check`. `log` receives both streams instead."""
    words = [str(word) for word in command]
    try:
        if log is None:
            done = subprocess.run(words, input=stdin, capture_output=True, timeout=timeout, env=env)
            out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        else:
            with log.open("ab") as sink:
                done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, timeout=timeout,
                                      env=env)
            out, err = "", tail(log)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(words)[:300]}: no end within {timeout} s") from error
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(words)[:300]}: exit {done.returncode}\n{(err or out)[-2000:]}")
    return out


def tail(path: Path, characters: int = 2000) -> str:
    """The end of a log, or words that there is none."""
    return path.read_text(errors="replace")[-characters:] if path.exists() else f"(no {path})"


def until(condition: Callable[[], Any], what: str, seconds: float, every: float = 0.1) -> Any:
    """The first true value of `condition`; LabError with the last one when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError(f"waited {seconds:.0f} s for {what}; last: {value!r}")
        time.sleep(every)


def lines(*words: str) -> str:
    """A file's text."""
    return "\n".join(words) + "\n"


def missing(programs: Sequence[str]) -> list[str]:
    """Those that are not on PATH."""
    return [name for name in programs if shutil.which(name) is None]
