"""A cluster on hosts: one master, some workers, and the operator's eyes on it.

    fleet = Fleet(lab).provision()       site.yml over SSH: m1 a master, w1 and w2 workers
    fleet.kubectl("apply", "-f", "-", stdin=…)
    fleet.get("/api/v1/nodes/w1")        fast: one kept connection, for measuring
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.cluster.cluster import kubectls
from tests.lab import Host, Lab, LabError, until
from tests.lab.plays import Plays
from tests.lab.shell import sh

Object = dict[str, Any]


class Api:
    """HTTPS as the operator, over one connection that is made anew when it breaks."""

    def __init__(self, kubeconfig: Path) -> None:
        said = yaml.safe_load(kubeconfig.read_text())
        cluster, user = said["clusters"][0]["cluster"], said["users"][0]["user"]
        self._context = ssl.create_default_context(
            cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
            pair.flush()
            self._context.load_cert_chain(pair.name)
        self._where = cluster["server"].removeprefix("https://")
        self._line: http.client.HTTPSConnection | None = None

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def get(self, path: str, timeout: float = 5) -> Object:
        """The object; LabError with the answer when it is none."""
        for attempt in (1, 2):
            try:
                if self._line is None:
                    self._line = http.client.HTTPSConnection(self._where, context=self._context, timeout=timeout)
                self._line.request("GET", path)
                answer = self._line.getresponse()
                body = answer.read()
                break
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if attempt == 2:
                    raise LabError(f"GET {path}: {error}") from error
        if answer.status != 200:
            raise LabError(f"GET {path}: {answer.status} {body[:300]!r}")
        found: Object = json.loads(body)
        return found


class Container(NamedTuple):
    """One that runs on a host."""

    id: str
    uid: str
    pod: str
    started: str


class Fleet:
    """The hosts, and what their API server says. `workers` by name."""

    def __init__(self, lab: Lab, workers: int = 2) -> None:
        self.lab = lab
        self.master = lab.host("m1", 1)
        self.workers = {f"w{index}": lab.host(f"w{index}", 10 + index) for index in range(1, workers + 1)}
        self.plays = Plays(lab, {"masters": [self.master], "workers": list(self.workers.values())})
        self.kubeconfig = self.plays.kubeconfig
        self._api: Api | None = None

    @property
    def api(self) -> Api:
        """The API server's, once provisioned."""
        assert self._api is not None, "not provisioned yet"
        return self._api

    @property
    def hosts(self) -> list[Host]:
        return [self.master, *self.workers.values()]

    def provision(self) -> Fleet:
        """From fresh hosts to Ready nodes with the test image."""
        for host in self.hosts:
            host.start()
        with ThreadPoolExecutor(len(self.hosts)) as threads:
            list(threads.map(Host.wait_ssh, self.hosts))
            list(threads.map(Host.load_image, self.workers.values()))
        self.plays.play("site.yml")
        self.connect()
        for name in self.workers:
            self.wait_ready(name, 60)
        return self

    def connect(self) -> None:
        """To the API server of the kubeconfig that the last play brought."""
        self._api = Api(self.kubeconfig)

    def join(self, host: Host) -> None:
        """One more worker, by join.yml."""
        host.start()
        host.wait_ssh()
        host.load_image()
        self.workers[host.name] = host
        self.plays = Plays(self.lab, {"masters": [self.master], "workers": list(self.workers.values())})
        self.plays.play("join.yml", "--limit", host.name)
        self.wait_ready(host.name, 60)

    def wipe(self) -> None:
        """The hosts are off and empty."""
        if self._api is not None:
            self._api.close()
        for host in self.hosts:
            host.wipe()

    def kubectl(self, *words: str, stdin: str = "") -> str:
        """The oldest kubectl of this machine."""
        return sh(next(iter(kubectls().values())), "--kubeconfig", self.kubeconfig, *words, stdin=stdin.encode())

    def apply(self, *objects: Object) -> None:
        self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def ready(self, node: str) -> str:
        """Its condition Ready: True, False, Unknown; "" when it has none."""
        status = self.api.get(f"/api/v1/nodes/{node}").get("status", {})
        return next((c["status"] for c in status.get("conditions", ()) if c["type"] == "Ready"), "")

    def is_free(self, node: str) -> bool:
        """Ready, and nothing keeps pods off."""
        return self.ready(node) == "True" and not self.api.get(f"/api/v1/nodes/{node}")["spec"].get("taints")

    def wait_ready(self, node: str, seconds: float) -> float:
        return self.wait(lambda: self.ready(node) == "True", f"{node} to be Ready", seconds)

    def pods(self, app: str) -> list[Object]:
        found: list[Object] = self.api.get(f"/api/v1/namespaces/default/pods?labelSelector=app%3D{app}")["items"]
        return found

    def running(self, app: str) -> list[Object]:
        """Those that run, are ready, and are not on their way out."""
        return [pod for pod in self.pods(app) if is_ready(pod)]

    def wait(self, condition: Callable[[], Any], what: str, seconds: float) -> float:
        """Until it holds, whatever the API says meanwhile; the seconds it took."""
        begun = time.monotonic()

        def holds() -> Any:
            try:
                return condition()
            except LabError:
                return None  # the API server may be cut off or frozen: that is what some tests do
        until(holds, what, seconds, 0.05)
        return time.monotonic() - begun

    def containers(self, node: str) -> list[Container]:
        """What runs on the host itself, the pods' sandboxes left out."""
        look = ('{{.Id}} {{index .Config.Labels "io.kubus.pod.uid"}} {{index .Config.Labels "io.kubus.pod.name"}} '
                '{{.State.StartedAt}}')
        words = f"docker ps -q --filter label=io.kubus.role=container | xargs -r docker inspect --format '{look}'"
        return [Container(*line.split()) for line in self.workers[node].inside(words).splitlines()]


def is_ready(pod: Object) -> bool:
    """Running, ready, and not told to go."""
    status = pod.get("status", {})
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))
    return status.get("phase") == "Running" and ready and "deletionTimestamp" not in pod["metadata"]


def uids(pods: list[Object]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods}


def nodes_of(pods: list[Object]) -> list[str]:
    return sorted(pod["spec"]["nodeName"] for pod in pods)
