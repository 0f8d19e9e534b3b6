"""What a process counts, as Prometheus text, at no cost until somebody asks.

A part offers `samples()`; `offer(part)` remembers it weakly, and /metrics (debug.py) asks all that still live:

    class Queue:
        def samples(self) -> Iterable[Sample]:
            yield Sample("kubus_queue_depth", len(self), {"queue": self.name}, "keys waiting")

prometheus-client costs every process 12 MB here, more than the rest of an idle agent's own code; where a process has
imported it for itself, its registry is shown too. Format: prometheus.io/docs/instrumenting/exposition_formats.
"""

from __future__ import annotations

import bisect
import os
import sys
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Buckets for waits, in seconds."""


class Sample(Struct, frozen=True):
    """One line. `name` ends in `_total` for a counter; units are in the name (`_seconds`, `_bytes`)."""

    name: str
    value: float
    labels: Mapping[str, str] = {}
    help: str = ""
    kind: Literal["gauge", "counter", "histogram"] = "gauge"
    suffix: str = ""


class Part(Protocol):
    """Whoever counts something."""

    def samples(self) -> Iterable[Sample]: ...


class Histogram:
    """How long things took: cumulative buckets, sum and count."""

    def __init__(self, name: str, help: str, labels: Mapping[str, str] | None = None,
                 buckets: Sequence[float] = SECONDS) -> None:
        self._name, self._help, self._labels = name, help, labels or {}
        self._buckets = tuple(buckets)
        self._counts = [0] * (len(self._buckets) + 1)
        self.total = 0.0

    @property
    def count(self) -> int:
        return sum(self._counts)

    def observe(self, value: float) -> None:
        self._counts[bisect.bisect_left(self._buckets, value)] += 1
        self.total += value

    def samples(self) -> Iterator[Sample]:
        """One line per bucket, then sum and count."""
        below = 0
        for bound, count in zip((*self._buckets, float("inf")), self._counts, strict=True):
            below += count
            yield self._sample("_bucket", below, {"le": "+Inf" if bound == float("inf") else f"{bound:g}"})
        yield self._sample("_sum", self.total)
        yield self._sample("_count", below)

    def _sample(self, suffix: str, value: float, more: Mapping[str, str] | None = None) -> Sample:
        return Sample(self._name, value, {**self._labels, **(more or {})}, self._help, "histogram", suffix)


class Process:
    """What the kernel says of this process."""

    def samples(self) -> Iterator[Sample]:
        used = os.times()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        yield Sample("process_cpu_seconds_total", used.user + used.system, {}, "CPU used, in seconds", "counter")
        yield Sample("process_resident_memory_bytes", pages * os.sysconf("SC_PAGE_SIZE"), {}, "resident memory")
        yield Sample("process_open_fds", sum(1 for _ in Path("/proc/self/fd").iterdir()), {}, "open descriptors")
        yield Sample("process_start_time_seconds", STARTED, {}, "start, unix time")


STARTED = time.time()
_PROCESS = Process()
_parts: weakref.WeakSet[Part] = weakref.WeakSet()


def offer(part: Part) -> None:
    """Show `part` for as long as it lives. Equal labels of two parts of one process are the parts' fault."""
    _parts.add(part)


def exposition() -> bytes:
    """The text of /metrics."""
    known = sys.modules.get("prometheus_client")  # it has process_… of its own
    parts = [*_parts] if known else [_PROCESS, *_parts]
    lines = _lines(sample for part in parts for sample in part.samples())
    text = "".join(f"{line}\n" for line in lines).encode()
    return text + known.generate_latest() if known else text


def _lines(samples: Iterable[Sample]) -> Iterator[str]:
    families: dict[str, list[Sample]] = {}
    for sample in samples:
        families.setdefault(sample.name, []).append(sample)
    for name, family in sorted(families.items()):
        yield f"# HELP {name} {family[0].help}"
        yield f"# TYPE {name} {family[0].kind}"
        for sample in family:
            labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in sample.labels.items())
            yield f"{name}{sample.suffix}{'{' + labels + '}' if labels else ''} {sample.value:.17g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
