"""Properties of the pod machine, over random pods and random misfortune. Rules that must never break."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agents.kubelet.restart import wants_restart
from schemas.core.pod import Pod

from .harness import container, pod
from .toy import Toy

pytestmark = pytest.mark.unit

EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("exit"), st.integers(0, 2), st.sampled_from([0, 1, 137])),
        st.tuples(st.just("vanish"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("box"), st.just(0), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 900), st.just(0)),
        st.tuples(st.just("agent"), st.just(0), st.just(0)),
        st.tuples(st.just("image"), st.integers(0, 2), st.just(0)),
    ),
    max_size=8,
)


@st.composite
def pods(draw: st.DrawFn) -> Pod:
    apps = tuple(container(f"a{n}", image="img:1") for n in range(draw(st.integers(1, 3))))
    inits = tuple(
        container(f"i{n}", image="img:1", restart_policy=draw(st.sampled_from(["", "Always"])))
        for n in range(draw(st.integers(0, 2)))
    )
    policy = draw(st.sampled_from(["Always", "OnFailure", "Never"]))
    return pod("p", *apps, init_containers=inits, restart_policy=policy)


def ordinary_inits_succeed(toy: Toy) -> None:
    """Plain init containers end by themselves, like any program."""
    for c in tuple(toy.containers.values()):
        plain = next((i for i in toy.pod.spec.init_containers if i.name == c.name and not i.restart_policy), None)
        if plain is not None:
            toy.exit(c.id, 0)


def calm(toy: Toy) -> None:
    """Settle, and let init containers end, until nothing changes."""
    for _ in range(20):
        toy.rest()
        before = dict(toy.containers)
        ordinary_inits_succeed(toy)
        if toy.containers == before:
            return
    raise AssertionError("init containers run for ever")


def misfortune(toy: Toy, what: str, number: int, code: int) -> None:
    running = [c for c in toy.containers.values() if c.state == "running"]
    match what:
        case "exit" if number < len(running):
            toy.exit(running[number].id, code)
        case "vanish" if number < len(toy.containers):
            del toy.containers[list(toy.containers)[number]]
        case "box":
            toy.kill_box()
        case "wait":
            toy.now += number
        case "agent":
            toy.restart_agent()
        case "image" if number < len(toy.pod.spec.containers):
            apps = list(toy.pod.spec.containers)
            apps[number] = replace(apps[number], image=f"img:{number + 2}")
            toy.pod = replace(toy.pod, spec=replace(toy.pod.spec, containers=tuple(apps)))


@settings(max_examples=150, deadline=None)
@given(pods(), EVENTS)
def test_whatever_happens_it_settles_and_obeys_the_policy(p: Pod, events: list[tuple[str, int, int]]) -> None:
    toy = Toy(p)
    calm(toy)
    for event in events:
        misfortune(toy, *event)
        calm(toy)
    for c in p.spec.containers:
        if p.spec.restart_policy == "Always":
            assert toy.running(c.name), f"{c.name} must run"
        elif toy.running(c.name) is None:
            last = max((s for s in toy.containers.values() if s.name == c.name), key=lambda s: s.attempt, default=None)
            terminal = toy.turn().status.phase in ("Succeeded", "Failed")
            assert terminal or last is None or not wants_restart(p.spec.restart_policy, last.exit_code)
    assert toy.settle().actions == ()
    assert sum(b.state == "running" for b in toy.boxes.values()) <= 1


@settings(max_examples=100, deadline=None)
@given(pods(), EVENTS, st.booleans())
def test_a_deleted_pod_leaves_nothing(p: Pod, events: list[tuple[str, int, int]], deaf: bool) -> None:
    toy = Toy(p)
    calm(toy)
    for event in events:
        misfortune(toy, *event)
        toy.settle()
    if deaf:
        toy.deaf = set(toy.containers)
    meta = replace(toy.pod.metadata, deletion_timestamp=datetime.now(UTC), deletion_grace_period_seconds=5)
    toy.pod = replace(toy.pod, metadata=meta)
    began = toy.now
    toy.rest()
    assert toy.done
    assert toy.containers == {}
    assert toy.boxes == {}
    assert toy.now - began <= 5 + 2 * len(p.spec.init_containers) + 1


@settings(max_examples=60, deadline=None)
@given(pods(), st.integers(0, 12))
def test_an_agent_that_dies_between_any_two_actions_doubles_nothing(p: Pod, stop_after: int) -> None:
    toy = Toy(p)
    for _ in range(stop_after):
        turn = toy.turn()
        if not turn.actions:
            break
        toy.do(turn.actions[0])
        toy.restart_agent()
    calm(toy)
    for c in p.spec.containers:
        attempts = [s.attempt for s in toy.containers.values() if s.name == c.name]
        assert attempts == [0]


def test_a_crash_loop_backs_off_and_is_forgiven() -> None:
    toy = Toy(pod("p", container("a", image="img:1")))
    toy.rest()
    waits = []
    for _ in range(8):
        running = toy.running("a")
        assert running is not None
        toy.now += 1
        toy.exit(running.id, 1)
        died = toy.now
        toy.rest()
        waits.append(round(toy.now - died))
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]
    toy.now += 600
    running = toy.running("a")
    assert running is not None
    toy.exit(running.id, 1)
    died = toy.now
    toy.rest()
    assert toy.now - died < 1


def test_back_off_survives_an_agent_restart() -> None:
    toy = Toy(pod("p", container("a", image="img:1")))
    toy.rest()
    for _ in range(3):
        running = toy.running("a")
        assert running is not None
        toy.exit(running.id, 1)
        toy.rest()
    running = toy.running("a")
    assert running is not None
    toy.exit(running.id, 1)
    toy.restart_agent()
    turn = toy.settle()
    assert turn.wake_at == pytest.approx(toy.now + 40)
    waiting = turn.status.container_statuses[0].state
    assert waiting is not None
    assert waiting.waiting is not None
    assert waiting.waiting.reason == "CrashLoopBackOff"
