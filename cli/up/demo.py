"""What `make up` shows: a deployment of three web servers, their nodes and pods, and a page from one of them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from typing import Any

import msgspec

from agents.containers.docker import Docker
from cli.commands.create import deployment_body
from cli.session import Session
from schemas.errors import AlreadyExists, KubusError
from schemas.scheme import BY_KIND

from .layout import Cluster, Layout
from .say import Progress
from .web_image import web_image

NAME, REPLICAS, SECONDS = "web", 3, 90.0
DEPLOYMENT, POD = BY_KIND["apps/v1", "Deployment"], BY_KIND["v1", "Pod"]


class DemoFailed(KubusError):
    """The web servers did not come up; the message says what their pods wait for."""


def show_demo(layout: Layout, progress: Progress) -> None:
    """Deploy (or find) the web servers, wait until they serve, show them, fetch a page. Raises DemoFailed."""
    cluster = msgspec.json.decode(layout.cluster.read_bytes(), type=Cluster)
    image, words = asyncio.run(_image(cluster.docker_host))
    progress.done("image", f"{image}: {words}")
    session = Session(str(layout.kubeconfig))
    began = time.monotonic()
    try:
        session.create(DEPLOYMENT.path("default"), deployment_body(NAME, (image,), REPLICAS, 80))
        progress.say(f"deployment/{NAME} created with {REPLICAS} replicas")
    except AlreadyExists:
        progress.say(f"deployment/{NAME} is there already")
    _await_available(session)
    progress.done(f"{NAME}", f"{REPLICAS} pods serve after {time.monotonic() - began:.1f} s")
    for what in (("get", "nodes", "-o", "wide"), ("get", "pods", "-o", "wide")):
        progress.say(f"\n$ kubus {' '.join(what)}\n{_kubus(layout, *what)}")
    address, page = _page(session)
    progress.say(f"$ curl http://{address}/\n{page}")


def next_words(layout: Layout) -> str:
    """What to type next."""
    return (f"\nkubeconfig: {layout.kubeconfig}\nnext:  export KUBECONFIG={layout.kubeconfig}\n"
            f"       kubus get pods -o wide      kubus journey deployment/{NAME}\n"
            f"       kubectl scale deployment/{NAME} --replicas 5")


async def _image(docker_host: str) -> tuple[str, str]:
    containers = Docker(docker_host)
    try:
        return await web_image(containers)
    finally:
        await containers.close()


def _await_available(session: Session) -> None:
    def available(deployment: dict[str, Any] | None) -> bool:
        status = (deployment or {}).get("status", {})
        return bool(status.get("availableReplicas", 0) >= REPLICAS)

    if not session.until(DEPLOYMENT.path("default"), NAME, available, SECONDS):
        pods = session.get(POD.path("default"), {"labelSelector": f"app={NAME}"})["items"]
        states = [json.dumps(s.get("state")) for p in pods for s in p.get("status", {}).get("containerStatuses") or ()]
        words = f"deployment/{NAME} was not available after {SECONDS:.0f} s"
        raise DemoFailed(f"{words}; its containers: {', '.join(states) or 'none'}")


def _page(session: Session) -> tuple[str, str]:
    pods = session.get(POD.path("default"), {"labelSelector": f"app={NAME}"})["items"]
    address = next(p["status"]["podIP"] for p in pods if p.get("status", {}).get("podIP"))
    with urllib.request.urlopen(f"http://{address}/", timeout=10) as answer:
        return address, answer.read(400).decode(errors="replace").strip()


def _kubus(layout: Layout, *what: str) -> str:
    command = [sys.executable, "-m", "cli.main", *what, "--kubeconfig", str(layout.kubeconfig)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.rstrip("\n")
