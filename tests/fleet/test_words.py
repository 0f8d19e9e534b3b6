"""What the fleet's commands show and say: the list, ssh's command line, reports, and what a cluster can be asked."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.fleet import cluster, listing, login
from cli.fleet.cluster import NotAFleet
from cli.fleet.report import Report
from cli.main import main
from cli.output import aligned
from master.provision.fleet import Machine

pytestmark = pytest.mark.unit

MASTER, WORKER = frozenset({"masters"}), frozenset({"workers"})
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def node(name: str, ready: str, **spec: object) -> dict[str, object]:
    return {"metadata": {"name": name, "creationTimestamp": "2026-03-01T10:00:00Z"}, "spec": spec,
            "status": {"conditions": [{"type": "Ready", "status": ready}], "nodeInfo": {"kubeletVersion": "v0.1.0"},
                       "addresses": [{"type": "InternalIP", "address": "10.0.0.9"}]}}


def test_nodes_and_machines_in_one_table() -> None:
    machines = [Machine(name="n1", groups=WORKER, variables={"ansible_host": "10.0.0.11"}),
                Machine(name="m1", groups=MASTER, variables={"ansible_host": "10.0.0.1"}),
                Machine(name="new", groups=WORKER, variables={})]
    leases = [{"metadata": {"name": "n1"}, "spec": {"renewTime": "2026-03-01T11:59:57.000000Z"}}]
    rows = listing.rows([node("n1", "True"), node("n9", "Unknown", unschedulable=True)], leases, machines, NOW)
    assert aligned([listing.HEADER, *([row[c.lower()] for c in listing.HEADER] for row in rows)]) == [
        "NAME   HOST        ROLE     STATUS                        VERSION   AGE      LAST-SEEN",
        "m1     10.0.0.1    master   Provisioned                   <none>    <none>   <none>",
        "n1     10.0.0.11   worker   Ready                         v0.1.0    120m     3s",
        "n9     10.0.0.9    worker   NotReady,SchedulingDisabled   v0.1.0    120m     <none>",
        "new    new         worker   NotJoined                     <none>    <none>   <none>",
    ]


def test_sshs_command_line() -> None:
    machine = Machine(name="n1", groups=WORKER, variables={
        "ansible_host": "10.0.0.11", "ansible_user": "ops", "ansible_port": 2222, "ansible_ssh_private_key_file": "/k"})
    assert login.arguments(machine, Path("/s/known_hosts"), ["uptime", "-p"]) == [
        "ssh", "-o", "UserKnownHostsFile=/s/known_hosts", "-o", "GlobalKnownHostsFile=/dev/null",
        "-o", "StrictHostKeyChecking=yes", "-p", "2222", "-i", "/k", "ops@10.0.0.11", "--", "uptime", "-p"]


def test_a_report_for_programs_is_a_json_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    times = itertools.count(10.0)
    report = Report("json", lambda: next(times))
    report.begin(["n1", "n2"])
    report.tell("n1", "phase", phase="look")
    report.say("a word", "n1")
    report.tell("n1", "done", words="Ready")
    report.tell("n2", "over", words="no way")
    assert not report.end()
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in said] == ["phase", "note", "done", "over", "result", "result"]
    assert said[-2] == {"event": "result", "host": "n1", "result": "Ready", "changed": 0, "seconds": 3.0,
                        "phases": {"look": 2.0}}
    assert said[-1]["failure"] == "no way"


def test_what_a_machine_says_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("text", itertools.count(10.0).__next__)
    report.begin(["n1"])
    report.say("the journal:\n\x1b[2Jäh\r", "n1")
    report.tell("n1", "over", words="\x1b]0;owned\x07 no\x9b")
    said = capsys.readouterr().err
    assert "the journal:\n" in said
    assert "äh" in said
    assert not set(said) & set("\x1b\x07\x9b\r")


def test_a_cluster_of_one_machine_takes_no_others(tmp_path: Path) -> None:
    with pytest.raises(NotAFleet, match="kubus master init"):
        cluster.places(["https://127.0.0.1:6443"])
    assert cluster.places(["https://10.0.0.1:6443", "https://[fd00::2]:443"]) == [
        ("10.0.0.1", 6443), ("10.0.0.1", 4222), ("fd00::2", 443), ("fd00::2", 4222)]
    path = tmp_path / "kubeconfig"
    urls = ("https://a:1", "https://b:1", "https://a:1")
    one = {"certificate-authority-data": "Q0EK"}
    path.write_text(json.dumps({"clusters": [{"cluster": {"server": url, **one}} for url in urls]}))
    assert cluster.masters(path) == (["https://a:1", "https://b:1"], "CA\n")


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (["node", "add", "a", "b", "--name", "x"], "name several as NAME=HOST", 2),
        (["node", "add", "a:nope"], "'nope' is no port", 1),
        (["node", "add", "a", "--labels", "x"], "'x' is no label", 1),
        (["node", "add", "a", "--labels", "a b=c"], "'a b=c' is no label", 1),
        (["node", "add", "--", "-v"], "'-v' names no machine", 1),
        (["node", "add", "a", "--taints", "x=y"], "'x=y' is no taint", 1),
        (["node", "upgrade"], "name the nodes, or say --all", 2),
        (["node", "ssh", "nobody"], "names no machine nobody", 1),
        (["master", "init", "a", "b"], "1, 3 or 5", 1),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], words: str, code: int, tmp_path: Path,
                               monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("KUBUS_STATE", str(tmp_path))
    with pytest.raises(SystemExit) as end:
        main(arguments)
    said = "".join(capfd.readouterr())
    assert words in said
    assert "Traceback" not in said
    assert end.value.code == code


def test_a_state_folder_of_kubus_up_takes_no_masters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                     capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("KUBUS_STATE", str(tmp_path))
    (tmp_path / "cluster.json").write_text("{}")
    with pytest.raises(SystemExit):
        main(["master", "init", "a"])
    assert "a cluster that `kubus up` made" in "".join(capfd.readouterr())
