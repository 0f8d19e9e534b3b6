"""What reset takes away of a Docker that came with us: all of it, or nothing where others need it or use it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from .modules import module

pytestmark = pytest.mark.unit

CAME = ("bridge-utils", "containerd", "docker.io", "nftables")
NEEDS = {"docker.io": {"containerd"}, "distrobox": {"docker.io"}}
RECORD = {"packages": list(CAME), "sysctls": {"net.ipv4.ip_forward": "no such value"}, "agent": {}}
NOTHING: dict[str, Any] = {"containers": [], "volumes": [], "images": [], "pulled": []}
DOCKERS = ("stop docker", "remove /var/lib/docker", "remove /etc/docker", "remove group docker", "net.ipv4.ip_forward",
           "remove link docker0")


def apt(*there: str) -> Callable[[set[str]], set[str]]:
    """apt's answer where these are installed: with a package goes what needs it."""
    def planned(names: set[str]) -> set[str]:
        gone = set(names)
        while more := {name for name in there if NEEDS.get(name, set()) & gone} - gone:
            gone |= more
        return gone

    return planned


@pytest.fixture
def reset() -> ModuleType:
    return module("kubus_reset")


class World:
    """A machine with a Docker of ours. `seen`: what Docker holds; None: it does not answer."""

    def __init__(self, reset: ModuleType, monkeypatch: pytest.MonkeyPatch, *there: str,
                 seen: dict[str, Any] | None = NOTHING) -> None:
        self.reset, planned = reset, apt(*there)
        engine = sys.modules["ansible.module_utils.kubus_engine"]

        def look(agent: object) -> dict[str, Any]:
            if seen is None:
                raise OSError("no such socket")
            return seen

        monkeypatch.setattr(engine, "look", look)
        monkeypatch.setattr(engine.os.path, "isdir", lambda path: path == "/var/lib/docker")
        monkeypatch.setattr(reset, "known", lambda: set(there))
        monkeypatch.setattr(reset, "installed", lambda: set(there))
        monkeypatch.setattr(reset, "planned", lambda machine, names: planned(set(names)))
        monkeypatch.setattr(reset.glob, "glob", lambda pattern: [])
        monkeypatch.setattr(reset.os, "listdir", lambda path: ["docker0"])
        monkeypatch.setattr(reset, "is_there", lambda path: path in reset.ENGINE_PATHS)
        monkeypatch.setattr(reset, "accounts", lambda machine, before, engine: engine and machine.step(
            "remove group docker"))
        self.machine = reset.Machine(True)  # check mode: what would be done is said
        monkeypatch.setattr(self.machine, "run", lambda *command: (
            (0, "ActiveState=active\n") if command[0] == "systemctl" else (127, "")))

    def steps(self, forced: bool = False) -> tuple[list[str], str]:
        why = self.reset.reset(self.machine, {}, RECORD, forced=forced)
        return self.machine.steps, why


def touched(steps: list[str]) -> list[str]:
    return [words for words in DOCKERS if any(step.startswith(words) for step in steps)]


def test_a_docker_of_ours_that_nobody_uses_goes(reset: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, why = World(reset, monkeypatch, *CAME).steps()
    assert why == ""
    assert touched(steps) == list(DOCKERS)
    assert f"purge {', '.join(CAME)}" in steps


def test_a_docker_that_something_needs_stays_with_all_it_has(reset: ModuleType,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    steps, why = World(reset, monkeypatch, *CAME, "distrobox").steps()
    assert touched(steps) == []
    assert "purge bridge-utils, nftables" in steps
    assert why == "distrobox may need it"


@pytest.mark.parametrize(("seen", "words"), [
    ({"volumes": [{"Name": "precious"}]}, "volume precious"),
    ({"images": [{"Id": "sha256:1", "RepoTags": ["theirs:1"]}]}, "image theirs:1"),
    ({"containers": [{"Id": "1", "Names": ["/theirs"], "Labels": {}}]}, "container theirs"),
    (None, "it does not say what it holds (no such socket)"),
])
def test_a_docker_that_others_use_stays(reset: ModuleType, monkeypatch: pytest.MonkeyPatch,
                                        seen: dict[str, Any] | None, words: str) -> None:
    told = None if seen is None else {**NOTHING, **seen}
    steps, why = World(reset, monkeypatch, *CAME, seen=told).steps()
    assert touched(steps) == []
    assert words in why
    steps, why = World(reset, monkeypatch, *CAME, seen=told).steps(forced=True)
    assert touched(steps) == list(DOCKERS)
    assert why == ""


def test_what_the_agent_made_is_nobody_elses(reset: ModuleType) -> None:
    engine = sys.modules["ansible.module_utils.kubus_engine"]
    ours = {"Id": "1", "Names": ["/pod"], "Labels": {"io.kubus.node": "n1"}, "Mounts": [{"Name": "of-ours"}]}
    images = [{"Id": "sha256:1", "RepoTags": ["pulled:1"]}, {"Id": "sha256:2", "RepoTags": None},
              {"Id": "sha256:333333333333333", "RepoTags": ["was:here"]}]
    seen = {"containers": [ours], "volumes": [{"Name": "of-ours"}], "images": images, "pulled": ["sha256:1"]}
    agent = {"containers": [], "images": ["pulled:1"]}
    assert engine.strangers(seen, agent, {"image 333333333333": "was:here"}) == []
    assert engine.strangers(seen, agent, {}) == ["image was:here"]


def test_the_footprint_stays_until_nothing_differs(reset: ModuleType, tmp_path: Path,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "kubus"
    state.mkdir()
    for name in ("before.json", "owned.json", "wheels.tar"):
        (state / name).write_text(json.dumps({}))
    monkeypatch.setattr(reset, "STATE", str(state))
    reset.memory(reset.Machine(False), keep=reset.MEMORY)
    assert sorted(path.name for path in state.iterdir()) == ["before.json", "owned.json"]
    reset.memory(reset.Machine(False))
    assert not state.exists()
