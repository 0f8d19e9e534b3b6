"""The command line itself: every verb can be imported and explains itself; mistakes are one line, never a traceback."""

from __future__ import annotations

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
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], words: str, code: int, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    said = "".join(capfd.readouterr())
    assert words in said
    assert "Traceback" not in said
    assert end.value.code == code


def test_no_kubeconfig_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                       capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("KUBECONFIG", "KUBUS_KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBUS_STATE", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SystemExit):
        main(["get", "pods"])
    assert "`kubus up` starts a cluster here" in "".join(capfd.readouterr())
