"""The baseline of every start-up figure: what plain Docker costs for the same containers, by the Docker SDK alone.

A "pod" is the pause container (default bridge network) and one application container that joins its network and IPC
namespaces: two creates, two starts. No kubelet, no bus, no status. Printed: one at a time (seconds per pod, median)
and four in parallel (pods per second), which is the most a two-core engine gives.

    python -m benchmarks.docker_raw [--pods 48] [--one 8] [--host unix:///var/run/docker.sock] [--image NAME]

Everything made is removed at the end. Writes one JSON line to stdout.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import docker

from agents.containers import pause
from agents.containers.docker import API_VERSION
from tests import dockerd

LABEL = "io.kubus.benchmark"
PARALLEL = 4


class Raw:
    """Plain Docker, as fast as the SDK goes."""

    def __init__(self, host: str, image: str) -> None:
        self.api: Any = docker.APIClient(base_url=host, version=API_VERSION, timeout=120, max_pool_size=PARALLEL + 1)
        self.image, self.run = image, uuid.uuid4().hex[:8]
        tar = pause.image_tar(self.api.info()["Architecture"])
        changes = [f'ENTRYPOINT ["{pause.PATH}"]', f"LABEL {pause.DIGEST}={pause.digest(tar)}"]
        repository, _, tag = pause.IMAGE.rpartition(":")
        self.api.import_image_from_data(tar, repository, tag, changes=changes)

    def pod(self, number: int) -> float:
        """Seconds from the first create to the last start."""
        began = time.perf_counter()
        box = self._made(f"box-{number}", pause.IMAGE, None, {"NetworkMode": "bridge", "IpcMode": "shareable"})
        joined = f"container:{box}"
        self._made(f"app-{number}", self.image, ["sleep", "100000"], {"NetworkMode": joined, "IpcMode": joined})
        return time.perf_counter() - began

    def _made(self, name: str, image: str, command: list[str] | None, host: dict[str, str]) -> str:
        body = {"Image": image, "Cmd": command, "Labels": {LABEL: self.run}, "HostConfig": host}
        made = self.api.create_container_from_config(body, f"kubus-raw-{self.run}-{name}")
        self.api.start(made["Id"])
        return str(made["Id"])

    def clean(self) -> None:
        """Remove every container of this run."""
        left = self.api.containers(all=True, filters={"label": f"{LABEL}={self.run}"})
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda c: self.api.remove_container(c["Id"], force=True), left))


def measure(host: str, image: str, *, one: int, pods: int) -> dict[str, float]:
    """`one_seconds`: median of `one` pods one at a time; `rate`: pods/s for `pods` of them, four at a time."""
    raw = Raw(host, image)
    out: dict[str, float] = {}
    try:
        if one:
            times = [raw.pod(n) for n in range(one)]
            out |= {"one_seconds": statistics.median(times), "one_seconds_best": min(times)}
            raw.clean()
        if pods:
            began = time.perf_counter()
            with ThreadPoolExecutor(PARALLEL) as pool:
                list(pool.map(raw.pod, range(1000, 1000 + pods)))
            took = time.perf_counter() - began
            out |= {"seconds": took, "rate": pods / took}
    finally:
        raw.clean()
        raw.api.close()
    return out


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description="raw Docker baseline")
    parser.add_argument("--pods", type=int, default=48)
    parser.add_argument("--one", type=int, default=8)
    parser.add_argument("--host", default="")
    parser.add_argument("--image", default="")
    asked = parser.parse_args()
    host = asked.host or dockerd.find_or_start()
    if not host:
        print("no Docker daemon answers", file=sys.stderr)
        return 1
    image = asked.image or dockerd.ensure_image(host)
    print(json.dumps({"benchmark": "docker_raw"} | measure(host, image, one=asked.one, pods=asked.pods)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
