"""Whose cordon it is: an upgrade lifts its own, whichever run made it, and nobody else's."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import yaml

from cli.fleet.upgrade import BY_UPGRADE, CORDONED_BY, cordoned

from .modules import ANSIBLE, module

pytestmark = pytest.mark.unit


class Api:
    """One Node, as the API keeps it."""

    def __init__(self, **spec: Any) -> None:
        self.node: dict[str, Any] = {"metadata": {"name": "n1", "annotations": {"a": "b"}}, "spec": spec}

    def ask(self, method: str, path: str, body: Any = None, kind: str = "") -> dict[str, Any]:
        if method == "PATCH":
            for part, values in (("spec", body["spec"]), ("annotations", body["metadata"]["annotations"])):
                place = self.node["spec"] if part == "spec" else self.node["metadata"]["annotations"]
                place.update(values)
                for key in [key for key, value in place.items() if value is None]:
                    del place[key]
        return self.node

    @property
    def unschedulable(self) -> bool:
        return bool(self.node["spec"].get("unschedulable"))


@pytest.fixture
def node() -> ModuleType:
    return module("kubus_node")


def test_a_later_run_lifts_the_cordon_of_one_that_failed(node: ModuleType) -> None:
    api = Api()
    assert node.cordon(api, "n1", True, "upgrade", False) == (True, True)
    assert cordoned([api.node], ["n1"]) == ["n1"]
    # the run fails here; the next finds the right version and does not cordon
    assert node.cordon(api, "n1", False, "upgrade", False) == (True, False)
    assert api.node == {"metadata": {"name": "n1", "annotations": {"a": "b"}}, "spec": {}}
    assert cordoned([api.node], ["n1"]) == []
    assert node.cordon(api, "n1", False, "upgrade", False) == (False, False)


def test_a_later_run_that_cordons_again_still_knows_it_as_its_own(node: ModuleType) -> None:
    api = Api()
    node.cordon(api, "n1", True, "upgrade", False)
    assert node.cordon(api, "n1", True, "upgrade", False) == (False, True)
    assert node.cordon(api, "n1", False, "upgrade", False) == (True, False)


def test_an_operators_cordon_stays(node: ModuleType) -> None:
    api = Api(unschedulable=True)
    assert node.cordon(api, "n1", True, "upgrade", False) == (False, False)
    assert node.cordon(api, "n1", False, "upgrade", False) == (False, False)
    assert api.unschedulable
    assert cordoned([api.node], ["n1"]) == []
    assert node.cordon(api, "n1", False, "", False) == (True, False)  # drain.yml -e drain_state=uncordoned
    assert not api.unschedulable


def test_the_mark_of_a_cordon_lifted_by_hand_goes(node: ModuleType) -> None:
    api = Api()
    node.cordon(api, "n1", True, "upgrade", False)
    del api.node["spec"]["unschedulable"]
    assert node.cordon(api, "n1", False, "upgrade", False) == (True, False)
    assert node.cordoner(api.node) == ""


def test_a_check_only_says_it(node: ModuleType) -> None:
    api = Api()
    assert node.cordon(api, "n1", True, "upgrade", True) == (True, False)
    assert not api.unschedulable


def test_the_playbook_and_the_command_mean_the_same_mark(node: ModuleType) -> None:
    assert node.CORDONED_BY == CORDONED_BY
    plays = yaml.safe_load((ANSIBLE / "upgrade.yml").read_text())
    workers = next(play for play in plays if play.get("hosts") == "workers")
    asked = [task["kubus_node"] for task in workers["tasks"][0]["block"] if "kubus_node" in task]
    assert [one["by"] for one in asked] == [BY_UPGRADE, BY_UPGRADE]
    lifting = workers["tasks"][0]["block"][-1]
    assert lifting["kubus_node"]["state"] == "uncordoned"
    assert "upgrade_cordoned" not in str(lifting)  # what one run remembers another cannot
