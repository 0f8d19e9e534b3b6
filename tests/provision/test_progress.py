"""Happenings in, a board and its lines out."""

from __future__ import annotations

import pytest

from master.provision import playbook, progress
from master.provision.progress import Board, Happening, Kind

pytestmark = pytest.mark.unit


def feed(*rows: tuple[str, Kind, float, str, str, str]) -> Board:
    board = progress.start(["n1", "n22"], 100.0)
    for host, kind, at, phase, task, words in rows:
        board = progress.after(board, Happening(host=host, kind=kind, at=at, phase=phase, task=task, words=words))
    return board


RUN: list[tuple[str, Kind, float, str, str, str]] = [
    ("n1", "phase", 100.0, "look", "", ""), ("n1", "task", 101.0, "docker", "Install Docker", ""),
    ("n1", "changed", 111.0, "docker", "Install Docker", ""), ("n1", "task", 111.0, "agent", "Join", ""),
    ("n1", "task", 112.0, "docker", "Restart Docker", ""), ("n1", "done", 115.0, "", "", "Ready"),
]


def test_a_run_to_ready() -> None:
    host = feed(*RUN)["n1"]
    assert host.reached == "Ready"
    assert host.changed == 1
    assert dict(host.phases) == {"look": 1.0, "docker": 13.0, "agent": 1.0}
    assert sum(seconds for _, seconds in host.phases) == host.ended - host.began
    assert progress.spent(host) == "look 1.0 s, docker 13.0 s, agent 1.0 s"
    assert progress.summary(host, 999.0) == {"host": "n1", "result": "Ready", "changed": 1, "seconds": 15.0,
                                      "phases": {"look": 1.0, "docker": 13.0, "agent": 1.0}}


def test_lines_for_a_terminal() -> None:
    board = feed(*RUN, ("n22", "task", 105.0, "base", "Packages", ""))
    first, second = progress.lines(board, 120.0)
    assert first == "✓ n1     15.0 s  Ready"
    assert second[1:] == " n22    20.0 s  base: Packages"
    assert all(len(line) <= 12 for line in progress.lines(board, 120.0, width=12))


def test_a_failure_is_final_only_when_the_machine_is_given_up() -> None:
    rescued = feed(("n1", "failed", 101.0, "base", "Try", "no\nmore"), ("n1", "done", 102.0, "", "", "Ready"))["n1"]
    assert rescued.reached == "Ready"
    assert rescued.failure == ""
    lost = feed(("n1", "failed", 101.0, "base", "Try", "no\nmore"), ("n1", "failed", 102.0, "base", "Tell", "later"),
                ("n1", "over", 103.0, "", "", ""))["n1"]
    assert lost.failure == "Try: no\nmore"
    assert progress.lines({"n1": lost}, 200.0) == ["✗ n1     3.0 s  Try: no"]
    assert progress.after({"n1": lost}, Happening(host="n1", kind="done", at=9.0, words="Ready")) == {"n1": lost}


def test_waiting_for_others_is_no_part_of_a_phase() -> None:
    rows: list[tuple[str, Kind, float, str, str, str]] = [
        ("n1", "task", 100.0, "base", "One", ""), ("n1", "rest", 103.0, "base", "One", ""),
        ("n1", "task", 103.1, "base", "Two", ""), ("n1", "changed", 105.0, "base", "Two", ""),
    ]
    assert progress.lines(feed(*rows), 109.0)[0].endswith("base: waits for the others")
    host = feed(*rows, ("n1", "task", 115.0, "agent", "Join", ""), ("n1", "done", 118.0, "", "", "Ready"))["n1"]
    assert dict(host.phases) == {"base": 5.0, "wait": 10.0, "agent": 3.0}
    assert sum(seconds for _, seconds in host.phases) == host.ended - host.began


def test_a_pipe_gets_a_line_per_phase_and_the_end() -> None:
    board = progress.start(["n1"], 100.0)
    printed = []
    for host, kind, at, phase, task, words in RUN:
        happening = Happening(host=host, kind=kind, at=at, phase=phase, task=task, words=words)
        before, board = board, progress.after(board, happening)
        printed.append(progress.plain(before, board, happening))
    assert [line for line in printed if line] == [
        "  n1  look", "  n1  docker", "  n1  agent", "  n1  docker",
        "✓ n1    15.0 s  Ready  (look 1.0 s, docker 13.0 s, agent 1.0 s)"]


def test_a_machine_gets_its_name() -> None:
    board = progress.renamed(feed(*RUN[:2]), {"n1": "web"})
    assert list(board) == ["web", "n22"]
    assert board["web"].phase == "docker"


def test_ansibles_events() -> None:
    def event(name: str, **told: object) -> dict[str, object]:
        created = "2026-01-01T00:00:01+00:00"
        return {"event": name, "created": created, "event_data": {"host": "n1", "task": "T", **told}}

    def kinds(name: str, **told: object) -> list[tuple[str, str, str]]:
        return [(h.kind, h.phase, h.words) for h in playbook.happenings(event(name, **told))]

    assert kinds("runner_on_start", role="base") == [("task", "base", "")]
    assert kinds("runner_on_ok", res={"changed": True}) == [("changed", "play", "")]
    assert kinds("runner_on_ok", res={"changed": False}) == [("rest", "play", "")]
    assert kinds("runner_on_skipped") == [("rest", "play", "")]
    assert kinds("runner_on_failed", res={"msg": "no"}, ignore_errors=True) == []
    assert kinds("runner_on_failed", res={"msg": "rc 1", "stderr": "why\n", "stdout": "rc 1"}) == [
        ("failed", "play", "rc 1\nwhy")]
    assert kinds("runner_on_failed", res={"results": [{"failed": True, "msg": "a"}, {"msg": "b"}]}) == [
        ("failed", "play", "a")]
    assert playbook.happenings({"event": "playbook_on_start", "event_data": {}}) == []
    (told,) = playbook.happenings(event("runner_on_start"))
    assert told.at == 1767225601.0
