"""Plays a playbook on some machines of the fleet file and tells what happens. The only importer of ansible_runner.

Ansible's own events become happenings of `progress`. Variables that are secret (tokens) travel in a private folder that
is gone afterwards, not in the fleet file and not on a command line. Refuses to guess: what Ansible says is passed on.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import ansible_runner
from msgspec import Struct
from msgspec.structs import replace

from .progress import Happening
from .target import ProvisionError

Told = Callable[[Happening], None]
FACTS = "Gathering Facts"
TELLER = "failure"
"""The role that tells, for plain Ansible, what went wrong. Its telling is no work, and we tell it ourselves."""


class PlayBroken(ProvisionError):
    """Ansible itself did not work: a syntax error, a missing role, no such host in the inventory."""


class Interrupted(KeyboardInterrupt):
    """Somebody ended the play. No KubusError: a loop over machines must not book it on one and go on to the next."""


class Play(Struct, frozen=True, kw_only=True):
    """What to play. `limit` names machines of the inventory; `variables` are kept out of sight."""

    folder: Path
    playbook: str
    inventory: Path
    limit: Sequence[str]
    variables: Mapping[str, Any] = {}
    known_hosts: Path | None = None
    check: bool = False
    forks: int = 10


class Outcome(Struct, frozen=True, kw_only=True):
    """Per machine: how many tasks changed something; and which machines failed."""

    changed: Mapping[str, int]
    failed: frozenset[str]
    output: str = ""


def play(wanted: Play, told: Told) -> Outcome:
    """Blocks until Ansible ends; failures of machines are told and returned. Raises PlayBroken, Interrupted."""
    with tempfile.TemporaryDirectory(prefix="kubus-play-") as private:
        said: list[str] = []
        stats: dict[str, Any] = {}

        def handle(event: dict[str, Any]) -> bool:
            if text := str(event.get("stdout", "")).strip():
                said.append(text)
            if event.get("event") == "playbook_on_stats":
                stats.update(event["event_data"])
            for happening in happenings(event):
                told(happening)
            return False  # the runner keeps no file of each event

        with interruptible() as interrupted:
            runner = ansible_runner.run(
                private_data_dir=private, project_dir=str(wanted.folder), playbook=wanted.playbook,
                inventory=str(wanted.inventory), limit=",".join(wanted.limit), extravars=dict(wanted.variables),
                envvars=environment(wanted), event_handler=handle, quiet=True, cancel_callback=interrupted,
                cmdline="--check --diff" if wanted.check else None,
            )
        if interrupted():  # also when the play was over before the runner looked
            raise Interrupted(f"{wanted.playbook} was interrupted; what was done stays, the same command goes on")
        return _outcome(f"{runner.status}, exit code {runner.rc}", wanted, stats, "\n".join(said))


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Yields the question "was there a SIGINT or SIGTERM?". The handlers from before are there again afterwards: the
    runner's own ones would stay, and swallow every further Ctrl-C."""
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only that one may set handlers
        yield came.is_set
        return
    before = {each: signal.signal(each, lambda *_: came.set()) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def environment(wanted: Play) -> dict[str, str]:
    """Ansible of this very environment, its own config, our pinned host keys."""
    beside = str(Path(sys.executable).parent)
    keys = f"-o UserKnownHostsFile={wanted.known_hosts} -o GlobalKnownHostsFile=/dev/null" if wanted.known_hosts else ""
    return {
        "PATH": os.pathsep.join([beside, os.environ.get("PATH", "/usr/bin:/bin")]),
        "ANSIBLE_CONFIG": str(wanted.folder / "ansible.cfg"), "ANSIBLE_FORKS": str(wanted.forks),
        "ANSIBLE_HOST_KEY_CHECKING": "True", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_RETRY_FILES_ENABLED": "False",
        **({"ANSIBLE_SSH_COMMON_ARGS": f"{keys} -o StrictHostKeyChecking=yes"} if keys else {}),
    }


def happenings(event: Mapping[str, Any]) -> list[Happening]:
    """One of Ansible's events -> ours. Pure."""
    told = event.get("event_data") or {}
    host, task = str(told.get("host", "")), str(told.get("task", ""))
    if not host or told.get("role") == TELLER:
        return []
    result: Mapping[str, Any] = told["res"] if isinstance(told.get("res"), dict) else {}
    happened = Happening(
        host=host, kind="task", at=_moment(str(event.get("created", ""))), task=task,
        phase=str(told.get("role") or ("facts" if task == FACTS else "play")),
    )
    match event.get("event"):
        case "runner_on_start":
            return [happened]
        case "runner_on_ok" if result.get("changed"):
            return [replace(happened, kind="changed")]
        case "runner_on_ok" | "runner_on_skipped":
            return [replace(happened, kind="rest")]
        case "runner_retry":
            return [replace(happened, kind="retry")]
        case "runner_on_failed" if not told.get("ignore_errors"):
            return [replace(happened, kind="failed", words=message(result))]
        case "runner_on_unreachable":
            return [replace(happened, kind="failed", words=message(result))]
    return []


def message(result: Mapping[str, Any]) -> str:
    """What a failed task said: its message, then the command's own words where they say more."""
    parts = [str(result.get("msg", "")).strip()]
    for loop in result.get("results") or ():
        if isinstance(loop, dict) and loop.get("failed"):
            parts.append(message(loop))
    parts += [str(result.get(stream) or "").strip()[-2000:] for stream in ("stderr", "stdout")]
    seen = [part for index, part in enumerate(parts) if part and part not in parts[:index]]
    silent = "what it said is kept secret (no_log)" if "censored" in result else "it failed and said nothing"
    return "\n".join(seen) or silent


def _moment(created: str) -> float:
    try:
        moment = datetime.fromisoformat(created)
    except ValueError:
        return datetime.now().timestamp()
    return moment.timestamp()


def _outcome(ending: str, wanted: Play, stats: Mapping[str, Any], said: str) -> Outcome:
    touched = {host for kind in ("ok", "failures", "dark", "changed") for host in stats.get(kind, {})}
    if not touched:
        tail = "\n".join(said.splitlines()[-15:]) or "it said nothing"
        raise PlayBroken(f"{wanted.playbook} was not played ({ending}):\n{tail}")
    failed = {host for kind in ("failures", "dark") for host in stats.get(kind, {})}
    changed = {host: int(stats.get("changed", {}).get(host, 0)) for host in touched}
    return Outcome(changed=changed, failed=frozenset(failed | (set(wanted.limit) - touched)), output=said)
