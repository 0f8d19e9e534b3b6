"""What the network needs after a reboot while the master is away: peers as last known, in `<state>/network.json`.

Written whole, by rename. A file that cannot be read is as good as none: the feed brings its content again.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from .model import Peer

log = logging.getLogger(__name__)
FILE = "network.json"


def load(state: Path) -> tuple[Peer, ...]:
    """What the disk says, or nobody."""
    path = state / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Peer, ...])
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("cannot read what is remembered of the network", extra={"path": str(path), "error": str(error)})
        return ()


def save(state: Path, peers: tuple[Peer, ...]) -> None:
    """A disk that refuses is named in the log; only a reboot without the master would miss it."""
    path = state / FILE
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(peers))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        log.warning("cannot keep the network's memory", extra={"path": str(path), "error": str(error)})


def forget(state: Path) -> None:
    """Remove the file."""
    (state / FILE).unlink(missing_ok=True)
