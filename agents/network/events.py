"""The kernel's news, as a bare "look again": links, addresses and routes (rtnetlink), and firewall rules (nfnetlink).

Nothing is read out of the messages: whoever is woken looks at everything. Devices of containers come and go all day, so
link messages that name only those (`veth…`) wake nobody. iptables of the legacy kind sends no news: the slow relist
finds what happened there.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

log = logging.getLogger(__name__)
_NETLINK_NETFILTER = 12
_LINK, _ADDRESS, _ROUTE = 1, 0x10, 0x40
"""RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE (linux/rtnetlink.h)."""
_NFTABLES = 1 << 6
"""NFNLGRP_NFTABLES is group 7 (linux/netfilter/nfnetlink.h); the bind mask counts from bit 0."""
_NEW_LINK, _DEL_LINK = 16, 17
BYTES = 65536


async def follow(wake: Callable[[], None]) -> None:
    """Call `wake` after each change, for ever. Raises OSError when the kernel offers no such socket."""
    loop = asyncio.get_running_loop()
    sockets = [_listen(socket.NETLINK_ROUTE, _LINK | _ADDRESS | _ROUTE), _listen(_NETLINK_NETFILTER, _NFTABLES)]
    try:
        for sock in sockets:
            loop.add_reader(sock.fileno(), _heard, sock, wake)
        await asyncio.Event().wait()
    finally:
        for sock in sockets:
            loop.remove_reader(sock.fileno())
            sock.close()


def _listen(family: int, groups: int) -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, family)
    try:
        sock.bind((0, groups))
    except OSError:
        sock.close()
        raise
    return sock


def _heard(sock: socket.socket, wake: Callable[[], None]) -> None:
    """Read all that waits. An overrun (ENOBUFS) means that news were lost: that is news, too."""
    news = False
    try:
        while True:
            news |= not concerns_a_container(sock.recv(BYTES))
    except BlockingIOError:
        pass
    except OSError as error:
        log.info("the kernel had more news than we could take", extra={"error": str(error)})
        news = True
    if news:
        wake()


def concerns_a_container(raw: bytes) -> bool:
    """A link message about one end of a container's cable."""
    return int.from_bytes(raw[4:6], "little") in (_NEW_LINK, _DEL_LINK) and b"veth" in raw
