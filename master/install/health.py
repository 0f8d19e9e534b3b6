"""Is this member well? Each part is asked itself: etcd and NATS by their health pages, a service by its debug port.

Reads only. A part that does not answer is a line that says so. Refuses a machine that has not a master's files.
"""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct

from runtime.config import Tls
from schemas.errors import KubusError

from .configs import CA
from .places import Places
from .servers import ETCD_CLIENT, etcd_tls
from .topology import SERVICES, Topology, host

ASK_SECONDS = 3.0
POLL_SECONDS = 0.2


class Unwell(KubusError):
    """A part did not become healthy in time; says which and what it said."""


class Part(Struct, frozen=True):
    """One process of this member. `words`: what it said, or why it said nothing."""

    name: str
    healthy: bool
    words: str


def look(topology: Topology, places: Places) -> list[Part]:
    """All parts, asked once."""
    return [_ask(name, url, tls) for name, url, tls in _pages(topology, places)]


def wait(topology: Topology, places: Places, seconds: float, told: Callable[[Part], None]) -> list[Part]:
    """Ask until all are healthy; `told` of each that is. Raises Unwell after `seconds`."""
    deadline = time.monotonic() + seconds
    seen: set[str] = set()
    while True:
        parts = look(topology, places)
        for part in parts:
            if part.healthy and part.name not in seen:
                seen.add(part.name)
                told(part)
        ill = [part for part in parts if not part.healthy]
        if not ill:
            return parts
        if time.monotonic() > deadline:
            words = "; ".join(f"{part.name}: {part.words} (journalctl -u kubus-{part.name})" for part in ill)
            raise Unwell(f"not healthy after {seconds:g} s: {words}")
        time.sleep(POLL_SECONDS)


def _pages(topology: Topology, places: Places) -> Iterator[tuple[str, str, ssl.SSLContext | None]]:
    ports = topology.ports
    address = host(topology.address)
    yield "etcd", f"https://{address}:{ports.etcd}/health", _context(etcd_tls(places, ETCD_CLIENT))
    if ports.nats_monitor:
        yield "nats", f"http://127.0.0.1:{ports.nats_monitor}/healthz", None
    for service in SERVICES:
        if ports.debug.get(service):
            yield service, f"http://127.0.0.1:{ports.debug[service]}/healthz", None
    door = host(topology.listen or topology.address)
    yield "api", f"https://{door}:{ports.api}/readyz", _context(Tls(ca=str(places.key(CA))))


def _context(tls: Tls) -> ssl.SSLContext:
    for file in filter(None, (tls.ca, tls.cert, tls.key)):
        if not Path(file).exists():
            raise Unwell(f"{file} is missing: this machine is no master yet; `kubus master configure` makes it one")
    context = ssl.create_default_context(cafile=tls.ca)
    if tls.cert:
        context.load_cert_chain(tls.cert, tls.key)
    return context


def _ask(name: str, url: str, tls: ssl.SSLContext | None) -> Part:
    try:
        with urllib.request.urlopen(url, timeout=ASK_SECONDS, context=tls) as answer:
            return Part(name, True, _short(answer.read()))
    except urllib.error.HTTPError as error:
        return Part(name, False, _short(error.read()) or f"HTTP {error.code}")
    except OSError as error:
        return Part(name, False, str(getattr(error, "reason", error)))


def _short(body: bytes) -> str:
    return " ".join(body.decode(errors="replace").split())[:200]
