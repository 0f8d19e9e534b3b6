"""From `POST deployment` to containers running, against what the same Docker daemon costs on its own, and Swarm.

`one`    one pod: the raw cost is create+start of pause and app by the Docker SDK; target: raw + 60 ms (p50).
`many`   48 replicas: targets 0.9 x the raw parallel rate (four workers) and 1.7 x `docker service create`.

Times come from Docker's own event stream (timeNano of `start`), so both sides are measured by the same clock; the
sides alternate, because a shared machine drifts.
"""

from __future__ import annotations

import argparse
import subprocess
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import docker

from benchmarks.bed import cluster, engine, median, quantile, report
from cli.session import Session
from schemas.scheme import BY_KIND
from tests.cluster.cluster import Cluster

DEPLOYMENT = BY_KIND["apps/v1", "Deployment"]
COMMAND = ["sleep", "100000"]
LABEL = "kubus.bench"
WORKERS = 4


class Starts:
    """Counts `start` events of the measured containers and remembers when each came (unix seconds)."""

    def __init__(self, host: str, image: str) -> None:
        self._api = docker.APIClient(base_url=host, version="1.41", timeout=None)
        self._image, self._times = image, []  # type: ignore[var-annotated]
        self._changed = threading.Condition()
        self._events = self._api.events(decode=True, filters={"type": "container", "event": "start"})
        threading.Thread(target=self._read, daemon=True).start()

    def clear(self) -> None:
        with self._changed:
            self._times.clear()

    def wait(self, count: int, seconds: float) -> list[float]:
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._times) >= count, seconds):
                raise SystemExit(f"only {len(self._times)} of {count} containers started within {seconds:.0f} s")
            return sorted(self._times)

    def _read(self) -> None:
        for event in self._events:
            if event["Actor"]["Attributes"].get("image") == self._image:
                with self._changed:
                    self._times.append(event["timeNano"] / 1e9)
                    self._changed.notify_all()


class Raw:
    """The same containers by the Docker SDK alone: a pause on the bridge and an app that joins it."""

    def __init__(self, api: docker.APIClient, image: str, pause: str, network: str) -> None:
        self._api, self._image, self._pause, self._network = api, image, pause, network
        self._made: list[str] = []

    def pod(self) -> None:
        api, labels = self._api, {LABEL: "raw"}
        host = api.create_host_config(network_mode=self._network, ipc_mode="shareable")
        sandbox = api.create_container(self._pause, labels=labels, host_config=host)["Id"]
        self._made.append(sandbox)
        api.start(sandbox)
        joined = api.create_host_config(network_mode=f"container:{sandbox}", ipc_mode=f"container:{sandbox}")
        app = api.create_container(self._image, COMMAND, labels=labels, host_config=joined)["Id"]
        self._made.append(app)
        api.start(app)

    def clear(self) -> None:
        with ThreadPoolExecutor(WORKERS) as pool:
            for made in (self._made[1::2], self._made[::2]):
                list(pool.map(lambda id_: self._api.remove_container(id_, force=True), made))
        self._made = []


def body(name: str, image: str, replicas: int) -> dict[str, Any]:
    container = {"name": "app", "image": image, "command": COMMAND, "imagePullPolicy": "IfNotPresent"}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    labels = {"app": name}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels}, "spec": spec}}}


def kubus(session: Session, starts: Starts, image: str, replicas: int) -> float:
    """Seconds from just before the POST until the last container started; everything is gone again afterwards."""
    name = f"b-{uuid.uuid4().hex[:8]}"
    starts.clear()
    began = time.time()
    session.create(DEPLOYMENT.path("default"), body(name, image, replicas))
    took = starts.wait(replicas, 120)[replicas - 1] - began
    session.delete(DEPLOYMENT.path("default", name), {"propagationPolicy": "Background"})
    while session.get("/api/v1/namespaces/default/pods", {"labelSelector": f"app={name}"})["items"]:
        time.sleep(0.1)
    return took


def raw(side: Raw, starts: Starts, replicas: int) -> float:
    starts.clear()
    began = time.time()
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(lambda _: side.pod(), range(replicas)))
    took = starts.wait(replicas, 120)[replicas - 1] - began
    side.clear()
    return took


def swarm(host: str, starts: Starts, image: str, replicas: int) -> float:
    """`docker service create` until the last task's container started."""
    starts.clear()
    docker_ = ["docker", "-H", host]
    began = time.time()
    command = [*docker_, "service", "create", "--detach", "--name", "bench", "--replicas", str(replicas),
               "--stop-grace-period", "0s", "--no-resolve-image", image, *COMMAND]
    subprocess.run(command, check=True, capture_output=True)
    took = starts.wait(replicas, 180)[replicas - 1] - began
    subprocess.run([*docker_, "service", "rm", "bench"], check=True, capture_output=True)
    api = docker.APIClient(base_url=host, version="1.41")
    while api.containers(all=True, filters={"label": "com.docker.swarm.service.name=bench"}):
        time.sleep(0.2)
    return took


def one(c: Cluster, side: Raw, starts: Starts, image: str, rounds: int) -> None:
    session = Session(str(c.layout.kubeconfig))
    ours, theirs = [], []
    for _ in range(rounds + 1):
        theirs.append(raw(side, starts, 1))
        ours.append(kubus(session, starts, image, 1))
    ours, theirs = ours[1:], theirs[1:]  # the first pair warms caches on both sides
    extra = (median(ours) - median(theirs)) * 1000
    report("one pod, POST to running", f"p50 {median(ours) * 1000:.0f} ms, p90 {quantile(ours, 0.9) * 1000:.0f} ms",
           f"raw Docker p50 {median(theirs) * 1000:.0f} ms", f"+{extra:.0f} ms", "raw + 60 ms", extra <= 60,
           ours=ours, theirs=theirs)


def many(c: Cluster, host: str, side: Raw, starts: Starts, image: str, *, replicas: int, rounds: int,
         with_swarm: bool) -> None:
    session = Session(str(c.layout.kubeconfig))
    ours, theirs, swarms = [], [], []
    for _ in range(rounds):
        theirs.append(raw(side, starts, replicas))
        ours.append(kubus(session, starts, image, replicas))
        if with_swarm:
            swarms.append(swarm(host, starts, image, replicas))
    ratio = median(theirs) / median(ours)
    report(f"{replicas} replicas", f"{median(ours):.1f} s ({replicas / median(ours):.1f}/s)",
           f"raw parallel Docker {median(theirs):.1f} s", f"{ratio:.2f} x its rate", ">= 0.9 x", ratio >= 0.9,
           ours=ours, theirs=theirs)
    if swarms:
        ratio = median(swarms) / median(ours)
        report(f"{replicas} replicas against Swarm", f"{median(ours):.1f} s", f"Docker Swarm {median(swarms):.1f} s",
               f"{ratio:.2f} x its rate", ">= 1.7 x", ratio >= 1.7, swarm=swarms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--replicas", type=int, default=48)
    parser.add_argument("--no-swarm", action="store_true")
    parser.add_argument("--only", choices=["one", "many"])
    asked = parser.parse_args()
    host, api, image = engine()
    with cluster() as c:
        starts = Starts(host, image)
        pause = next(t for i in api.images() for t in i["RepoTags"] or () if "pause" in t)
        side = Raw(api, image, pause, "bridge")
        if asked.only != "many":
            one(c, side, starts, image, 5 * asked.rounds)
        if asked.only == "one":
            return
        swarming = not asked.no_swarm
        if swarming:
            subprocess.run(["docker", "-H", host, "swarm", "init", "--advertise-addr", "127.0.0.1"], check=True,
                           capture_output=True)
        try:
            many(c, host, side, starts, image, replicas=asked.replicas, rounds=asked.rounds, with_swarm=swarming)
        finally:
            if swarming:
                subprocess.run(["docker", "-H", host, "swarm", "leave", "--force"], check=True, capture_output=True)


if __name__ == "__main__":
    main()
