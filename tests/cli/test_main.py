"""The command line itself: every verb can be imported and explains itself; mistakes are one line, never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import VERBS, kubus, main

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_explains_itself(verb: str) -> None:
    said = CliRunner().invoke(kubus, [verb, "--help"])
    assert said.exit_code == 0, said.output
    assert said.output.startswith(f"Usage: kubus {verb}")


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (["frobnicate"], "No such command 'frobnicate'", 2),
        (["agent", "run", "--config", "/nonexistent.json"], "cannot read the config file /nonexistent.json", 1),
        (["get", "pods", "--kubeconfig", "/nonexistent"], "cannot read the kubeconfig /nonexistent", 1),
        (["create"], "say what", 2),
        (["master", "status", "--config", __file__], "config file", 1),
        (["backup", "x", "--config", "/nonexistent"], "cannot read the config file /nonexistent", 1),
        (["agent", "join", "https://m:1", "--token", "a", "--ca-hash", "b"], "a join token looks like", 1),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], words: str, code: int, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    said = "".join(capfd.readouterr())
    assert words in said
    assert "Traceback" not in said
    assert end.value.code == code


@pytest.mark.parametrize(("arguments", "words"), [
    (["--ttl", "5x"], "is no duration"), (["--ttl", "99999999999d"], "too long for a token"),
    (["--node", "Bad Name"], "no node can be called 'Bad Name'"),
])
def test_a_token_nobody_could_use_is_not_made(arguments: list[str], words: str, tmp_path: Path,
                                              capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps({
        "current-context": "k", "clusters": [{"name": "k", "cluster": {"server": "https://127.0.0.1:1"}}],
        "contexts": [{"name": "k", "context": {"cluster": "k", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "x"}}]}))
    with pytest.raises(SystemExit) as end:
        main(["token", "create", "--kubeconfig", str(file), *arguments])
    assert words in "".join(capfd.readouterr())
    assert end.value.code == 1


def test_a_machine_without_a_masters_files_is_told_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "master.json").write_text(json.dumps(
        {"name": "m1", "address": "127.0.0.1", "members": [{"name": "m1", "address": "127.0.0.1"}]}))
    here = ["--etc", str(tmp_path), "--state", str(tmp_path)]
    for words, said in ((["status"], "this machine is no master yet"), (["configure"], "is missing")):
        with pytest.raises(SystemExit) as end:
            main(["master", *words, *here])
        assert said in "".join(capfd.readouterr())
        assert end.value.code == 1
    with pytest.raises(SystemExit):
        main(["backup", str(tmp_path / "nowhere" / "x"), *here])
    assert "nowhere" in (told := "".join(capfd.readouterr()))
    assert "Traceback" not in told


def test_no_kubeconfig_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                       capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("KUBECONFIG", "KUBUS_KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBUS_STATE", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SystemExit):
        main(["get", "pods"])
    assert "`kubus up` starts a cluster here" in "".join(capfd.readouterr())
