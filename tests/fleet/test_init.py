"""`kubus master init` a second time: what is not said stays, what would make another cluster is refused.

The machines are told by their facts, and site.yml by what it leaves on them: master.json.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cli.fleet import init as founding
from cli.fleet import look, state
from cli.fleet.init import Init, OtherCluster, init
from cli.fleet.report import Report
from cli.fleet.stock import Stock
from master.provision.facts import Visit
from master.provision.founding import Founding
from master.provision.inventory import Inventory
from master.provision.plan import Wanted
from master.provision.playbook import Outcome
from master.provision.target import BadTarget, Target
from tests.provision.machines import visit

pytestmark = pytest.mark.unit


class Machines:
    """By host; each sends from another address (a default route) than the others reach it at."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}
        self.silent: set[str] = set()
        self.plays = 0

    def look(self, target: Target, *rest: object) -> Visit:
        if target.host in self.silent:
            raise BadTarget(f"{target.host} does not answer")
        last = target.host.rpartition(".")[2]
        return visit(address=f"203.0.113.{last}", master=self.told.get(target.host, ""), machine_id=f"m-{last}",
                     system_uuid=f"u-{last}", fingerprint=f"SHA256:{last}")

    def play(self, *said: object) -> Outcome:
        """site.yml, as far as this is concerned."""
        self.plays += 1
        inventory = Inventory(state.inventory()).machines()
        members = [{"name": m.name, "address": m.variables["kubus_address"]} for m in inventory]
        for machine in inventory:
            cluster = machine.variables.get("kubus_cluster", "kubus")
            self.told[machine.target.host] = json.dumps({
                "cluster": cluster, "name": machine.name, "address": machine.variables["kubus_address"],
                "members": members, "pod_cidr": machine.variables.get("kubus_pod_cidr", "10.244.0.0/16")})
        return Outcome(failed=frozenset(), changed={m.name: 1 for m in inventory}, output="")


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    monkeypatch.setenv("KUBUS_STATE", str(tmp_path))
    made = Machines()
    monkeypatch.setattr(look.ssh, "look", made.look)
    monkeypatch.setattr(founding, "play", made.play)
    monkeypatch.setattr(founding, "shared", lambda *said: {})
    monkeypatch.setattr(founding, "Session", lambda *said: type("Api", (), {"get": lambda *said: {}})())
    return made


def run(hosts: Sequence[str], address: str = "", **said: Any) -> int:
    targets = [Target(name=f"m{host[-1]}", host=host, user="root", address=address) for host in hosts]
    wanted = Wanted(role="master", founding=Founding(**said))
    return init(Init(targets=targets, wanted=wanted, stock=Stock()), Report("json"))


def first(machines: Machines) -> str:
    """One master; the fleet file."""
    assert run(["10.0.0.1"], "10.0.0.1", cluster="prod", pod_cidr="10.9.0.0/16", server_names=["kube.example.org"]) == 0
    text = state.inventory().read_text()
    for word in ("kubus_address: 10.0.0.1", "kubus_cluster: prod", "10.9.0.0/16", "- kube.example.org"):
        assert word in text
    return text


def test_the_same_again_with_fewer_words_changes_nothing(machines: Machines) -> None:
    text = first(machines)
    assert run(["10.0.0.1"]) == 0
    assert state.inventory().read_text() == text
    assert machines.plays == 2


def test_one_does_not_become_three(machines: Machines) -> None:
    text = first(machines)
    with pytest.raises(OtherCluster, match=r"10.0.0.2, 10.0.0.3 cannot be added .* restore.yml"):
        run(["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    assert state.inventory().read_text() == text
    assert machines.plays == 1


@pytest.mark.parametrize(("said", "words"), [
    ({"address": "203.0.113.1"}, "its cluster has the masters m1=10.0.0.1, not m1=203.0.113.1"),
    ({"cluster": "kubus"}, "its cluster is called prod, not kubus"),
    ({"pod_cidr": "10.244.0.0/16"}, "its cluster's pods have 10.9.0.0/16, not 10.244.0.0/16"),
])
def test_what_is_settled_is_refused_before_the_fleet_file_says_it(said: dict[str, str], words: str, machines: Machines,
                                                                  capsys: pytest.CaptureFixture[str]) -> None:
    text = first(machines)
    assert run(["10.0.0.1"], **said) == 1
    assert words in capsys.readouterr().out
    assert state.inventory().read_text() == text
    assert machines.plays == 1


def test_without_the_fleet_file_the_machines_are_believed(machines: Machines,
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    first(machines)
    state.inventory().unlink()
    assert run(["10.0.0.1", "10.0.0.2", "10.0.0.3"]) == 1
    assert "its cluster has the masters m1=10.0.0.1, not m1=10.0.0.1, m2=203.0.113.2" in capsys.readouterr().out
    assert not state.inventory().exists()
    assert run(["10.0.0.1"]) == 0
    assert "kubus_address: 10.0.0.1" in state.inventory().read_text()


def test_a_master_that_does_not_answer_is_no_other_cluster(machines: Machines,
                                                           capsys: pytest.CaptureFixture[str]) -> None:
    hosts = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert run(hosts) == 0
    machines.silent.add("10.0.0.3")
    assert run(hosts) == 1
    said = capsys.readouterr().out
    assert "10.0.0.3 does not answer" in said
    assert "its cluster has" not in said
    assert machines.plays == 1


def test_what_an_operator_wrote_of_an_address_stays(machines: Machines) -> None:
    text = first(machines).replace("kubus_address: 10.0.0.1", "kubus_address: m1.example.org")
    state.inventory().write_text(text)
    assert run(["10.0.0.1"]) == 0
    assert state.inventory().read_text() == text
