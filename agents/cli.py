"""`python -m agents.cli run|purge|owned --config FILE`: what a worker's agent does from a command line.

`owned` prints what of this node the machine holds now, as JSON: what the record in the state folder should say."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import os
import sys
from pathlib import Path

from runtime.config import AgentConfig, BadConfig, load
from schemas.errors import KubusError

_M_ARENA_MAX, _M_TRIM_THRESHOLD = -8, -1
"""mallopt(3)."""


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 done or told to stop, 1 failed (the reason is on stderr), 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m agents.cli", description="one worker's agent")
    parser.add_argument("command", choices=("run", "purge", "owned"))
    parser.add_argument("--config", required=True, type=Path)
    asked = parser.parse_args(arguments)
    try:
        config = load(asked.config, AgentConfig)
    except BadConfig as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if asked.command == "run":
        return _run(config, asked.config)
    return {"purge": _purge, "owned": _owned}[asked.command](config)


def _run(config: AgentConfig, place: Path) -> int:
    _spare_memory()
    os.umask(0o022)
    from runtime.supervise import run_process

    from .app import run

    gc.collect()
    gc.freeze()
    return run_process(lambda: run(config, place), "agent", config.log_level)


def _spare_memory() -> None:
    """Two malloc arenas instead of one per thread, and free pages given back early: an idle agent must stay small.

    Docker's SDK imports paramiko where that is installed (16 MB) for daemons at ssh://; an agent's is on its machine.
    """
    sys.modules.setdefault("docker.transport.sshconn", None)  # type: ignore[arg-type]  # None: importing it fails
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 2)
        libc.mallopt(_M_TRIM_THRESHOLD, 128 * 1024)
    except (OSError, AttributeError):
        return  # not glibc


class CannotPurge(KubusError):
    """Something of ours is still there; says why. Safe to try again."""


def purged(config: AgentConfig) -> str:
    """Remove containers, networks and state; what there was, in words. Raises CannotPurge and other KubusErrors."""
    from .containers.containers import ContainersError

    async def purge() -> str:
        from .app import engine_of
        from .kubelet.purge import purge as remove

        async with engine_of(config) as engine:
            state = Path(config.state) if config.state else None
            gone = await remove(engine, config.cluster, config.node, state)
        if config.pod_network == "routed":
            from .network import remove as network

            await asyncio.to_thread(network.remove, state)
        return f"removed {gone.containers} containers and {gone.networks} networks"

    try:
        return asyncio.run(purge())
    except ContainersError as error:
        raise CannotPurge(f"cannot purge: {error}") from error


def _owned(config: AgentConfig) -> int:
    import msgspec

    from .containers.containers import ContainersError

    async def look() -> dict[str, list[str]]:
        from .app import engine_of
        from .ownership import seen

        async with engine_of(config) as engine:
            return await seen(engine, config)

    try:
        found = asyncio.run(look())
    except (ContainersError, KubusError) as error:
        sys.stderr.write(f"cannot look at what is ours: {error}\n")
        return 1
    sys.stdout.write(f"{msgspec.json.encode(found).decode()}\n")
    return 0


def _purge(config: AgentConfig) -> int:
    try:
        said = purged(config)
    except KubusError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{said}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
