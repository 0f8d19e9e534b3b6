"""Bringing a cluster up: engine, files, processes, readiness, and then staying with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from master.install.binaries import binary
from master.install.ports import require_free
from schemas.errors import KubusError

from . import configure, engine, ready
from .layout import Cluster, Component, Layout, python_components
from .processes import Processes, RunFile, Running, is_ours, leftovers, read_run, stop_process
from .say import Progress


class CannotStart(KubusError):
    """The cluster did not come up; the message says which part and why."""


def bring_up(state: Path, *, port: int | None, detach: bool, demo: bool, seconds: float) -> None:
    """Start it (or find it running), wait until it is ready, show it; stay in the foreground unless detached."""
    layout, progress = Layout(state), Progress()
    run = read_run(layout.run)
    if run is not None and is_ours(run.supervisor):
        _await_ready(layout, run.supervisor, seconds)
        progress.say(f"the cluster in {state} is running (pid {run.supervisor.pid}); `kubus down` stops it")
        _show(layout, progress, demo)
        return
    if detach:
        _detached(layout, port, seconds)
        _show(layout, progress, demo)
        return
    asyncio.run(_foreground(layout, port, demo, seconds, progress))


def _detached(layout: Layout, port: int | None, seconds: float) -> None:
    command = [sys.executable, "-m", "cli.main", "up", "--state", str(layout.state), "--wait", str(seconds)]
    command += ["--port", str(port)] if port is not None else []
    layout.run.unlink(missing_ok=True)
    log = layout.log("supervisor")
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    deadline = time.monotonic() + seconds + engine.START_SECONDS
    while (run := read_run(layout.run)) is None or not run.ready:
        if process.poll() is not None:
            raise CannotStart(engine.tail(log, 3))
        if time.monotonic() > deadline:
            raise CannotStart(f"not ready after {seconds:.0f} s; see {log}")
        time.sleep(0.05)


def _await_ready(layout: Layout, supervisor: Running, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (run := read_run(layout.run)) is not None and not run.ready:
        if not is_ours(supervisor) or time.monotonic() > deadline:
            raise CannotStart(f"the cluster in {layout.state} is not getting ready; see its logs folder")
        time.sleep(0.05)


async def _foreground(layout: Layout, port: int | None, demo: bool, seconds: float, progress: Progress) -> None:
    began = time.monotonic()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    docker_host, docker = _engine(layout, read_run(layout.run), progress)
    cluster = configure.decide(layout, port, docker_host)
    _clear_leftovers(layout, progress)
    require_free(cluster.host, cluster.ports.api)
    configure.write(layout, cluster)
    components = _components(layout, cluster)

    def died(name: str, code: int, delay: float) -> None:
        progress.say(f"! {name} ended ({code}); again in {delay:.1f} s; {engine.tail(layout.log(name), 1)[:200]}")

    processes = Processes(components, layout.log, layout.run, died, docker)
    keeper = asyncio.create_task(processes.run(), name="processes")
    stopper = asyncio.create_task(stop.wait(), name="stop")
    starting = asyncio.create_task(_until_ready(layout, cluster, components, seconds, progress), name="starting")
    try:
        await asyncio.wait({keeper, stopper, starting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done() and not stop.is_set():
            starting.result()
            processes.mark_ready()
            progress.say(f"ready in {time.monotonic() - began:.1f} s")
            await _stay(layout, progress, demo, {keeper, stopper})
    finally:
        progress.say("stopping")
        for task in (starting, keeper, stopper):
            task.cancel()
        await asyncio.gather(starting, keeper, stopper, return_exceptions=True)
        await asyncio.to_thread(_after, layout, docker)


async def _stay(layout: Layout, progress: Progress, demo: bool, until: set[asyncio.Task[object]]) -> None:
    showing = asyncio.create_task(asyncio.to_thread(_show, layout, progress, demo), name="show")
    await asyncio.wait({showing, *until}, return_when=asyncio.FIRST_COMPLETED)
    if showing.done():
        showing.result()
        progress.say("Ctrl-C stops the cluster")
        await asyncio.wait(until, return_when=asyncio.FIRST_COMPLETED)
    for task in until:
        if task.done() and not task.cancelled():
            task.result()


def _engine(layout: Layout, run: RunFile | None, progress: Progress) -> tuple[str, Running | None]:
    host = engine.find_engine(layout)
    if host is not None:
        ours = run.docker if run is not None and run.docker is not None and is_ours(run.docker) else None
        progress.done("docker", host)
        return host, ours
    host, process = engine.start_engine(layout, progress.say)
    progress.done("docker", host)
    return host, process


def _clear_leftovers(layout: Layout, progress: Progress) -> None:
    for name, process in leftovers(read_run(layout.run)).items():
        progress.say(f"{name} (pid {process.pid}) is left from an earlier run; stopping it")
        stop_process(process, 10.0)


def _components(layout: Layout, cluster: Cluster) -> tuple[Component, ...]:
    etcd, nats = binary("etcd"), binary("nats-server")
    return (*configure.servers(layout, cluster, etcd, nats), *python_components(layout, cluster, sys.executable))


async def _until_ready(layout: Layout, cluster: Cluster, components: tuple[Component, ...], seconds: float,
                       progress: Progress) -> None:
    probes: dict[str, ready.Probe] = {
        c.name: partial(ready.url_answers, c.health) if c.health else partial(ready.port_answers, c.port)
        for c in components
    }
    probes["node"] = lambda: ready.node_ready(layout.kubeconfig, cluster.node)
    progress.expect(list(probes))
    await ready.wait_all(probes, seconds, lambda name, took: progress.done(name, f"{took:.1f} s"),
                         lambda name: engine.tail(layout.log("agent" if name == "node" else name), 3))


def _show(layout: Layout, progress: Progress, demo: bool) -> None:
    from .demo import next_words, show_demo

    if demo:
        show_demo(layout, progress)
    progress.say(next_words(layout))


def _after(layout: Layout, docker: Running | None) -> None:
    """The processes are gone: take the pods' containers away, then an engine of ours, then the run file."""
    from .stop import remove_pods

    with contextlib.suppress(KubusError):
        remove_pods(layout)
    if docker is not None:
        stop_process(docker, 20.0)
    run = read_run(layout.run)
    if run is not None and run.supervisor.pid == os.getpid():
        layout.run.unlink(missing_ok=True)
