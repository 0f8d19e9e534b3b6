"""The pause image, made on the spot: no registry is needed to run a pod.

A sandbox needs one process that holds the pod's namespaces, ends at once on SIGTERM or SIGINT, and leaves no zombies
when it is PID 1 of a shared PID namespace. That is three system calls, so the program is a static ELF of under 300
bytes, written here as machine code and wrapped in a tar for `docker import`.

    ignore SIGCHLD                    the kernel then reaps children of PID 1 by itself (sigaction(2))
    block SIGINT and SIGTERM          blocked signals reach even PID 1 (signal(7))
    wait for one of them, exit 0

Reads and writes nothing; refuses machines other than x86-64 and arm64.
"""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile

IMAGE = "kubus/pause:1"
PATH = "/pause"
DIGEST = "io.kubus.pause.digest"
"""Image label: sha256 of the tar, so that a changed program is noticed and imported again."""

_X86_64 = bytes.fromhex(
    "6a0d586a115f488d354300000031d26a08415a0f05"  # rt_sigaction(SIGCHLD, &ignore, NULL, 8)
    "6a0e5831ff488d354f00000031d26a08415a0f05"  # rt_sigprocmask(SIG_BLOCK, &set, NULL, 8)
    "b880000000488d3d3b00000031f631d26a08415a0f05"  # wait: rt_sigtimedwait(&set, NULL, NULL, 8)
    "85c07ee6"  # if eax <= 0 goto wait
    "b8e700000031ff0f05"  # exit_group(0)
    "0f1f4000"  # pad to 8
)
_ARM64 = struct.pack(
    "<24I",
    0xD28010C8, 0xD2800220, 0x100002C1, 0xD2800002, 0xD2800103, 0xD4000001,  # rt_sigaction (x8 = 134)
    0xD28010E8, 0xD2800000, 0x10000301, 0xD2800002, 0xD2800103, 0xD4000001,  # rt_sigprocmask (135)
    0xD2801128, 0x10000260, 0xD2800001, 0xD2800002, 0xD2800103, 0xD4000001,  # wait: rt_sigtimedwait (137)
    0xF100001F, 0x54FFFF2D,  # cmp x0, 0; b.le wait
    0xD2800BC8, 0xD2800000, 0xD4000001,  # exit_group (94)
    0xD503201F,  # nop
)  # fmt: skip
_IGNORE = struct.pack("<4Q", 1, 0, 0, 0)
"""struct kernel_sigaction: handler SIG_IGN, flags, restorer, mask; the same layout on both machines."""
_SIGNALS = struct.pack("<Q", 1 << (2 - 1) | 1 << (15 - 1))

_MACHINES = {"x86_64": (62, _X86_64), "amd64": (62, _X86_64), "aarch64": (183, _ARM64), "arm64": (183, _ARM64)}
_BASE = 0x400000
_HEADERS = 64 + 56


class UnknownMachine(ValueError):
    """No pause program for this CPU."""


def program(machine: str) -> bytes:
    """The static ELF for a machine name as `uname -m` or Docker's `Architecture` gives it. Raises UnknownMachine."""
    try:
        number, code = _MACHINES[machine]
    except KeyError:
        raise UnknownMachine(f"no pause program for {machine!r}; known: {', '.join(sorted(_MACHINES))}") from None
    body = code + _IGNORE + _SIGNALS
    size = _HEADERS + len(body)
    ident = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, number, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + body


def image_tar(machine: str) -> bytes:
    """A root filesystem with nothing but the program; the same bytes every time. Raises UnknownMachine."""
    data = program(machine)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo(PATH.lstrip("/"))
        entry.size, entry.mode = len(data), 0o555
        tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def digest(tar: bytes) -> str:
    """What the image's DIGEST label says."""
    return hashlib.sha256(tar).hexdigest()
