"""given a pod, what is seen and remembered -> then these actions, this phase, this alarm."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from agents.kubelet.model import Action, Box, Failure, Health, Memory, Observed, Seen
from agents.kubelet.plan import hash_of, plan
from agents.kubelet.states import container_status
from schemas.core.container import Container
from schemas.core.environment import EnvVar, EnvVarSource, ObjectFieldSelector
from schemas.core.pod import Pod
from schemas.core.podstatus import ContainerStatus, PodCondition, PodStatus
from schemas.core.probe import ExecAction, Lifecycle, LifecycleHandler, Probe
from schemas.core.volume import EmptyDirVolumeSource, Volume
from schemas.meta import conditions

from .harness import container, deleted, pod

pytestmark = pytest.mark.unit
NOW = 1_000_000.0
IMAGES = frozenset({"img:1"})
BOX = Box(id="box", state="running", address="10.0.0.7")


def app(**more: Any) -> Container:
    return container("app", image="img:1", **more)


def seen(state: Any = "running", **more: Any) -> Seen:
    plain = Seen(name="app", id="c0", state=state, joined="box", spec_hash=hash_of(app()), started_at=NOW - 50,
                 created_at=NOW - 51)
    return replace(plain, **more)


def dead(code: int = 1, **more: Any) -> Seen:
    return seen("exited", exit_code=code, finished_at=NOW - 5, **more)


def world(*containers: Seen, boxes: tuple[Box, ...] = (BOX,), images: frozenset[str] = IMAGES) -> Observed:
    return Observed(boxes=boxes, containers=containers, images=images, host_ip="192.0.2.1")


def words(actions: tuple[Action, ...]) -> list[str]:
    return [type(a).__name__ for a in actions]


PROBED = app(liveness_probe=Probe(exec=ExecAction(command=("true",)), termination_grace_period_seconds=3))
HOOKED = app(lifecycle=Lifecycle(pre_stop=LifecycleHandler(exec=ExecAction(command=("bye",)))))
TELLS_IP = app(env=(EnvVar(name="IP", value_from=EnvVarSource(field_ref=ObjectFieldSelector(
    field_path="status.podIP"))),))
VOLUME = (Volume(name="v", empty_dir=EmptyDirVolumeSource()),)
PULL_FAILED = {"pull app": Failure("ErrImagePull", "no such host", NOW - 1)}

CASES: list[tuple[str, Pod, Observed, Memory, list[str]]] = [
    ("a new pod: a sandbox", pod("p", app()), world(boxes=()), Memory(), ["CreateBox"]),
    ("and the image beside it", pod("p", app()), world(boxes=(), images=frozenset()), Memory(), ["Pull", "CreateBox"]),
    ("the container is made while its sandbox starts", pod("p", app()), world(boxes=(replace(BOX, state="created"),)),
     Memory(), ["Create", "StartBox"]),
    ("unless it must know the address", pod("p", TELLS_IP), world(boxes=(replace(BOX, state="created"),)),
     Memory(), ["StartBox"]),
    ("made: start it", pod("p", app()), world(seen("created", started_at=0.0)), Memory(), ["Start"]),
    ("not before its sandbox runs", pod("p", app()),
     world(seen("created", started_at=0.0), boxes=(replace(BOX, state="created"),)), Memory(), ["StartBox"]),
    ("running: nothing", pod("p", app()), world(seen()), Memory(), []),
    ("volumes first", pod("p", app(), volumes=VOLUME), world(), Memory(), ["PrepareVolumes"]),
    ("volumes written: go on", pod("p", app(), volumes=VOLUME), world(), Memory(mounted=""), ["Create"]),
    ("supplies changed: write again", pod("p", app(), volumes=VOLUME), world(seen()), Memory(mounted="", supplies="2"),
     ["PrepareVolumes"]),
    ("in flight: not again", pod("p", app()), world(boxes=()), Memory(in_flight=frozenset({"sandbox"})), []),
    ("image changed: stop", pod("p", app()), world(seen(spec_hash="old")), Memory(), ["Stop"]),
    ("asked: wait", pod("p", app()), world(seen(spec_hash="old")),
     Memory(asked=frozenset({"c0"}), stopping={"c0": NOW + 5}), []),
    ("waited: kill", pod("p", app()), world(seen(spec_hash="old")),
     Memory(asked=frozenset({"c0"}), stopping={"c0": NOW}), ["Kill"]),
    ("killed: not at once again", pod("p", app()), world(seen(spec_hash="old")),
     Memory(asked=frozenset({"c0"}), stopping={"c0": NOW}, killed={"c0": NOW - 1}), []),
    ("liveness failed: stop", pod("p", PROBED), world(seen()), Memory(health={"c0": Health(True, True, False)}),
     ["Stop"]),
    ("crashed once: at once again", pod("p", app()), world(dead()), Memory(), ["Create"]),
    ("crashed twice: wait", pod("p", app()), world(dead(crashes=1)), Memory(), []),
    ("Never: stays dead, the sandbox goes", pod("p", app(), restart_policy="Never"), world(dead()), Memory(),
     ["Remove"]),
    ("OnFailure, success: the same", pod("p", app(), restart_policy="OnFailure"), world(dead(0)), Memory(), ["Remove"]),
    ("sandbox died: stop what joined it", pod("p", app()), world(seen(), boxes=(replace(BOX, state="exited"),)),
     Memory(), ["Stop"]),
    ("then a new one", pod("p", app()), world(dead(137), boxes=(replace(BOX, state="exited"),)), Memory(),
     ["CreateBox"]),
    ("made for an old sandbox: away with it", pod("p", app()), world(seen("created", joined="older")), Memory(),
     ["Remove"]),
    ("pull failed: wait", pod("p", app()), world(images=frozenset()), Memory(failures=PULL_FAILED), []),
    ("two old attempts: the older goes", pod("p", app()),
     world(seen(id="c2", attempt=2), dead(id="c1", attempt=1), dead(id="c0")), Memory(), ["Remove"]),
    ("deleted: stop", deleted(pod("p", app())), world(seen()), Memory(), ["Stop"]),
    ("deleted: the hook first", deleted(pod("p", HOOKED)), world(seen()), Memory(), ["Hook"]),
    ("hook done: stop", deleted(pod("p", HOOKED)), world(seen()), Memory(stopping={"c0": NOW + 5}), ["Stop"]),
    ("no grace, no hook", deleted(pod("p", HOOKED), 0), world(seen()), Memory(), ["Stop"]),
    ("deleted and dead: remove all", deleted(pod("p", app())), world(dead()), Memory(), ["Remove", "Remove"]),
    ("deleted, nothing left: clean", deleted(pod("p", app())), world(boxes=()), Memory(), ["Clean"]),
    ("deleted before it began", deleted(pod("p", app())), world(boxes=()), Memory(cleaned=True), []),
    ("past its deadline: stop", pod("p", app(), active_deadline_seconds=10), world(seen()), Memory(first_seen=NOW - 11),
     ["Stop"]),
    ("policy Always pulls though it is here", pod("p", app(image_pull_policy="Always")), world(), Memory(), ["Pull"]),
    ("and once per attempt", pod("p", app(image_pull_policy="Always")), world(),
     Memory(pulled=frozenset({"app/0"})), ["Create"]),
]


@pytest.mark.parametrize(("name", "p", "observed", "memory", "then"), CASES, ids=[c[0] for c in CASES])
def test_given_then(name: str, p: Pod, observed: Observed, memory: Memory, then: list[str]) -> None:
    assert words(plan(p, observed, memory, NOW).actions) == then


def test_done_only_when_all_is_gone_and_nothing_is_in_flight() -> None:
    p = deleted(pod("p", app()))
    assert plan(p, world(boxes=()), Memory(cleaned=True), NOW).done
    assert not plan(p, world(boxes=()), Memory(cleaned=True, in_flight=frozenset({"sandbox"})), NOW).done
    assert plan(p, world(boxes=()), Memory(cleaned=True, in_flight=frozenset({"pull app"})), NOW).done
    assert not plan(p, world(), Memory(cleaned=True), NOW).done
    assert not plan(pod("p", app()), world(boxes=()), Memory(), NOW).done


def test_alarms_are_data() -> None:
    assert plan(pod("p", app()), world(dead(crashes=1)), Memory(), NOW).wake_at == NOW + 5
    assert plan(pod("p", app()), world(seen()), Memory(), NOW).wake_at is None
    deadline = pod("p", app(), active_deadline_seconds=10)
    assert plan(deadline, world(seen()), Memory(first_seen=NOW - 3), NOW).wake_at == NOW + 7
    wait = Memory(failures=PULL_FAILED)
    assert plan(pod("p", app()), world(images=frozenset()), wait, NOW).wake_at == NOW + 1
    assert plan(pod("p", app()), world(images=frozenset()), wait, NOW + 4).wake_at == NOW + 9


def test_a_sidecar_stops_last_with_the_rest_of_the_grace() -> None:
    side = container("side", image="img:1", restart_policy="Always")
    p = deleted(pod("p", app(), init_containers=(side,)), 30)
    runs = seen(name="side", id="s0", spec_hash=hash_of(side))
    both = plan(p, world(seen(), runs), Memory(), NOW)
    assert [(a.key, getattr(a, "grace", None)) for a in both.actions] == [("container app", 30.0)]
    late = plan(p, world(dead(), runs), Memory(stopping={"c0": NOW + 12}, asked=frozenset({"c0"})), NOW)
    assert [(a.key, getattr(a, "grace", None)) for a in late.actions] == [("container side", 12.0)]


def test_init_containers_one_after_the_other() -> None:
    first, side = container("first", image="img:1"), container("side", image="img:1", restart_policy="Always")
    second = container("second", image="img:1")
    p = pod("p", app(), init_containers=(first, side, second))

    def keys(*containers: Seen) -> list[str]:
        return [a.key for a in plan(p, world(*containers), Memory(), NOW).actions]

    one = seen("exited", name="first", id="i1", spec_hash=hash_of(first))
    two = seen(name="side", id="i2", spec_hash=hash_of(side))
    three = seen("exited", name="second", id="i3", spec_hash=hash_of(second))
    assert keys() == ["container first"]
    assert keys(one) == ["container side"]
    assert keys(one, two) == ["container second"]
    assert keys(one, two, three) == ["container app"]
    failed = pod("p", app(), init_containers=(first,), restart_policy="Never")
    turn = plan(failed, world(replace(one, exit_code=1)), Memory(), NOW)
    assert (words(turn.actions), turn.status.phase) == (["Remove"], "Failed")


# ---- status --------------------------------------------------------------------------------------------------


def status(p: Pod, observed: Observed, memory: Memory | None = None) -> PodStatus:
    return plan(p, observed, memory or Memory(first_seen=NOW), NOW).status


def reason(p: Pod, observed: Observed, memory: Memory | None = None) -> str:
    state = status(p, observed, memory).container_statuses[0].state
    assert state is not None
    if state.running is not None:
        return "running"
    return state.waiting.reason if state.waiting else state.terminated.reason if state.terminated else ""


@pytest.mark.parametrize(("p", "observed", "memory", "phase", "why"), [
    (pod("p", app()), world(boxes=()), None, "Pending", "ContainerCreating"),
    (pod("p", app()), world(seen()), None, "Running", "running"),
    (pod("p", app()), world(dead(crashes=1)), None, "Running", "CrashLoopBackOff"),
    (pod("p", app()), world(dead(0), boxes=()), None, "Running", "Completed"),
    (pod("p", app(), restart_policy="Never"), world(dead(0)), None, "Succeeded", "Completed"),
    (pod("p", app(), restart_policy="Never"), world(dead(3)), None, "Failed", "Error"),
    (pod("p", app(), restart_policy="Never"), world(dead(137, oom_killed=True)), None, "Failed", "OOMKilled"),
    (pod("p", app(), restart_policy="Never"), world(seen("created", error="no such file")), None, "Failed",
     "ContainerCannotRun"),
    (pod("p", app()), world(images=frozenset()), Memory(failures=PULL_FAILED), "Pending", "ErrImagePull"),
    (pod("p", app()), world(images=frozenset()),
     Memory(failures={"pull app": Failure("ErrImagePull", "x", NOW - 3)}), "Pending", "ImagePullBackOff"),
    (pod("p", app()), world(), Memory(failures={"create app": Failure("CreateContainerConfigError", "x", NOW)}),
     "Pending", "CreateContainerConfigError"),
    (pod("p", app(), active_deadline_seconds=1), world(seen()), Memory(first_seen=NOW - 5), "Failed", "running"),
    (pod("p", app(), init_containers=(container("i", image="img:1"),)), world(), None, "Pending", "PodInitializing"),
])
def test_phase_and_reason(p: Pod, observed: Observed, memory: Memory | None, phase: str, why: str) -> None:
    assert status(p, observed, memory).phase == phase
    assert reason(p, observed, memory) == why


def test_conditions_of_a_running_pod() -> None:
    said = status(pod("p", app()), world(seen()))
    assert {c.type: c.status for c in said.conditions} == {
        "PodScheduled": "True", "Initialized": "True", "ContainersReady": "True", "Ready": "True",
        "PodReadyToStartContainers": "True"}
    assert (said.pod_ip, said.host_ip, said.qos_class) == ("10.0.0.7", "192.0.2.1", "BestEffort")
    assert said.start_time is not None


def test_an_unready_container_is_named() -> None:
    probed = app(readiness_probe=Probe(exec=ExecAction(command=("true",))))
    ready = conditions.get(status(pod("p", probed), world(seen())).conditions, "Ready")
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", "ContainersNotReady")
    assert ready.message == "containers with unready status: [app]"
    healthy = Memory(health={"c0": Health(None, True, None)})
    assert conditions.is_true(status(pod("p", probed), world(seen()), healthy).conditions, "Ready")


def test_what_others_stated_stays() -> None:
    gate = PodCondition(type="example.com/gate", status="True")
    p = replace(pod("p", app()), status=PodStatus(phase="Pending", conditions=(gate,)))
    assert gate.type in {c.type for c in status(p, world(seen())).conditions}


def test_transition_times_move_only_with_the_answer() -> None:
    p = pod("p", app())
    first = status(p, world(seen()))
    later = plan(p, world(seen()), Memory(reported=first), NOW + 100).status
    assert later == first


def test_a_lost_container_under_never_fails_the_pod() -> None:
    known = PodStatus(phase="Running", container_statuses=(
        ContainerStatus(name="app", container_id="docker://c0", restart_count=0),))
    p = replace(pod("p", app(), restart_policy="Never"), status=known)
    turn = plan(p, world(), Memory(), NOW)
    assert turn.status.phase == "Failed"
    assert reason(p, world()) == "ContainerStatusUnknown"


def test_last_state_and_restart_count() -> None:
    only = container_status(pod("p", app()), app(), world(seen(id="c1", attempt=3), dead(2, attempt=2)), Memory(), NOW,
                            waits_for="x")
    assert only.restart_count == 3
    assert only.last_state is not None
    assert only.last_state.terminated is not None
    assert only.last_state.terminated.exit_code == 2
