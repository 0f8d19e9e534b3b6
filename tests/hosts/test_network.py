"""Pods on three real machines: who reaches whom, under which address, and after which misfortunes. In this order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemas.core.node import NODE, Node, NodeSpec
from schemas.meta.object import ObjectMeta
from tests.lab import Host, Lab
from tests.lab.shell import until

from .podlab import PodLab, ask, internal, move_away, move_back, routes, second_subnet

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]
PODS = {"a1": "n1", "b1": "n1", "a2": "n2", "a3": "n3"}


@pytest.fixture(scope="module")
def net(lab: Lab, hosts: list[Host], tmp_path_factory: pytest.TempPathFactory) -> Iterator[PodLab]:
    made = PodLab(lab, hosts, tmp_path_factory.mktemp("podnet") / "master")
    made.up()
    try:
        yield made
    finally:
        made.close()


def ready(net: PodLab, *names: str, seconds: float = 60) -> None:
    until(lambda: all(net.is_networked(name) for name in names or ("n1", "n2", "n3")), "networks", seconds, 0.2)


def sees(address: str, ask: Callable[[], str], what: str) -> None:
    """One packet may be lost or late where seven kernels' worth of links share two cores; never a wrong address."""
    said = until(ask, what, 20, 0.2)
    assert said == address, what


def test_every_node_gets_a_range_and_says_when_its_network_is_there(net: PodLab) -> None:
    for pod, node in PODS.items():
        net.run_pod(pod, node)
    ready(net)
    ranges = {name: net.cidr(name) for name in net.hosts}
    assert sorted(ranges.values()) == ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"]
    until(lambda: all(net.is_ready(pod) for pod in PODS), "pods", 60, 0.2)
    for pod, node in PODS.items():
        assert net.address(pod).rsplit(".", 1)[0] == ranges[node].rsplit(".", 1)[0]


def test_pods_reach_pods_on_every_machine_under_their_own_address(net: PodLab) -> None:
    net.whole(PODS)
    assert set(routes(net.hosts["n1"]).values()) == {"host0"}


def test_pods_and_nodes_and_the_world(net: PodLab) -> None:
    n1, n2 = net.hosts["n1"], net.hosts["n2"]
    sees(n1.address, lambda: net.from_pod("a1", net.outside.place), "masqueraded where it leaves the cluster's pods")
    for node in net.hosts:
        whom = net.hosts[node].address if node != "n2" else net.cidr("n2").replace("0/24", "1")
        sees(whom, lambda node=node: net.from_node(node, net.address("a2")), f"a2, asked by {node}")
    net.run_pod("hosted", "n2", host_network=True)
    until(lambda: net.is_ready("hosted"), "a pod on the machine's own network", 60, 0.2)
    for pod in PODS:
        until(lambda pod=pod: net.from_pod(pod, n2.address), f"{pod} to reach the node n2", 20, 0.2)


def test_what_others_throw_away_is_put_back(net: PodLab) -> None:
    host = net.hosts["n1"]
    host.run("iptables -F FORWARD; iptables -X KUBUS-FORWARD; iptables -F KUBUS-FORWARD; nft delete table ip kubus; "
             "ip route flush proto 75", check=False)
    until(lambda: len(routes(host)) == 2, "routes", 20, 0.2)
    net.whole(PODS)
    host.run("nft flush chain ip kubus forward; ip link set kubus0 down")
    net.whole(PODS)


def test_docker_is_restarted(net: PodLab) -> None:
    for name in ("n1", "n2"):
        net.hosts[name].run("systemctl restart docker")
    net.whole(PODS)


def test_containers_of_others_stay_apart(net: PodLab) -> None:
    host, image = net.hosts["n1"], "kubus-test/busybox:1"
    host.run(f"docker run -d --name foreign {image} httpd -f -p 80 -h /")
    try:
        address = host.run("docker inspect -f '{{.NetworkSettings.IPAddress}}' foreign").strip()
        assert net.from_pod("a1", address) == ""
        said = host.run(f"docker exec -i foreign sh -c {ask(net.address('a1'))}", check=False)
        assert "HTTP" not in said
    finally:
        host.run("docker rm -f foreign")


def test_a_machine_that_moves_to_another_network_is_tunnelled_to(net: PodLab) -> None:
    prefix = second_subnet(net)
    n3 = net.hosts["n3"]
    move_away(net, n3, prefix)
    until(lambda: internal(net, "n3") == f"{prefix}.{10 + n3.index}", "the master to know the new address", 10, 0.2)
    net.whole(PODS)
    assert sorted(routes(net.hosts["n1"]).values()) == ["host0", "kubus.vx"]
    assert set(routes(n3).values()) == {"kubus.vx"}
    sees(net.cidr("n1").replace("0/24", "1"), lambda: net.from_node("n1", net.address("a3")),
         "a node's own packets go through the tunnel and come back so")
    sees(net.hosts["n1"].address, lambda: net.from_pod("a1", net.outside.place), "the world, asked by a1")
    n3.inside("docker exec $(docker ps -q --filter label=io.kubus.pod.name=a3 --filter label=io.kubus.role=container)"
                " sh -c 'head -c 3000000 /dev/zero > /www/large'")
    assert len(net.from_pod("a1", net.address("a3"), "/large")) >= 3_000_000, "large packets fit"


def test_a_machine_reboots_and_its_pods_are_back_behind_the_same_ways(net: PodLab) -> None:
    host = net.hosts["n1"]
    prefix = f"10.{180 + net.lab.number}.0"
    host.reboot()
    host.wait_ssh()
    host.run(f"ip route replace {prefix}.0/24 via {net.lab.network.prefix}.254")
    net.whole(PODS, 90)


def test_back_on_the_first_network_the_tunnel_is_gone(net: PodLab) -> None:
    move_back(net, net.hosts["n3"])
    net.whole(PODS)
    for host in net.hosts.values():
        until(lambda host=host: set(routes(host).values()) == {"host0"}, "plain routes", 30, 0.2)
        assert "kubus.vx" not in host.run("ip -o link")


def test_a_node_that_comes_back_with_another_range(net: PodLab) -> None:
    host, before = net.hosts["n2"], net.cidr("n2")
    host.run("systemctl stop kubus-agent")
    net.loop.do(net.master.api.delete(NODE, "", "n2"))
    until(lambda: net.node("n2") is None, "the node to go", 20)
    ghost = Node(metadata=ObjectMeta(name="ghost"), spec=NodeSpec(pod_cidr=before, pod_cidrs=(before,)))
    net.loop.do(net.master.api.create(NODE, ghost))
    host.run("systemctl start kubus-agent")
    until(lambda: net.cidr("n2") not in ("", before), "another range", 60, 0.2)
    ready(net, "n2")
    until(lambda: net.address("a2").rsplit(".", 1)[0] == net.cidr("n2").rsplit(".", 1)[0],
          "the pod to get a sandbox in the new range", 60, 0.2)
    net.whole(PODS)
    assert before not in routes(net.hosts["n1"])


def test_the_master_is_away_and_a_machine_reboots(net: PodLab, tmp_path: Path) -> None:
    net.master.nats.kill()
    host = net.hosts["n1"]
    try:
        host.reboot()
        host.wait_ssh()
        until(lambda: len(routes(host)) == 2, "routes from what the disk remembers", 60)
        address = net.address_on(host, "a1")
        until(lambda: net.from_node("n3", address()) != "", "the pod to run again", 60, 0.5)
    finally:
        net.master.nats.start()
    net.whole(PODS, 90)


def test_after_a_purge_nothing_is_left(net: PodLab) -> None:
    for host in net.hosts.values():
        host.run("systemctl disable -q --now kubus-agent")
        agent = "/opt/kubus/venv/bin/python -m agents.cli {} --config /etc/kubus/agent.json"
        owned = json.loads(host.run(agent.format("owned")))
        assert (owned["links"], owned["nftables"], len(owned["routes"])) == (["kubus0"], ["table ip kubus"], 2)
        host.run(agent.format("purge"))
        host.run(agent.format("purge"))
        assert not any(json.loads(host.run(agent.format("owned"))).values())
        assert net.snapshot(host) == net.before[host.name]
