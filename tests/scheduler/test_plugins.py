"""Given nodes and pods, then who fits and what the user reads; each rule by itself, in Kubernetes' words."""

from __future__ import annotations

from typing import Any

import pytest

from master.scheduler.cycle import Decision, decide, explain
from master.scheduler.podinfo import PodInfos
from master.scheduler.profile import DEFAULT
from master.scheduler.standing import Memory
from master.scheduler.table import NodeTable
from schemas.core.pod import Pod

from .world import HOST, ZONE, node, place, pod, table

pytestmark = pytest.mark.unit

GPU = node("n1", taints=("gpu=yes:NoSchedule",))
WEB = {"matchLabels": {"app": "web"}}


def ask(wanted: Pod, made: NodeTable) -> Decision:
    return decide(PodInfos().of(wanted), made, DEFAULT, uid=wanted.metadata.uid)


def points(wanted: Pod, made: NodeTable, rule: str) -> dict[str, float]:
    """Weighted points by node of one score."""
    best = explain(PodInfos().of(wanted), made, DEFAULT, Memory(made), most=99)
    return {candidate.node: candidate.points.get(rule, 0.0) for candidate in best}


def required(term: dict[str, Any], side: str = "podAffinity") -> dict[str, Any]:
    return {side: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def node_affinity(*expressions: dict[str, Any], fields: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    term = {"matchExpressions": list(expressions), "matchFields": list(fields)}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}


def spread(key: str, **more: Any) -> list[dict[str, Any]]:
    return [{"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": WEB, **more}]


SELECTOR = "node(s) didn't match Pod's node affinity/selector"
PORTS = "node(s) didn't have free ports for the requested pod ports"
SKEW = "node(s) didn't match pod topology spread constraints"
EIGHTY = [{"containerPort": 80, "hostPort": 80}]
NEAR = required({"labelSelector": WEB, "topologyKey": ZONE})
APART = required({"labelSelector": WEB, "topologyKey": HOST}, "podAntiAffinity")

REFUSALS = {
    "cordoned": (pod(), [node("n1", unschedulable=True)], [], {"node(s) were unschedulable": 1}),
    "tainted": (pod(), [GPU], [], {"node(s) had untolerated taint {gpu: yes}": 1}),
    "tolerates another effect": (
        pod(tolerations=[{"key": "gpu", "operator": "Exists", "effect": "NoExecute"}]), [GPU], [],
        {"node(s) had untolerated taint {gpu: yes}": 1}),
    "no such label": (pod(nodeSelector={"disk": "ssd"}), [node("n1", labels={"disk": "hdd"})], [], {SELECTOR: 1}),
    "In": (pod(affinity=node_affinity({"key": "disk", "operator": "In", "values": ["ssd"]})), [node("n1")], [],
           {SELECTOR: 1}),
    "an empty term": (pod(affinity=node_affinity()), [node("n1")], [], {SELECTOR: 1}),
    "cpu and memory": (pod(cpu="5", memory="9Gi"), [node("n1")], [],
                       {"Insufficient cpu": 1, "Insufficient memory": 1}),
    "too many pods": (pod(), [node("n1", pods="1")], [pod("a", node="n1")], {"Too many pods": 1}),
    "no device": (pod(requests={"example.com/gpu": "1"}), [node("n1")], [], {"Insufficient example.com/gpu": 1}),
    "no disk": (pod(requests={"ephemeral-storage": "1Gi"}), [node("n1")], [], {"Insufficient ephemeral-storage": 1}),
    "port taken": (pod(ports=EIGHTY), [node("n1")], [pod("a", ports=EIGHTY, node="n1")], {PORTS: 1}),
    "port taken on all addresses": (
        pod(ports=[{"containerPort": 80, "hostPort": 80, "hostIP": "10.0.0.1"}]), [node("n1")],
        [pod("a", ports=EIGHTY, node="n1")], {PORTS: 1}),
    "nobody to be near to": (pod(affinity=NEAR), [node("n1", zone="z1")], [],
                             {"node(s) didn't match pod affinity rules": 1}),
    "near, but no such label": (pod(labels={"app": "web"}, affinity=NEAR), [node("n1")], [],
                                {"node(s) didn't match pod affinity rules": 1}),
    "apart": (pod(affinity=APART), [node("n1")], [pod("a", labels={"app": "web"}, node="n1")],
              {"node(s) didn't match pod anti-affinity rules": 1}),
    "unwelcome": (pod(labels={"app": "web"}), [node("n1")], [pod("a", affinity=APART, node="n1")],
                  {"node(s) didn't satisfy existing pods anti-affinity rules": 1}),
    "skew": (pod(labels={"app": "web"}, topologySpreadConstraints=spread(ZONE), nodeSelector={"here": "y"}),
             [node("n1", zone="z1", labels={"here": "y"}), node("n2", zone="z2", unschedulable=True,
                                                                labels={"here": "y"})],
             [pod("a", labels={"app": "web"}, node="n1")], {SKEW: 1, "node(s) were unschedulable": 1}),
    "no zone": (pod(labels={"app": "web"}, topologySpreadConstraints=spread(ZONE)), [node("n1")], [],
                {f"{SKEW} (missing required label)": 1}),
    "too few domains": (
        pod(labels={"app": "web"}, topologySpreadConstraints=spread(ZONE, minDomains=2)), [node("n1", zone="z1")],
        [pod("a", labels={"app": "web"}, node="n1")], {SKEW: 1}),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refused_with_a_reason(case: str) -> None:
    wanted, nodes, there, reasons = REFUSALS[case]
    decision = ask(wanted, place(table(*nodes), *there))
    assert (decision.node, decision.reasons) == (None, reasons)


def gt(operator: str, value: str) -> dict[str, Any]:
    return node_affinity({"key": "cores", "operator": operator, "values": [value]})


FITS = {
    "tolerated": (pod(tolerations=[{"key": "gpu", "value": "yes"}]), [GPU], []),
    "tolerates everything": (pod(tolerations=[{"operator": "Exists"}]), [GPU, ], []),
    "tolerates the cordon": (
        pod(tolerations=[{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]),
        [node("n1", unschedulable=True)], []),
    "PreferNoSchedule is no refusal": (pod(), [node("n1", taints=("a=b:PreferNoSchedule",))], []),
    "Gt": (pod(affinity=gt("Gt", "4")), [node("n1", labels={"cores": "8"}), node("n2", labels={"cores": "4"})], []),
    "Lt": (pod(affinity=gt("Lt", "4")), [node("n1", labels={"cores": "3"}), node("n2", labels={"cores": "x"})], []),
    "NotIn": (pod(affinity=node_affinity({"key": "disk", "operator": "NotIn", "values": ["hdd"]})),
              [node("n1"), node("n2", labels={"disk": "hdd"})], []),
    "DoesNotExist": (pod(affinity=node_affinity({"key": "disk", "operator": "DoesNotExist"})),
                     [node("n1"), node("n2", labels={"disk": "hdd"})], []),
    "matchFields": (
        pod(affinity=node_affinity(fields=({"key": "metadata.name", "operator": "In", "values": ["n1"]},))),
        [node("n1"), node("n2")], []),
    "same port, other protocol": (
        pod(ports=EIGHTY), [node("n1")],
        [pod("a", ports=[{"containerPort": 80, "hostPort": 80, "protocol": "UDP"}], node="n1")]),
    "same port, other address": (
        pod(ports=[{"containerPort": 80, "hostPort": 80, "hostIP": "10.0.0.2"}]), [node("n1")],
        [pod("a", ports=[{"containerPort": 80, "hostPort": 80, "hostIP": "10.0.0.1"}], node="n1")]),
    "the first of its kind": (pod(labels={"app": "web"}, affinity=NEAR), [node("n1", zone="z1"), node("n2")], []),
    "near in the zone": (pod(affinity=NEAR), [node("n1", zone="z1", cpu="8"), node("n2", zone="z1", cpu="100m"),
                                              node("n3", zone="z2")],
                         [pod("a", labels={"app": "web"}, node="n2")]),
    "apart per host": (pod(affinity=APART), [node("n1"), node("n2")], [pod("a", labels={"app": "web"}, node="n2")]),
    "another namespace's pods do not count": (
        pod(affinity=APART), [node("n1")], [pod("a", namespace="other", labels={"app": "web"}, node="n1")]),
    "spread to the empty zone": (
        pod(labels={"app": "web"}, topologySpreadConstraints=spread(ZONE)), [node("n1", zone="z1"),
                                                                             node("n2", zone="z2")],
        [pod("a", labels={"app": "web"}, node="n2")]),
    "asks for nothing that is short": (pod(), [node("n1", cpu="1")], [pod("a", cpu="2", node="n1")]),
}


@pytest.mark.parametrize("case", FITS)
def test_fits_on_n1(case: str) -> None:
    wanted, nodes, there = FITS[case]
    wanted = wanted if case != "near in the zone" else pod(cpu="1", affinity=NEAR)
    assert ask(wanted, place(table(*nodes), *there)).node == "n1"


def test_namespace_selector_reaches_other_namespaces_by_their_labels() -> None:
    apart = required({"labelSelector": WEB, "topologyKey": HOST,
                      "namespaceSelector": {"matchLabels": {"team": "x"}}}, "podAntiAffinity")
    made = place(table(node("n1")), pod("a", namespace="other", labels={"app": "web"}, node="n1"))
    assert ask(pod(affinity=apart), made).node == "n1"
    made.put_namespaces({"other": {"team": "x"}})
    assert ask(pod(affinity=apart), made).node is None


def test_init_containers_count_by_the_larger_and_sidecars_add_up() -> None:
    def container(name: str, cpu: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "image": "i", "resources": {"requests": {"cpu": cpu}}, **more}

    inits = [container("proxy", "1", restartPolicy="Always"), container("migrate", "2")]
    wanted = pod(cpu="500m", initContainers=inits, overhead={"cpu": "250m"})
    requests = dict(PodInfos().of(wanted).requests)
    assert requests["cpu"] == 3250
    assert dict(PodInfos().of(pod(cpu="2500m", initContainers=inits)).requests)["cpu"] == 3500


def test_the_message_counts_every_reason_most_frequent_first() -> None:
    made = table(node("a", cpu="1"), node("b", cpu="1"), GPU)
    said = "0/3 nodes are available: 2 Insufficient cpu, 1 node(s) had untolerated taint {gpu: yes}."
    assert ask(pod(cpu="2"), made).message == said
    assert ask(pod(), table()).message == "no nodes available to schedule pods"


def test_the_emptier_and_the_more_balanced_node_score_higher() -> None:
    made = place(table(node("full"), node("empty")), pod("a", cpu="2", memory="4Gi", node="full"))
    least = points(pod(cpu="1", memory="2Gi"), made, "NodeResourcesFit")
    assert least["empty"] == 75
    assert least["full"] == 25
    made = place(table(node("lopsided"), node("even")),
                 pod("a", cpu="3", node="lopsided"), pod("b", cpu="2", memory="4Gi", node="even"))
    balance = points(pod(cpu="1", memory="2Gi"), made, "NodeResourcesBalancedAllocation")
    assert balance["even"] == 100
    assert balance["lopsided"] == 62.5


def test_a_large_image_at_hand_scores() -> None:
    made = table(node("with", images={"docker.io/library/web:latest": 1_000_000_000}), node("without"))
    found = points(pod(image="web"), made, "ImageLocality")
    assert found["with"] > 40
    assert found["without"] == 0


def test_preferred_node_affinity_and_taint_preference() -> None:
    wish = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 10, "preference": {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}}]}}
    made = table(node("disk", labels={"disk": "ssd"}), node("bare", taints=("old=yes:PreferNoSchedule",)))
    assert points(pod(affinity=wish), made, "NodeAffinity") == {"disk": 200, "bare": 0}
    assert points(pod(), made, "TaintToleration") == {"disk": 300, "bare": 0}


def test_preferred_pod_affinity_both_ways_and_required_affinity_of_others() -> None:
    wish = {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 10, "podAffinityTerm": {"labelSelector": WEB, "topologyKey": ZONE}}]}}
    zones = node("n1", zone="z1"), node("n2", zone="z2")
    made = place(table(*zones), pod("a", labels={"app": "web"}, node="n1"))
    assert points(pod(affinity=wish), made, "InterPodAffinity") == {"n1": 200, "n2": 0}
    for carried in (wish, NEAR):
        other = place(table(*zones), pod("a", labels={"app": "web"}, affinity=carried, node="n2"))
        assert points(pod(labels={"app": "web"}), other, "InterPodAffinity") == {"n1": 0, "n2": 200}


def test_copies_spread_by_owner_over_hosts_and_zones() -> None:
    made = place(table(node("n1", zone="z1"), node("n2", zone="z1"), node("n3", zone="z2")),
                 pod("a", owner="rs", node="n1"))
    found = points(pod(owner="rs"), made, "PodTopologySpread")
    assert found["n3"] == 200
    assert found["n1"] < found["n2"] < found["n3"]
    assert ask(pod(owner="rs"), made).node == "n3"


def test_ties_do_not_all_go_to_one_node_and_the_same_pod_always_goes_to_the_same() -> None:
    made = table(*(node(f"n{i}") for i in range(8)))
    chosen = [ask(pod(f"p{i}"), made).node for i in range(64)]
    assert len(set(chosen)) == 8
    assert chosen == [ask(pod(f"p{i}"), made).node for i in range(64)]
