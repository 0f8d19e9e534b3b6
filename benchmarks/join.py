"""A node's way in, on an installed machine: token create -> join -> agent start -> Ready. `python -m benchmarks.join`.

Target: <= 2 s for all of it. Baseline of the same run is what the way consists of at the least, done by a bare client:
the TLS handshakes with the API server (two: one for the CA, one that believes it), a fsynced file a secret, and a NATS
connection with TLS and an nkey. All processes are started anew, as a person or Ansible starts them. On a
busy machine the time is that of Python's imports waiting for a core: the processor time is told beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import msgspec

from agents.join import places
from benchmarks.bed import engine, median, quantile, report
from runtime.bus import Bus
from runtime.config import AgentConfig, load
from runtime.rest import Rest
from schemas.errors import ApiError
from tests.identity.master import Master
from tests.servers import free_port

TARGET = 2.0
PHASES = ("token create", "join", "start -> Ready")


def command(master: Master, *words: str) -> str:
    """The `kubus` command, in a process of its own."""
    environment = {**os.environ, "KUBECONFIG": str(master.places.kubeconfig)}
    return subprocess.run([sys.executable, "-m", "cli.main", *words], env=environment, check=True, capture_output=True,
                          text=True).stdout


def until_ready(rest: Rest, node: str, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            conditions = rest.json("GET", f"/api/v1/nodes/{node}").get("status", {}).get("conditions") or ()
            if any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
                return
        except ApiError:
            pass
        time.sleep(0.01)
    raise SystemExit(f"{node} was not Ready after {seconds} s")


def once(master: Master, docker: str, number: int) -> dict[str, float]:
    """Seconds of each phase."""
    node = f"bench-{number}"
    folder = master.folder / node
    began, cpu = time.perf_counter(), cpu_of_children()
    made: dict[str, Any] = msgspec.json.decode(command(master, "token", "create", "--node", node, "-o", "json"))
    told = time.perf_counter()
    command(master, "agent", "join", ",".join(made["servers"]), "--token", made["token"], "--ca-hash", made["caHash"],
            "--name", node, "--etc", str(folder), "--state", str(folder / "state"), "--docker-host", docker,
            "--no-start")
    joined = time.perf_counter()
    at = places.Places(folder)
    config = msgspec.structs.replace(load(at.config, AgentConfig), debug_port=free_port())
    places.write(at.config, msgspec.json.encode(config))
    with (folder / "agent.log").open("wb") as log:
        agent = subprocess.Popen([sys.executable, "-m", "cli.main", "agent", "run", "--config", str(at.config)],
                                 stdout=log, stderr=log)
    try:
        until_ready(master.rest, node)
        ready = time.perf_counter()
    finally:
        agent.terminate()
        agent.wait(20)
    spent = cpu_of_children() - cpu
    floor = bare(master, config, folder)
    return {"token create": told - began, "join": joined - told, "start -> Ready": ready - joined,
            "whole": ready - began, "bare": floor, "cpu": spent}


def cpu_of_children() -> float:
    """Seconds of processor time of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def bare(master: Master, config: AgentConfig, folder: Path) -> float:
    """Seconds of what cannot be left out."""
    began = time.perf_counter()
    for _ in range(2):
        link = HTTPSConnection("127.0.0.1", master.topology.ports.api, timeout=10,
                               context=ssl.create_default_context(cafile=config.bus.ca))
        link.request("GET", "/livez")
        link.getresponse().read()
        link.close()
    for number in range(5):
        places.write(folder / "scratch", os.urandom(64 + number))

    async def connect() -> None:
        await (await Bus.connect(config.bus, wait=False)).close()

    asyncio.run(connect())
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    host, _, _ = engine()
    folder = Path(tempfile.mkdtemp(prefix="kubus-bench-"))
    try:
        with Master(folder) as master:
            found = [once(master, host, number) for number in range(asked.rounds)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    whole, floor = ([each[name] for each in found] for name in ("whole", "bare"))
    phases = ", ".join(f"{name} {median([each[name] for each in found]) * 1000:.0f}" for name in PHASES)
    report("token create -> join -> Ready",
           f"p50 {median(whole):.2f} s, worst {quantile(whole, 1.0):.2f} s ({phases} ms; "
           f"{median([each['cpu'] for each in found]):.2f} s of processor time in all three)",
           f"bare handshakes, files and NATS connection {median(floor) * 1000:.0f} ms",
           f"{median(whole) / median(floor):.0f} x", f"<= {TARGET:.0f} s", median(whole) <= TARGET,
           rounds=found)


if __name__ == "__main__":
    main()
