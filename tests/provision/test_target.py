"""How machines are named on the command line."""

from __future__ import annotations

import pytest

from master.provision.target import BadTarget, Target, joined, labels, parse, taints

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
    for wrong in (["a=1"], ["a:Sometimes"], [":NoSchedule"]):
        with pytest.raises(BadTarget):
            taints(wrong)
