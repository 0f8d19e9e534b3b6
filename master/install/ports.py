"""Free TCP ports on the loopback."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterator

from schemas.errors import KubusError


class PortTaken(KubusError):
    """Someone else listens where we must."""


CHOICE = range(20_000, 32_000)
"""Below Linux' ephemeral ports (32768 and up): an outgoing connection must not sit on a port that a killed server of
ours wants back."""


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on just now, at random, so that two clusters starting at once differ."""
    chance = random.SystemRandom()
    found: list[int] = []
    for _ in range(100 * count):
        port = chance.choice(CHOICE)
        if port not in found and is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise PortTaken(f"no {count} free ports between {CHOICE.start} and {CHOICE.stop} on 127.0.0.1")


def require_free(host: str, port: int) -> None:
    """Raises PortTaken with what to do."""
    try:
        with _listener(host, port):
            return
    except OSError as error:
        raise PortTaken(
            f"port {port} on {host} is taken ({error.strerror}); stop what listens there, or `kubus up --port N`"
        ) from error


def is_free(port: int) -> bool:
    """Could we listen on this loopback port?"""
    try:
        with _listener("127.0.0.1", port):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def _listener(host: str, port: int) -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1)
        yield listener
