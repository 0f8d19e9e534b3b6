"""Bringing a cluster down, and taking every trace of it away. Works on what a killed supervisor left, too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from schemas.errors import KubusError

from . import engine
from .layout import Layout
from .processes import is_ours, leftovers, read_run, stop_process
from .say import Progress

SUPERVISOR_SECONDS = 60.0


class CannotPurge(KubusError):
    """Something of ours could not be removed; the message says what."""


def bring_down(state_path: os.PathLike[str], *, keep_pods: bool, purge: bool) -> None:
    """Stop the supervisor and its children, the pods (unless kept), and with `purge` remove all files."""
    from pathlib import Path

    layout, progress = Layout(Path(state_path)), Progress()
    if keep_pods:
        (layout.state / "keep-pods").touch()
    run = read_run(layout.run)
    if run is None and not purge:
        progress.say(f"no cluster runs from {layout.state}")
    if run is not None:
        stop_process(run.supervisor, SUPERVISOR_SECONDS)
        for name, process in leftovers(run).items():
            progress.say(f"stopping {name} (pid {process.pid})")
            stop_process(process, 10.0)
    if not keep_pods:
        _pods_away(layout, progress)
    if run is not None and run.docker is not None and not keep_pods:
        stop_process(run.docker, 20.0)
    layout.run.unlink(missing_ok=True)
    (layout.state / "keep-pods").unlink(missing_ok=True)
    if purge:
        _purge_files(layout)
    progress.say("purged" if purge else "stopped")


def _pods_away(layout: Layout, progress: Progress) -> None:
    if not layout.config("agent").exists():
        return
    own = f"unix://{layout.docker_socket}"
    started = None
    if not any(engine.answers(host) for host in (os.environ.get("DOCKER_HOST", own), own) if host) and (
        layout.docker / "data"
    ).exists():
        _, started = engine.start_engine(layout, progress.say)
    try:
        remove_pods(layout)
    finally:
        if started is not None:
            stop_process(started, 20.0)


def remove_pods(layout: Layout) -> None:
    """Containers and networks of this cluster's node, by label. Raises CannotPurge with the agent's words."""
    if (layout.state / "keep-pods").exists() or not layout.config("agent").exists():
        return
    command = [sys.executable, "-m", "agents.cli", "purge", "--config", str(layout.config("agent"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise CannotPurge(f"containers of this node could not be removed: {done.stderr.strip()[-400:]}")


def _purge_files(layout: Layout) -> None:
    run = read_run(layout.run)
    if run is not None and is_ours(run.supervisor):
        raise CannotPurge(f"the supervisor (pid {run.supervisor.pid}) does not stop; end it and try again")
    shutil.rmtree(layout.state, ignore_errors=False) if layout.state.exists() else None
