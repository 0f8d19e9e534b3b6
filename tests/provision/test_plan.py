"""Which machine gets which name, variables and work."""

from __future__ import annotations

import pytest

from master.provision.facts import Docker
from master.provision.plan import Wanted, plan
from master.provision.target import BadTarget, Target

from .machines import WORLD, visit

pytestmark = pytest.mark.unit


def test_a_bare_worker() -> None:
    target = Target(host="10.0.0.11", user="admin", port=2222, key="~/.ssh/id")
    (step,) = plan([(target, visit(hostname="Box7.example.org"))], Wanted(labels="a=1"), WORLD)
    assert step.name == "box7"
    assert not step.refused
    assert step.machine.groups == {"workers"}
    assert step.machine.variables == {"ansible_host": "10.0.0.11", "ansible_user": "admin", "ansible_port": 2222,
                                      "ansible_ssh_private_key_file": "~/.ssh/id", "kubus_labels": "a=1"}
    assert step.words == ("install Docker", "install Kubus under /opt/kubus", "join as node box7")


def test_a_machine_that_joined_keeps_its_name() -> None:
    seen = visit(hostname="other", agent={"node": "n5"}, agent_ca="CA", docker=Docker("28.0", 4))
    (step,) = plan([(Target(host="h"), seen)], Wanted(), WORLD)
    assert step.name == "n5"
    assert step.findings == ()
    assert step.words == ("use its Docker 28.0", "bring what is installed up to date", "it stays node n5")


def test_a_master_says_its_address() -> None:
    (step,) = plan([(Target(host="h", name="m1"), visit())], Wanted(role="master"), WORLD)
    assert step.machine.groups == {"masters"}
    assert step.machine.variables["kubus_address"] == "10.0.0.11"


def test_a_refusal_can_be_ignored_by_name() -> None:
    seen = [(Target(host="h"), visit(os="arch", os_name="Arch"))]
    assert plan(seen, Wanted(), WORLD)[0].refused
    assert not plan(seen, Wanted(ignored=("os",)), WORLD)[0].refused


def test_what_was_overlooked_at_a_machine_is_kept_for_the_next_look_and_what_was_of_a_moment_is_not() -> None:
    (step,) = plan([(Target(host="h"), visit())], Wanted(ignored=("os", "name", "fsync", "os")), WORLD)
    assert step.machine.variables["kubus_ignore"] == ["os", "fsync"]
    (step,) = plan([(Target(host="h"), visit())], Wanted(ignored=("name",)), WORLD)
    assert "kubus_ignore" not in step.machine.variables


def test_a_hostname_that_no_node_may_have() -> None:
    with pytest.raises(BadTarget, match="give --name"):
        plan([(Target(host="h"), visit(hostname="my_box"))], Wanted(), WORLD)
