"""The fleet's verbs and the cluster they mean: machines and nodes must be of one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.fleet import state
from cli.fleet.belonging import OtherCluster, authority, check, kubeconfig
from cli.fleet.cluster import Reach
from master.identity.ca import Pair, Want, fingerprint, issue, new_ca
from master.identity.kubeconfig import kubeconfig as written

pytestmark = pytest.mark.unit

FLEET = "all: {vars: {kubus_ca_hash: '%s'}, children: {workers: {hosts: {n1: {}}}}}\n"
NOW = datetime.now(UTC)


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kubeconfig of another cluster, which $KUBECONFIG names; the state folder is empty."""
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("KUBUS_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("KUBUS_KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "other"))
    write(tmp_path / "other", new_ca("other", NOW))
    return tmp_path / "other"


def write(path: Path, ca: Pair) -> str:
    """A kubeconfig; its authority's hash."""
    path.write_text(written("kubus", "https://10.0.0.1:6443", ca.cert, issue(ca, Want(user="op"), NOW)))
    return fingerprint(ca.cert)


def test_the_fleets_own_goes_before_the_environments(other: Path) -> None:
    assert kubeconfig("") == other
    write(state.kubeconfig(), new_ca("ours", NOW))
    assert kubeconfig("") == other  # no machines: nothing says that the folder is a fleet
    state.inventory().write_text(FLEET % "")
    assert kubeconfig("") == state.kubeconfig()
    assert kubeconfig(str(other)) == other
    Reach().session()


def test_another_clusters_is_refused_and_both_files_named(other: Path) -> None:
    write(state.kubeconfig(), new_ca("ours", NOW))
    state.inventory().write_text(FLEET % "")
    with pytest.raises(OtherCluster) as refused:
        Reach(str(other)).session()
    assert str(other) in str(refused.value)
    assert str(state.inventory()) in str(refused.value)
    Reach(str(other), machines=False).session()


def test_without_a_kubeconfig_of_its_own_the_fleet_files_hash_decides(other: Path) -> None:
    state.inventory().write_text(FLEET % fingerprint(new_ca("ours", NOW).cert))
    with pytest.raises(OtherCluster):
        check(other, "")
    state.inventory().write_text(FLEET % fingerprint(authority(other, "")))
    check(other, "")


def test_a_local_cluster_in_the_state_folder_is_not_the_fleets(other: Path) -> None:
    write(state.kubeconfig(), new_ca("local", NOW))
    (state.folder() / "cluster.json").write_text("{}")
    state.inventory().write_text(FLEET % fingerprint(authority(other, "")))
    assert kubeconfig("") == other
    check(other, "")


def test_without_machines_there_is_nothing_to_confuse(other: Path) -> None:
    write(state.kubeconfig(), new_ca("ours", NOW))
    check(other, "")
