"""What pods on several machines cost: against Docker's own bridge, and against the bare hosts, in the same run.

    start       a sandbox and a container joined to it, on Docker's bridge and on the pods' network, in turn
    traffic     one TCP stream, and one byte there and back, pod → pod across machines against host → host: by route,
                then through the tunnel (one machine moves to another network behind a router)

Needs root (three hosts on this machine, KUBUS_LAB names the number). Figures of both kinds share two cores with all
three hosts: the ratios count.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.dockerd import IMAGE
from tests.hosts.podlab import PodLab, internal, move_away, routes, second_subnet
from tests.lab import Host, Lab
from tests.lab.shell import until

from .bed import median, report

ROUNDS = 12
SECONDS = 3
STARTS = f"""
import docker, json, time
api = docker.APIClient(base_url="unix:///var/run/docker.sock", version="1.41")
took = {{"bridge": [], "kubus": []}}
for n in range({ROUNDS} + 1):
    for network in took:
        began = time.perf_counter()
        pause = {{"Image": "kubus/pause:1", "HostConfig": {{"NetworkMode": network}}}}
        box = api.create_container_from_config(pause, f"b{{n}}")["Id"]
        api.start(box)
        joined = f"container:{{box}}"
        body = {{"Image": "{IMAGE}", "Cmd": ["sleep", "1000"], "HostConfig": {{"NetworkMode": joined}}}}
        app = api.create_container_from_config(body, f"a{{n}}")["Id"]
        api.start(app)
        if n:
            took[network].append(time.perf_counter() - began)
        for made in (app, box):
            api.remove_container(made, force=True)
print(json.dumps(took))
"""
SERVE = """
import socket
server = socket.create_server(("0.0.0.0", 9999))
while True:
    link, _ = server.accept()
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    kind = link.recv(1)
    while part := link.recv(1 << 18):
        if kind == b"e":
            link.sendall(part)
    link.close()
"""
SEND = """
import json, socket, sys, time
def dial(kind):
    link = socket.create_connection((sys.argv[1], 9999), timeout=20)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.sendall(kind)
    return link
link, block, sent, began = dial(b"s"), bytes(1 << 18), 0, time.perf_counter()
while time.perf_counter() - began < float(sys.argv[2]):
    sent += link.send(block)
rate = sent / (time.perf_counter() - began) / 1e6
link.close()
link, trips = dial(b"e"), []
for _ in range(2000):
    at = time.perf_counter()
    link.sendall(b"x")
    link.recv(1)
    trips.append((time.perf_counter() - at) * 1e6)
print(json.dumps({"MB/s": rate, "us": sorted(trips)[len(trips) // 2]}))
"""
PYTHON = "/opt/kubus/venv/bin/python"


def main() -> int:
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        hosts = lab.start(3)
        for host in hosts:
            host.load_image()
        net = PodLab(lab, hosts, Path(folder) / "master")
        net.up()
        try:
            _run(net)
        finally:
            net.close()
    return 0


def _run(net: PodLab) -> None:
    for pod, node in {"a1": "n1", "a2": "n2", "a3": "n3"}.items():
        net.run_pod(pod, node)
    net.whole({"a1": "n1", "a2": "n2", "a3": "n3"}, 90)
    _starts(net.hosts["n1"])
    for host in net.hosts.values():
        host.run("cat > /root/serve.py", stdin=SERVE.encode())
        host.run("cat > /root/send.py", stdin=SEND.encode())
    for pod, node in {"a2": "n2", "a3": "n3"}.items():
        for space in ("", _inside(net, pod)):
            net.hosts[node].run(f"{space} setsid {PYTHON} /root/serve.py >/dev/null 2>&1 </dev/null &")
    _traffic(net, "a2", "n2", "by route")
    prefix = second_subnet(net)
    move_away(net, net.hosts["n3"], prefix)
    until(lambda: internal(net, "n3").startswith(prefix), "n3's new address", 30, 0.2)
    until(lambda: "kubus.vx" in routes(net.hosts["n1"]).values(), "the tunnel", 30, 0.2)
    net.whole({"a1": "n1", "a3": "n3"}, 90)
    _traffic(net, "a3", "n3", "through the tunnel")


def _starts(host: Host) -> None:
    took = json.loads(host.run(f"{PYTHON} -", stdin=STARTS.encode()))
    ours, docker = median(took["kubus"]) * 1000, median(took["bridge"]) * 1000
    report("a sandbox and its container on the pods' network", f"p50 {ours:.0f} ms", f"Docker's bridge {docker:.0f} ms",
           f"{ours / docker:.2f} x", "<= 1.3 x", ours <= 1.3 * docker, raw=took)


def _inside(net: PodLab, pod: str) -> str:
    box = f"docker ps -q --filter label=io.kubus.pod.name={pod} --filter label=io.kubus.role=sandbox | head -1"
    return f"nsenter --net=/proc/$(docker inspect -f '{{{{.State.Pid}}}}' $({box}))/ns/net"


def _traffic(net: PodLab, pod: str, node: str, way: str) -> None:
    """Host and pod in turn, three times each."""
    n1, far = net.hosts["n1"], internal(net, node)
    seen: dict[str, list[dict[str, float]]] = {"host": [], "pod": []}
    for _ in range(3):
        for kind, space, to in (("host", "", far), ("pod", _inside(net, "a1"), net.address(pod))):
            seen[kind].append(json.loads(n1.run(f"{space} {PYTHON} /root/send.py {to} {SECONDS}")))
    rate = {kind: median([row["MB/s"] for row in rows]) for kind, rows in seen.items()}
    trip = {kind: median([row["us"] for row in rows]) for kind, rows in seen.items()}
    report(f"one stream pod → pod {way}", f"{rate['pod']:.0f} MB/s", f"host → host {rate['host']:.0f} MB/s",
           f"{rate['pod'] / rate['host']:.2f} x", ">= 0.5 x", rate["pod"] >= 0.5 * rate["host"], raw=seen)
    report(f"one byte there and back pod → pod {way}", f"p50 {trip['pod']:.0f} us",
           f"host → host {trip['host']:.0f} us", f"{trip['pod'] / trip['host']:.2f} x", "<= 2 x",
           trip["pod"] <= 2 * trip["host"])


if __name__ == "__main__":
    sys.exit(main())
