"""Who leaves with `kubus node remove`, and as what: decided from the fleet file and the cluster's Nodes."""

from __future__ import annotations

import pytest

from cli.fleet.removing import Order, StillNeeded, nobody_else, order
from master.provision.fleet import Machine

pytestmark = pytest.mark.unit


def machine(name: str, *groups: str) -> Machine:
    return Machine(name=name, groups=frozenset(groups), variables={})


MASTER, BOTH = machine("m1", "masters"), machine("m2", "masters", "workers")
WORKER = machine("n1", "workers")


@pytest.mark.parametrize(("names", "fleet"), [
    (("m2",), (BOTH,)),  # nobody else in this operator's file: the workers of others are not in it
    (("m2",), (BOTH, WORKER)),
    (("m2", "n1"), (BOTH, WORKER)),
])
def test_a_master_that_is_a_worker_too_leaves_as_a_worker(names: tuple[str, ...], fleet: tuple[Machine, ...]) -> None:
    assert order(names, fleet, with_masters=False) == Order(workers=names)


@pytest.mark.parametrize(("names", "fleet"), [
    (("m1",), (MASTER,)), (("m1", "n1"), (MASTER, WORKER)), (("n1", "m1"), (MASTER, BOTH, WORKER)),
])
def test_a_master_alone_goes_only_when_asked_for(names: tuple[str, ...], fleet: tuple[Machine, ...]) -> None:
    with pytest.raises(StillNeeded, match=r"m1 is a master and no worker.*--with-masters"):
        order(names, fleet, with_masters=False)


def test_with_masters_all_machines_go_and_masters_last() -> None:
    assert order(("m1", "n1", "m2", "n1"), (MASTER, BOTH, WORKER), with_masters=True) == Order(
        workers=("n1",), masters=("m1", "m2"))
    with pytest.raises(StillNeeded, match="m2, n1 would stay"):
        order(("m1",), (MASTER, BOTH, WORKER), with_masters=True)


def test_a_node_that_nobody_named_holds_the_masters() -> None:
    nobody_else(("m2",), ("m2", "n1"), ("n1", "m2"))
    with pytest.raises(StillNeeded, match=r"m2 is a master and token-1, token-2 would stay.*--force"):
        nobody_else(("m2",), ("m2",), ("token-2", "m2", "token-1"))


def test_a_stranger_is_for_the_cluster_to_judge() -> None:
    assert order(("n9",), (MASTER,), with_masters=False) == Order(workers=("n9",))
