"""Random small clusters: few labels, few values, so that things collide."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from schemas.core.node import Node
from schemas.core.pod import Pod

from .world import HOST, ZONE, node, pod

KEYS = ("disk", "tier", "rack")
VALUES = ("a", "b", "1", "7")
APPS = ("web", "db", "job")
NAMESPACES = ("default", "other")
EFFECTS = ("NoSchedule", "NoExecute", "PreferNoSchedule")
TOPOLOGIES = (HOST, ZONE, "rack")

labels = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=3)
app = st.sampled_from(APPS)


def maybe(strategy: st.SearchStrategy[Any], none: Any, often: int = 3) -> st.SearchStrategy[Any]:
    """`none` most of the time."""
    return st.integers(0, often).flatmap(lambda n: strategy if n == 0 else st.just(none))


taint = st.builds(lambda key, value, effect: f"{key}={value}:{effect}", st.sampled_from(("gpu", "old")),
                  st.sampled_from(("", "yes")), st.sampled_from(EFFECTS))


def nodes(name: str) -> st.SearchStrategy[Node]:
    return st.builds(
        node, st.just(name), labels=labels, zone=st.sampled_from(("", "z1", "z2")),
        cpu=st.sampled_from(("1", "2", "500m", "0")), memory=st.sampled_from(("1Gi", "2Gi")),
        pods=st.sampled_from(("1", "3", "10")), taints=maybe(st.lists(taint, max_size=2).map(tuple), ()),
        unschedulable=maybe(st.just(True), False, 6),
        images=maybe(st.just({"web": 400_000_000}), {}), extended=maybe(st.just({"example.com/gpu": "2"}), {}),
    )


requirement = st.one_of(
    st.builds(lambda k, op, v: {"key": k, "operator": op, "values": v}, st.sampled_from(KEYS),
              st.sampled_from(("In", "NotIn")), st.lists(st.sampled_from(VALUES), min_size=1, max_size=2)),
    st.builds(lambda k, op: {"key": k, "operator": op}, st.sampled_from(KEYS),
              st.sampled_from(("Exists", "DoesNotExist"))),
    st.builds(lambda k, op, v: {"key": k, "operator": op, "values": [v]}, st.sampled_from(KEYS),
              st.sampled_from(("Gt", "Lt")), st.sampled_from(("1", "5"))),
)
field = st.builds(lambda op, n: {"key": "metadata.name", "operator": op, "values": [n]},
                  st.sampled_from(("In", "NotIn")), st.sampled_from(("n0", "n1", "gone")))
node_term = st.builds(lambda e, f: {"matchExpressions": e, "matchFields": f}, st.lists(requirement, max_size=2),
                      maybe(st.lists(field, min_size=1, max_size=1), []))
node_affinity = st.builds(
    lambda required, wishes: {
        **({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": required}} if required else {}),
        "preferredDuringSchedulingIgnoredDuringExecution": wishes,
    },
    maybe(st.lists(node_term, min_size=1, max_size=2), None, 1),
    st.lists(st.builds(lambda w, t: {"weight": w, "preference": t}, st.integers(1, 100), node_term), max_size=2),
)
label_selector = st.one_of(
    st.builds(lambda a: {"matchLabels": {"app": a}}, app),
    st.builds(lambda op, a: {"matchExpressions": [{"key": "app", "operator": op, "values": [a]}]},
              st.sampled_from(("In", "NotIn")), app),
    st.just({}),
)
pod_term = st.builds(
    lambda selector, key, extra: {"labelSelector": selector, "topologyKey": key, **extra},
    label_selector, st.sampled_from(TOPOLOGIES),
    st.sampled_from(({}, {}, {}, {"namespaces": ["other"]}, {"namespaceSelector": {}}, {"matchLabelKeys": ["app"]},
                     {"namespaceSelector": {"matchLabels": {"team": "x"}}}, {"mismatchLabelKeys": ["app"]})),
)


@st.composite
def pod_affinity(draw: st.DrawFn) -> dict[str, Any]:
    weighted = st.builds(lambda w, t: {"weight": w, "podAffinityTerm": t}, st.integers(1, 100), pod_term)
    required = maybe(st.lists(pod_term, min_size=1, max_size=2), [], 1)
    wishes = maybe(st.lists(weighted, min_size=1, max_size=2), [])
    return {
        "requiredDuringSchedulingIgnoredDuringExecution": draw(required),
        "preferredDuringSchedulingIgnoredDuringExecution": draw(wishes),
    }


affinity = st.builds(
    lambda node_side, near, apart: {k: v for k, v in (
        ("nodeAffinity", node_side), ("podAffinity", near), ("podAntiAffinity", apart)) if v},
    maybe(node_affinity, None), maybe(pod_affinity(), None), maybe(pod_affinity(), None, 2),
)
spread = st.builds(
    lambda skew, key, hard, selector, least, extra: {
        "maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule" if hard else "ScheduleAnyway",
        "labelSelector": selector, **({"minDomains": least} if least and hard else {}), **extra,
    },
    st.integers(1, 2), st.sampled_from(TOPOLOGIES), st.booleans(), label_selector, st.sampled_from((0, 0, 1, 3)),
    st.sampled_from(({}, {}, {"nodeAffinityPolicy": "Ignore"}, {"nodeTaintsPolicy": "Honor"},
                     {"matchLabelKeys": ["app"]})),
)
toleration = st.one_of(
    st.just({"operator": "Exists"}),
    st.builds(lambda key, value, effect: {"key": key, "operator": "Equal", "value": value, "effect": effect},
              st.sampled_from(("gpu", "old")), st.sampled_from(("", "yes")), st.sampled_from(("", *EFFECTS))),
    st.builds(lambda key, effect: {"key": key, "operator": "Exists", "effect": effect},
              st.sampled_from(("gpu", "node.kubernetes.io/unschedulable")), st.sampled_from(("", "NoSchedule"))),
)
host_port = st.builds(
    lambda port, address, protocol: {"containerPort": 80, "hostPort": port, "hostIP": address, "protocol": protocol},
    st.sampled_from((80, 81)), st.sampled_from(("", "10.0.0.1", "10.0.0.2")), st.sampled_from(("", "TCP", "UDP")))


def pods(name: str) -> st.SearchStrategy[Pod]:
    return st.builds(
        lambda a, spec, **more: pod(name, labels={"app": a}, **more, **{k: v for k, v in spec.items() if v}),
        app,
        st.fixed_dictionaries({
            "affinity": maybe(affinity, None, 1),
            "nodeSelector": maybe(labels, None, 4),
            "tolerations": maybe(st.lists(toleration, min_size=1, max_size=2), None),
            "topologySpreadConstraints": maybe(st.lists(spread, min_size=1, max_size=2), None, 2),
            "ports": maybe(st.lists(host_port, min_size=1, max_size=2), None, 4),
            "priority": st.sampled_from((0, 0, 10, 100)),
        }),
        namespace=st.sampled_from(NAMESPACES), owner=st.sampled_from(("", "rs1", "rs2")),
        cpu=st.sampled_from(("", "100m", "400m", "1")), memory=st.sampled_from(("", "100Mi", "600Mi")),
        image=st.sampled_from(("web", "db")), requests=maybe(st.just({"example.com/gpu": "1"}), {}),
    )
