"""`kubus node remove` as a whole, beside a cluster and an Ansible that only write down what was asked of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cli.fleet import remove, state
from cli.fleet.remove import Remove
from cli.fleet.removing import StillNeeded
from cli.fleet.report import Report
from master.provision.inventory import Inventory
from master.provision.playbook import Interrupted, Outcome
from schemas.errors import NotFound, Unreachable

pytestmark = pytest.mark.unit

FLEET = """\
all:
  children:
    masters: {hosts: {m1: {ansible_host: 10.0.0.1}}}
    workers: {hosts: {%s}}
"""
PIN = "10.0.0.1 ssh-ed25519 AAAA\n"
Played = Callable[[str], None]


class World:
    """The cluster's nodes and what was played: (playbook, machine). It is its own Reach and Session."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self.nodes, self.silent = set(nodes), False
        self.played: list[tuple[str, str]] = []
        self.while_playing: Played = lambda name: None

    def session(self) -> World:
        return self

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        if self.silent:
            raise Unreachable("cannot reach https://10.0.0.1:6443")
        if path.endswith("/nodes"):
            return {"items": [{"metadata": {"name": name}} for name in sorted(self.nodes)]}
        if path.endswith("/pods"):
            return {"items": [], "metadata": {"resourceVersion": "1"}}
        if (name := path.rpartition("/")[2]) not in self.nodes:
            raise NotFound(name)
        return {"metadata": {"name": name}, "spec": {}}

    def patch(self, path: str, body: Any) -> None:
        """A cordon."""

    def create(self, path: str, body: Any, query: Any) -> None:
        """A revocation."""

    def delete(self, path: str, options: Any) -> None:
        self.nodes.discard(path.rpartition("/")[2])

    def play(self, playbook: str, names: Sequence[str], variables: Any, report: Report) -> Outcome:
        self.played += [(playbook, name) for name in names]
        for name in names:
            self.while_playing(name)
        return Outcome(changed=dict.fromkeys(names, 1), failed=frozenset())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("KUBUS_STATE", str(tmp_path))
    made = World(())
    monkeypatch.setattr(remove, "play", made.play)
    state.kubeconfig().write_text("{}")
    state.known_hosts().write_text(PIN)
    return made


def fleet(world: World, *workers: str, nodes: Sequence[str] = ()) -> None:
    state.inventory().write_text(FLEET % ", ".join(f"{name}: {{}}" for name in workers))
    world.nodes = {*workers, *nodes}


def removed(world: World, *names: str, **more: bool) -> int:
    return remove.remove(Remove(names=names, reach=world, **more), Report())  # type: ignore[arg-type]


def test_the_only_machine_of_the_file_leaves_as_a_worker(world: World) -> None:
    fleet(world, "m1", nodes=["of-another-operator"])
    assert removed(world, "m1") == 0
    assert world.played == [("leave.yml", "m1")]
    assert world.nodes == {"of-another-operator"}
    machine = Inventory(state.inventory()).machine("m1")
    assert machine is not None
    assert (machine.is_master, machine.is_worker) == (True, False)
    assert state.kubeconfig().exists()


def test_force_alone_keeps_what_opens_a_living_master(world: World) -> None:
    fleet(world, "m1")
    assert removed(world, "m1", force=True) == 0
    assert world.played == []
    assert state.kubeconfig().exists()
    assert state.known_hosts().read_text() == PIN
    assert Inventory(state.inventory()).machine("m1") is not None
    with pytest.raises(StillNeeded):  # now it is a master alone
        removed(world, "m1", force=True)


def test_the_cluster_is_asked_who_else_needs_its_master(world: World) -> None:
    fleet(world, "m1", nodes=["by-token"])
    with pytest.raises(StillNeeded, match="by-token would stay"):
        removed(world, "m1", with_masters=True)
    world.silent = True
    with pytest.raises(StillNeeded, match="nobody can tell"):
        removed(world, "m1", with_masters=True)
    assert world.played == []


def test_with_masters_the_cluster_ends(world: World) -> None:
    fleet(world, "m1", "n1")
    assert removed(world, "m1", "n1", with_masters=True) == 0
    assert world.played == [("reset.yml", "n1"), ("reset.yml", "m1")]
    assert Inventory(state.inventory()).machines() == ()
    assert not state.kubeconfig().exists()
    assert not state.ending().exists()


def test_an_end_that_broke_off_goes_on_without_an_api(world: World) -> None:
    fleet(world, "m1")

    def dies(name: str) -> None:
        world.silent = True
        raise Unreachable("the line to it was cut half-way")

    world.while_playing = dies
    assert removed(world, "m1", with_masters=True) == 1
    world.while_playing = lambda name: None
    assert removed(world, "m1", with_masters=True) == 0
    assert not state.ending().exists()


def test_after_an_interruption_no_further_machine_is_touched(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    fleet(world, "n1", "n2", "n3")

    def ctrl_c(name: str) -> None:
        raise Interrupted("reset.yml was interrupted")

    world.while_playing = ctrl_c
    with pytest.raises(KeyboardInterrupt):
        remove.remove(Remove(names=("n1", "n2", "n3"), reach=world), Report("json"))  # type: ignore[arg-type]
    assert world.played == [("reset.yml", "n1")]
    assert world.nodes == {"n1", "n2", "n3"}
    assert capsys.readouterr().out.count('"event": "result"') == 3  # the report was ended
