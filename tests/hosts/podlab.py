"""A cluster of real agents on a laboratory's hosts, their pods on several machines, and a master in this process' care.

The master (etcd, NATS, API server, publisher, controllers) runs on this machine; NATS is reached through a gate at the
laboratory's control address. Every agent runs from /opt/kubus/venv as the unit kubus-agent, as on any worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import io
import json
import tarfile
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from runtime.config import AgentConfig, BusConfig
from schemas.bus.proof import session_key
from schemas.core.container import Container
from schemas.core.node import NODE, Node
from schemas.core.placement import Toleration
from schemas.core.pod import POD, Pod
from schemas.core.podspec import PodSpec
from schemas.errors import KubusError
from schemas.meta.object import ObjectMeta
from tests.controllers.master import SECRET, Master
from tests.dockerd import IMAGE
from tests.lab import Host, Lab, LabError
from tests.lab.cache import ROOT
from tests.lab.shell import sh, until

T = TypeVar("T")
POD_CIDR = "10.244.0.0/16"
PORT = 14222
WHO = ("busybox mkdir -p /www/cgi-bin; printf '#!/bin/sh\\necho\\necho $REMOTE_ADDR\\n' > /www/cgi-bin/who; "
       "busybox chmod 755 /www/cgi-bin/who; exec busybox httpd -f -p 80 -h /www")
"""A pod that answers each caller with the address it sees."""
UNIT = """[Unit]
Description=Kubus agent
After=docker.service network-online.target
[Service]
ExecStart=/opt/kubus/venv/bin/python -m agents.cli run --config /etc/kubus/agent.json
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
"""
DROP = """[Service]
ExecStartPost=/usr/sbin/iptables -P FORWARD DROP
"""
"""As Docker sets it where nobody forwarded before it came; a laboratory's host inherits that it forwards."""
WATCHED = (
    "ip -o link show | sed 's/^[0-9]*: //; s/[:@].*//' | grep -v veth | sort", "ip route show table all | sort",
    "ip neigh show nud permanent", "iptables-save | grep -v '^#' | sed 's/\\[.*\\]//' | sort",
    "nft list ruleset | grep -v '^#' | sed 's/packets [0-9]* bytes [0-9]*//' | sort",
    "docker network ls --format '{{.Name}} {{.Driver}}' | sort", "docker ps -aq", "ls /var/lib/kubus/agent 2>/dev/null",
)


class Loop:
    """An event loop in a thread of its own, so that tests may be plain functions."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="master", daemon=True)
        self._thread.start()

    def do(self, what: Coroutine[Any, Any, T], seconds: float = 60) -> T:
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(seconds)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


class Outside:
    """A web server beyond the cluster that answers with the caller's address."""

    def __init__(self, host: str) -> None:
        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(self.client_address[0].encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer((host, 0), Answer)
        self.place = f"{host}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, name="outside", daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class PodLab:
    """`up`, then ask; `close` ends the master, not the hosts."""

    def __init__(self, lab: Lab, hosts: list[Host], folder: Path) -> None:
        self.lab, self.hosts, self.folder = lab, {host.name: host for host in hosts}, folder
        self.loop = Loop()
        self.before: dict[str, list[str]] = {}
        self.outside = Outside(lab.control)

    def up(self) -> None:
        self.loop.do(self._start(), 90)
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._install, self.hosts.values()))

    async def _start(self) -> None:
        # a bare pod must outlive the minute in which its node is taken away and comes again
        self.master = Master(self.folder, {"podgc-quarantine": 120.0}, POD_CIDR)
        self.gate = await asyncio.start_server(self._carry, self.lab.control, PORT)
        await self.master.__aenter__()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            other, away = await asyncio.open_connection("127.0.0.1", self.master.nats.port)
        except OSError:
            writer.close()
            return
        with contextlib.suppress(asyncio.CancelledError):  # asyncio's streams log an end by cancellation as an error
            await asyncio.gather(_pump(reader, away), _pump(other, writer))

    def _install(self, host: Host) -> None:
        if not host.run("test -e /opt/kubus/venv/bin/kubus && echo there", check=False):
            needed = {line.partition("==")[0] for line in (ROOT / "requirements-agent.lock").read_text().splitlines()}
            parts = [p for p in self.lab.wheels().glob("*.whl") if _is_of(p, needed | {"kubus"})]
            host.run("mkdir -p /root/wheels && python3 -m venv /opt/kubus/venv")
            host.run("tar x -C /root/wheels", stdin=_tar(parts))
            host.run("/opt/kubus/venv/bin/pip -q install --no-index --no-deps /root/wheels/*.whl")
        host.run("mkdir -p /etc/systemd/system/docker.service.d; cat > /etc/systemd/system/docker.service.d/drop.conf; "
                 "iptables -P FORWARD DROP", stdin=DROP.encode())
        self.before[host.name] = self.snapshot(host)
        host.run("mkdir -p /etc/kubus/agent /var/lib/kubus/agent")
        config = AgentConfig(node=host.name, state="/var/lib/kubus/agent", pod_network="routed", bus=BusConfig(
            url=f"nats://{self.lab.control}:{PORT}", identity=f"node.{host.name}",
            proof_key_file="/etc/kubus/agent/proof.key"))
        host.run("cat > /etc/kubus/agent/proof.key", stdin=session_key(SECRET, f"node.{host.name}"))
        host.run("cat > /etc/kubus/agent.json", stdin=msgspec.json.encode(config))
        host.run("cat > /etc/systemd/system/kubus-agent.service", stdin=UNIT.encode())
        host.run("systemctl daemon-reload && systemctl enable -q --now kubus-agent")

    @staticmethod
    def snapshot(host: Host) -> list[str]:
        """What a machine holds that a network could leave behind."""
        return [host.inside(command, check=False) for command in WATCHED]

    # ---- asking -----------------------------------------------------------------------------------------------------

    def get(self, kind: Any, namespace: str, name: str) -> Any:
        with contextlib.suppress(KubusError):
            return self.loop.do(self.master.api.get(kind, namespace, name))
        return None

    def node(self, name: str) -> Node | None:
        return self.get(NODE, "", name)  # type: ignore[no-any-return]

    def cidr(self, name: str) -> str:
        node = self.node(name)
        return node.spec.pod_cidr if node else ""

    def is_networked(self, name: str) -> bool:
        node = self.node(name)
        stated = {c.type: c.status for c in node.status.conditions} if node and node.status else {}
        return stated.get("NetworkUnavailable") == "False" and stated.get("Ready") == "True"

    def run_pod(self, name: str, node: str, *, host_network: bool = False) -> None:
        container = Container(name="web", image=IMAGE, command=("sh", "-c", WHO), image_pull_policy="IfNotPresent")
        pod = Pod(metadata=ObjectMeta(name=name, namespace="default"),
                  spec=PodSpec(node_name=node, containers=(container,), host_network=host_network or None,
                               termination_grace_period_seconds=0, tolerations=(Toleration(operator="Exists"),)))
        self.loop.do(self.master.api.create(POD, pod))

    def address(self, pod: str) -> str:
        found = self.get(POD, "default", pod)
        return found.status.pod_ip if found and found.status else ""

    def is_ready(self, pod: str) -> bool:
        found = self.get(POD, "default", pod)
        said = {c.type: c.status for c in found.status.conditions} if found and found.status else {}
        return said.get("Ready") == "True"

    @staticmethod
    def address_on(host: Host, pod: str) -> Callable[[], str]:
        """Of a pod, as its machine's Docker says: for when no master can be asked."""
        box = f"docker ps -q --filter label=io.kubus.pod.name={pod} --filter label=io.kubus.role=sandbox | head -1"
        return lambda: host.inside("docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "
                                   f"$({box})", check=False).strip()

    def from_pod(self, pod: str, to: str, path: str = "/cgi-bin/who") -> str:
        """The last line of what a pod is answered; "" when it is not. `to`: address, or address:port."""
        found = self.get(POD, "default", pod)
        box = f"docker ps -q --filter label=io.kubus.pod.name={pod} --filter label=io.kubus.role=container | head -1"
        host = self.hosts[found.spec.node_name]
        return seen(host.inside(f"docker exec -i $({box}) sh -c {ask(to, path)}", check=False))

    def from_node(self, node: str, to: str) -> str:
        return seen(self.hosts[node].inside(f"curl -s -m 3 http://{to}/cgi-bin/who", check=False))

    def matrix(self, pods: dict[str, str]) -> dict[tuple[str, str], str]:
        """(from, to) -> what went wrong, for all pods (name -> node); nothing: every pod sees every other's address."""
        addresses = {pod: self.address(pod) for pod in pods}
        wrong = {}
        for one in pods:
            for two in pods:
                said = self.from_pod(one, addresses[two])
                if one != two and said != addresses[one]:
                    wrong[one, two] = f"{addresses[one]} was seen as {said!r} by {addresses[two]}"
        return wrong

    def whole(self, pods: dict[str, str], seconds: float = 60) -> None:
        """Until the matrix is empty."""
        wrong: dict[tuple[str, str], str] = {}

        def holds() -> bool:
            wrong.clear()
            wrong.update(self.matrix(pods) if all(self.is_ready(pod) for pod in pods) else {("", ""): "not ready"})
            return not wrong

        try:
            until(holds, "every pod to reach every pod", seconds, 0.5)
        except LabError:
            for host in self.hosts.values():
                print(host.name, host.inside("ip route; ip -d link show kubus.vx; nft list table ip kubus; "
                                             "journalctl -u kubus-agent -n 15 --no-pager -o cat", check=False))
            raise AssertionError(wrong) from None

    def close(self) -> None:
        async def end() -> None:
            self.gate.close()
            await self.master.__aexit__()
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        self.outside.close()
        self.loop.do(end(), 60)
        self.loop.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while part := await reader.read(65536):
            writer.write(part)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


def _tar(parts: list[Path]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for part in parts:
            tar.add(part, part.name)
    return out.getvalue()


def ask(to: str, path: str = "/cgi-bin/who") -> str:
    """A shell's word: an HTTP request without an HTTP client (a static busybox' wget falls over its resolver)."""
    host, _, port = to.partition(":")
    return f"\"printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {host} {port or 80}\""


def seen(answer: str) -> str:
    """An address as a server wrote it, IPv4 in IPv6 clothes or plain."""
    return (answer.strip().splitlines() or [""])[-1].strip("[]").removeprefix("::ffff:")


def _is_of(wheel: Path, names: set[str]) -> bool:
    return wheel.name.partition("-")[0].lower().replace("_", "-") in {n.lower().replace("_", "-") for n in names}


def routes(host: Host) -> dict[str, str]:
    """Our routes: range -> device."""
    rows = json.loads(host.inside("ip -j route show proto 75") or "[]")
    return {row["dst"]: row["dev"] for row in rows}


def second_subnet(net: PodLab) -> str:
    """A router in the laboratory's namespace; the prefix of its other side, where a host's cable ends in it."""
    lab, prefix = net.lab.network, f"10.{180 + net.lab.number}.0"
    lab.ip("address", "add", f"{lab.prefix}.254/24", "dev", "br0")
    sh("ip", "netns", "exec", lab.name, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    sh("ip", "route", "replace", f"{prefix}.0/24", "via", f"{lab.prefix}.254")
    for name in ("n1", "n2"):
        net.hosts[name].run(f"ip route replace {prefix}.0/24 via {lab.prefix}.254")
    return prefix


def move_away(net: PodLab, host: Host, prefix: str) -> None:
    """The machine's only address becomes another one, behind the router. No bridge there: a bridge's own interface cuts
    wrapped packets to the MTU (kernel 6.18; plain ones it does not), which made the tunnel look four times slower."""
    net.lab.network.ip("link", "set", host.name, "nomaster")
    net.lab.network.ip("address", "add", f"{prefix}.254/24", "dev", host.name)
    _readdress(host, prefix, f"{prefix}.254")


def move_back(net: PodLab, host: Host) -> None:
    """To where it was; the router is gone."""
    net.lab.network.ip("address", "flush", "dev", host.name)
    net.lab.network.ip("link", "set", host.name, "master", "br0")
    _readdress(host, net.lab.network.prefix, net.lab.control)
    net.lab.network.ip("address", "del", f"{net.lab.network.prefix}.254/24", "dev", "br0")
    sh("ip", "route", "del", f"10.{180 + net.lab.number}.0.0/24", check=False)
    for name in ("n1", "n2"):
        net.hosts[name].run(f"ip route del 10.{180 + net.lab.number}.0.0/24", check=False)


def _readdress(host: Host, prefix: str, gateway: str) -> None:
    old = host.inside("ip -4 -o address show dev host0 scope global").split()[3]
    host.inside(f"ip address add {prefix}.{10 + host.index}/24 dev host0; ip address del {old} dev host0; "
                f"ip route replace default via {gateway} proto static")  # as networkd had it


def internal(net: PodLab, name: str) -> str:
    """A node's InternalIP, as the master knows it."""
    node = net.node(name)
    found = node.status.addresses if node and node.status else ()
    return next((a.address for a in found if a.type == "InternalIP"), "")


__all__ = ["POD_CIDR", "PodLab", "ask", "internal", "move_away", "move_back", "routes", "second_subnet"]
