"""`docker container prune` takes away what has ended; what runs, and how the rest ended, stays as it was."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from schemas.core.container import Container
from schemas.core.pod import Pod

from .harness import pod
from .toy import Toy

pytestmark = pytest.mark.unit


def plain(name: str) -> Container:
    return Container(name=name, image="i", image_pull_policy="IfNotPresent")


def job(policy: str, *apps: str, inits: tuple[str, ...] = ()) -> Pod:
    return pod("job", *map(plain, apps), init_containers=tuple(map(plain, inits)), restart_policy=policy)


def prune(toy: Toy) -> None:
    toy.containers = {id_: c for id_, c in toy.containers.items() if c.state == "running"}


def over(toy: Toy, name: str, code: int = 0) -> None:
    running = toy.running(name)
    assert running is not None
    toy.exit(running.id, code)
    toy.settle()


def id_of(toy: Toy, name: str) -> str:
    running = toy.running(name)
    return running.id if running else ""


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("policy", ["Never", "OnFailure", "Always"])
def test_a_done_init_container_is_not_missed(policy: str, restarted: bool) -> None:
    toy = Toy(job(policy, "app", inits=("init",)))
    toy.settle()
    over(toy, "init")
    before = id_of(toy, "app")
    prune(toy)
    if restarted:
        toy.restart_agent()
    turn = toy.settle()
    assert (turn.status.phase, id_of(toy, "app")) == ("Running", before)
    over(toy, "app")
    if policy != "Always":
        assert toy.turn().status.phase == "Succeeded"


def test_nor_one_of_which_only_the_beginning_was_told() -> None:
    toy = Toy(job("Never", "app", inits=("init",)))
    told: Any = toy.settle().status
    over(toy, "init")
    prune(toy)
    toy.restart_agent()
    toy.pod = replace(toy.pod, status=told)
    assert toy.settle().status.phase == "Running"
    assert id_of(toy, "app")


def test_the_second_runs_on_when_the_first_goes() -> None:
    toy = Toy(job("Never", "app", inits=("first", "second")))
    toy.settle()
    over(toy, "first")
    prune(toy)
    toy.settle()
    assert not toy.running("first")
    over(toy, "second")
    assert toy.settle().status.phase == "Running"


def test_without_a_proof_it_runs_again() -> None:
    toy = Toy(job("Never", "app", inits=("first",)))
    toy.settle()
    running = toy.running("first")
    assert running is not None
    toy.exit(running.id, 0)
    toy.turn()  # its end is told, and nothing else was done yet
    prune(toy)
    assert toy.settle().status.phase == "Pending"
    over(toy, "first")
    assert toy.settle().status.phase == "Running"


def test_an_init_container_that_was_lost_while_it_ran_fails_the_pod() -> None:
    toy = Toy(job("Never", "app", inits=("init",)))
    toy.settle()
    toy.containers.clear()
    assert toy.settle().status.phase == "Failed"


def test_an_app_container_that_has_succeeded_is_not_run_again() -> None:
    toy = Toy(job("OnFailure", "short", "long"))
    toy.settle()
    over(toy, "short")
    prune(toy)
    toy.settle()
    assert toy.running("short") is None
    over(toy, "long")
    assert toy.turn().status.phase == "Succeeded"
