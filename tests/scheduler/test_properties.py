"""Columns against the slow and obvious way, over random clusters and random histories."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from master.scheduler import nodefacts
from master.scheduler.cycle import decide, explain
from master.scheduler.podinfo import PodInfos
from master.scheduler.profile import DEFAULT
from master.scheduler.standing import Memory, Standing
from master.scheduler.table import NodeTable
from schemas.core.node import Node
from schemas.core.pod import Pod
from schemas.meta.time import parse

from . import strategies
from .reference import World, fitting
from .reference_scores import totals

pytestmark = pytest.mark.unit

NAMES = ("n0", "n1", "n2", "n3")
TEAMS = ({"default": {}, "other": {}}, {"default": {"team": "x"}, "other": {}}, {"other": {"team": "x"}})
RELAXED = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


class Twin:
    """The same history told to the table and to the slow world."""

    def __init__(self) -> None:
        self.table, self.infos = NodeTable(), PodInfos()
        self.memory = Memory(self.table)
        self.world = World({}, {})

    def node(self, node: Node) -> None:
        self.world.nodes[node.metadata.name] = node
        self.table.put_node(nodefacts.read(node))

    def no_node(self, name: str) -> None:
        self.world.nodes.pop(name, None)
        self.table.drop_node(name)

    def pod(self, pod: Pod, node: str) -> None:
        bound = msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, node_name=node))
        key = bound.metadata.name
        self.world.pods[key] = bound
        self.table.put_pod(key, self.infos.of(bound), node, living=bound.metadata.deletion_timestamp is None)

    def no_pod(self, name: str) -> None:
        self.world.pods.pop(name, None)
        self.table.drop_pod(name)

    def dying(self, name: str) -> None:
        if name in self.world.pods:
            old = self.world.pods[name]
            dead = msgspec.structs.replace(old.metadata, deletion_timestamp=parse("2030-01-01T00:00:00Z"))
            self.pod(msgspec.structs.replace(old, metadata=dead), old.spec.node_name)

    def teams(self, labels: dict[str, dict[str, str]]) -> None:
        self.world.namespaces = labels
        self.table.put_namespaces(labels)

    def scratch(self) -> NodeTable:
        """A table told only what is true now."""
        made = NodeTable()
        made.put_namespaces(self.world.namespaces)
        for node in self.world.nodes.values():
            made.put_node(nodefacts.read(node))
        for key, pod in self.world.pods.items():
            living = pod.metadata.deletion_timestamp is None
            made.put_pod(key, self.infos.of(pod), pod.spec.node_name, living=living)
        return made


@st.composite
def history(draw: st.DrawFn) -> list[tuple[str, Any]]:
    steps: list[tuple[str, Any]] = [("node", draw(strategies.nodes(name))) for name in NAMES[:3]]
    for number in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from(("place", "place", "place", "ask", "ask", "node", "no_node", "no_pod", "dying",
                                     "teams")))
        name = draw(st.sampled_from(NAMES))
        pod_name = f"p{draw(st.integers(0, 8))}"
        match kind:
            case "place":
                steps.append((kind, (draw(strategies.pods(f"p{number}")), name)))
            case "ask":
                steps.append((kind, draw(strategies.pods("ask"))))
            case "node":
                steps.append((kind, draw(strategies.nodes(name))))
            case "teams":
                steps.append((kind, draw(st.sampled_from(TEAMS))))
            case "no_node":
                steps.append((kind, name))
            case _:
                steps.append((kind, pod_name))
    return steps


def live(steps: list[tuple[str, Any]]) -> Twin:
    twin = Twin()
    for kind, what in steps:
        match kind:
            case "place":
                twin.pod(*what)
            case "ask":
                decide(twin.infos.of(what), twin.table, DEFAULT, memory=twin.memory)
            case "node" | "no_node" | "no_pod" | "dying" | "teams":
                getattr(twin, kind)(what)
    return twin


def fits_by_columns(pod: Pod, twin: Twin, table: NodeTable) -> set[str]:
    standing = Standing(twin.infos.of(pod), table, DEFAULT)
    standing.refresh()
    return {table.names[row] for row in standing.look().fits.nonzero()[0]}


@RELAXED
@given(history(), strategies.pods("asked"))
def test_same_nodes_fit_and_same_points(steps: list[tuple[str, Any]], pod: Pod) -> None:
    twin = live(steps)
    expected = fitting(pod, twin.world)
    assert fits_by_columns(pod, twin, twin.table) == expected
    found = explain(twin.infos.of(pod), twin.table, DEFAULT, twin.memory, most=9)
    assert {c.node for c in found} == expected
    if expected:
        points = totals(pod, twin.world, expected)
        best = max(points.values())
        decision = decide(twin.infos.of(pod), twin.table, DEFAULT, uid="u", memory=twin.memory)
        assert decision.node is not None
        assert points[decision.node] == pytest.approx(best, abs=1e-3)
        top = {c.node: c.total for c in found}
        for a in expected:
            assert top[a] - top[decision.node] == pytest.approx(points[a] - points[decision.node], abs=0.2)


@RELAXED
@given(history(), st.lists(strategies.pods("asked"), min_size=1, max_size=3))
def test_a_table_kept_in_step_equals_one_made_anew(steps: list[tuple[str, Any]], pods: list[Pod]) -> None:
    twin = live(steps)
    again = twin.scratch()
    for pod in pods:
        info = twin.infos.of(pod)
        kept = decide(info, twin.table, DEFAULT, uid="u", memory=twin.memory)
        made = decide(info, again, DEFAULT, uid="u")
        assert kept == msgspec.structs.replace(made, score=pytest.approx(made.score))
    for row, name in enumerate(again.names):
        mine = twin.table.row_of[name]
        for resource, index in again.resources.items():
            other = twin.table.resources.get(resource)
            if other is None:
                assert not again.free[index, row]
            else:
                assert again.free[index, row] == twin.table.free[other, mine]
                assert again.allocatable[index, row] == twin.table.allocatable[other, mine]
        assert again.taints.lists[again.taints.ids[row]] == twin.table.taints.lists[twin.table.taints.ids[mine]]
    assert twin.table.nodes == len(twin.world.nodes)


@RELAXED
@given(history(), strategies.pods("asked"))
def test_asking_changes_nothing_and_the_answer_is_always_the_same(steps: list[tuple[str, Any]], pod: Pod) -> None:
    twin = live(steps)
    version = twin.table.version
    answers = [decide(twin.infos.of(pod), twin.table, DEFAULT, uid="u", memory=m)
               for m in (twin.memory, None, twin.memory, Memory(twin.table))]
    assert all(answer == answers[0] for answer in answers)
    assert twin.table.version == version


@RELAXED
@given(st.lists(st.integers(0, 2).flatmap(lambda n: strategies.nodes(f"n{n}")), min_size=1, max_size=3),
       st.lists(strategies.pods("p"), min_size=1, max_size=3), st.integers(1, 20))
def test_never_overcommits(nodes: list[Node], pods: list[Pod], copies: int) -> None:
    twin = Twin()
    for node in nodes:
        twin.node(node)
    for number in range(copies):
        pod = pods[number % len(pods)]
        decision = decide(twin.infos.of(pod), twin.table, DEFAULT, uid=str(number), memory=twin.memory)
        if decision.node is not None:
            name = f"p{number}"
            meta = msgspec.structs.replace(pod.metadata, name=name)
            twin.pod(msgspec.structs.replace(pod, metadata=meta), decision.node)
    table = twin.table
    # A resource nobody asked for may be over-full (a node may shrink); what we placed never is.
    assert (table.free[:, table.rows] >= 0).all()


@RELAXED
@given(history(), strategies.pods("asked"), history())
def test_a_rejected_pod_is_woken_by_every_change_that_helps(
        before: list[tuple[str, Any]], pod: Pod, after: list[tuple[str, Any]]) -> None:
    """Replays a second history step by step: no step may make the pod fit without one of its filters being told."""
    twin = live(before)
    info = twin.infos.of(pod)
    decision = decide(info, twin.table, DEFAULT, memory=twin.memory)
    for step in after:
        if decision.node is not None:
            return
        wakes = _told(twin, step)
        said = {w for rule in DEFAULT.filters if rule.name in decision.rejected_by for w in rule.wakes_on}
        woken = bool(wakes & said) or (not decision.rejected_by and "node/added" in wakes)
        now = decide(info, twin.table, DEFAULT, memory=twin.memory)
        assert woken or now.node is None
        if woken:
            decision = now


def _told(twin: Twin, step: tuple[str, Any]) -> frozenset[str]:
    kind, what = step
    heard: set[str] = set()
    table = twin.table
    originals = {n: getattr(table, n) for n in ("put_node", "drop_node", "put_pod", "drop_pod", "put_namespaces")}

    def listening(name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> frozenset[str]:
            found: frozenset[str] = originals[name](*args, **kwargs)
            heard.update(found)
            return found
        return call

    for name in originals:
        setattr(table, name, listening(name))
    try:
        if kind == "place":
            twin.pod(*what)
        elif kind != "ask":
            getattr(twin, kind)(what)
    finally:
        for name in originals:
            delattr(table, name)
    return frozenset(heard)
