"""How machines are named on the command line."""

from __future__ import annotations

import pytest

from agents.join import said
from master.provision.target import BadTarget, Target, check_name, joined, labels, parse, taints
from tests.ansible.modules import module

from .test_limits import GOOD, TOLD

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("10.0.0.5", Target(host="10.0.0.5")),
        ("admin@box", Target(host="box", user="admin")),
        ("n1=admin@10.0.0.5:2222", Target(host="10.0.0.5", user="admin", port=2222, name="n1")),
        ("[fd00::5]:2222", Target(host="fd00::5", port=2222)),
        ("fd00::5", Target(host="fd00::5")),
    ],
)
def test_targets(text: str, target: Target) -> None:
    assert parse(text) == target


def test_the_ports_option_holds_where_none_is_written() -> None:
    assert parse("box", port=2200).port == 2200
    assert parse("box:22", port=2200).port == 22


@pytest.mark.parametrize("text", ["", "admin@", "=box", "box:ssh", "box:70000", "Big_Name=box", "n1="])
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(BadTarget):
        parse(text)


def test_labels_and_taints() -> None:
    assert labels(["a=1,b=2", "c="]) == {"a": "1", "b": "2", "c": ""}
    assert joined({"b": "2", "a": "1"}) == "a=1,b=2"
    assert taints(["gpu=yes:NoSchedule", "old:NoExecute"]) == ["gpu=yes:NoSchedule", "old:NoExecute"]
    for wrong in (["a"], ["=1"]):
        with pytest.raises(BadTarget):
            labels(wrong)
    for wrong in (["a=1"], ["a:Sometimes"], [":NoSchedule"], ["a b=c d:NoSchedule"], ["=x:NoExecute"],
                  ["k=v=w:NoSchedule"]):
        with pytest.raises(BadTarget):
            taints(wrong)


def test_the_command_refuses_every_taint_that_the_machine_would() -> None:
    for text in ("a=1:NoSchedule", "a:NoExecute", "a b=c d:NoSchedule", "=x:NoExecute", "k=v=w:NoSchedule", "a=1",
                 "a:b", "x/y/z=1:NoSchedule", "a=:PreferNoSchedule", ":NoSchedule"):
        try:
            said.taints(text)
        except said.BadWords:
            with pytest.raises(BadTarget):
                taints([text])
        else:
            assert taints([text]) == [text]


@pytest.mark.parametrize(("name", "good"), [("n" * 63, True), ("n" * 64, False), ("a.b", True), ("a..b", False),
                                            ("a.-b", False), ("-a", False), ("N1", False)])
def test_a_nodes_name_ends_where_a_labels_value_does(name: str, good: bool) -> None:
    role = module("kubus_preflight").problems({**GOOD, "name": name}, ["worker"], TOLD)
    assert ([each["check"] for each in role] == []) == good
    if good:
        assert check_name(name) == name
    else:
        with pytest.raises(BadTarget):
            check_name(name)
