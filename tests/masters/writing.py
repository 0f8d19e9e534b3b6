"""Somebody who writes all the time and remembers what was promised: what was acknowledged must be there at the end."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from pathlib import Path

from runtime.rest import Rest
from schemas.errors import AlreadyExists, ApiError, Unreachable

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
PAUSE = 0.02


class Writer:
    """Creates config maps w-0, w-1, … from a thread of its own, through whichever API server answers."""

    def __init__(self, kubeconfig: Path, name: str = "w") -> None:
        self._name = name
        self._rest = Rest.from_kubeconfig(kubeconfig)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer")
        self.promised: list[str] = []
        self.unsure: list[str] = []
        """Names whose create got no answer, or the wrong one: they may be there."""
        self.times: list[float] = []
        """When each promise was made, monotonic."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ends.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def longest_pause(self, since: float, until: float) -> float:
        """Seconds without a promise in that time."""
        inside = [since, *(at for at in self.times if since < at < until), until]
        return max(b - a for a, b in pairwise(inside))

    def _run(self) -> None:
        number = 0
        while not self._ends.is_set():
            name = f"{self._name}-{number}"
            number += 1
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"at": name}}
            try:
                self._rest.json("POST", CONFIGMAPS, body=body)
            except AlreadyExists:
                raise
            except (ApiError, Unreachable):
                self.unsure.append(name)
            else:
                self.promised.append(name)
                self.times.append(time.monotonic())
            time.sleep(PAUSE)
