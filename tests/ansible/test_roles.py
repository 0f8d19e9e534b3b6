"""What the roles promise to people: every variable is documented, every wait has an end, no collection is needed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.unit

ANSIBLE = Path(__file__).resolve().parents[2] / "ansible"
ROLES = sorted(path.name for path in (ANSIBLE / "roles").iterdir())
VARIABLE = re.compile(r"\bkubus_[a-z_]+\b")
OWN = {path.stem for path in (ANSIBLE / "library").glob("*.py")} | {"kubus_bundle"}
DEFAULTS: dict[str, Any] = yaml.safe_load((ANSIBLE / "roles/kubus/defaults/main.yml").read_text())
KEYWORDS = {"name", "when", "register", "vars", "loop", "block", "rescue", "delegate_to", "run_once", "changed_when",
            "failed_when", "no_log", "become", "until", "retries", "delay", "environment", "throttle", "check_mode"}


def tasks_of(value: Any) -> Iterator[dict[str, Any]]:
    for item in value or ():
        if isinstance(item, dict):
            yield item
            for part in ("block", "rescue", "tasks"):
                yield from tasks_of(item.get(part))


def task_files() -> list[Path]:
    return sorted((ANSIBLE / "roles").glob("*/tasks/*.yml")) + sorted(ANSIBLE.glob("*.yml"))


def specs(role: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ANSIBLE / "roles" / role / "meta/argument_specs.yml").read_text())
    options: dict[str, Any] = found["argument_specs"]["main"]["options"]
    return options


@pytest.mark.parametrize("role", ROLES)
def test_each_role_documents_exactly_the_variables_it_reads(role: str) -> None:
    files = [path for part in ("tasks", "vars") for path in (ANSIBLE / "roles" / role / part).glob("*.yml")]
    text = "".join(path.read_text() for path in files)
    wanted = set(DEFAULTS) if role == "kubus" else set(VARIABLE.findall(text)) - OWN
    assert set(specs(role)) == wanted
    for name, option in specs(role).items():
        assert option == specs("kubus")[name]
        assert option["description"]


def test_the_example_inventory_names_only_variables_that_exist() -> None:
    text = (ANSIBLE / "inventory.example.yml").read_text()
    assert set(VARIABLE.findall(text)) <= set(DEFAULTS)
    assert {"masters", "workers"} == set(yaml.safe_load(text)["all"]["children"])


@pytest.mark.parametrize("path", task_files(), ids=lambda p: str(p.relative_to(ANSIBLE)))
def test_only_builtin_modules_and_our_own(path: Path) -> None:
    for task in tasks_of(yaml.safe_load(path.read_text())):
        for key in task.keys() - KEYWORDS:
            assert key.startswith("ansible.builtin.") or key in OWN or "hosts" in task, f"{key} in {task['name']}"


@pytest.mark.parametrize("path", task_files(), ids=lambda p: str(p.relative_to(ANSIBLE)))
def test_every_wait_has_an_end_and_says_what_it_waits_for(path: Path) -> None:
    for task in tasks_of(yaml.safe_load(path.read_text())):
        waits = "ansible.builtin.wait_for" in task or "Wait" in str(task.get("name"))
        if waits:
            assert task["name"].startswith("Wait until")
            assert "kubus_wait" in str(task) or "kubus_drain_wait" in str(task)


def test_secrets_are_not_shown() -> None:
    for path in task_files():
        for task in tasks_of(yaml.safe_load(path.read_text())):
            own = {key: value for key, value in task.items() if key not in ("block", "rescue", "tasks")}
            if re.search(r"token create|kubus_token or|certs_secrets|/etc/kubus/kubeconfig\b.*src", str(own)):
                assert task.get("no_log") is True, task["name"]


def test_a_token_is_on_no_command_line() -> None:
    for task in tasks_of(yaml.safe_load((ANSIBLE / "roles/agent/tasks/join.yml").read_text())):
        for words in (task.get("ansible.builtin.command", {}).get("argv"), task.get("vars", {}).get("agent_words")):
            assert ".token" not in str(words)
            assert "kubus_token" not in str(words)


def test_site_can_be_read_aloud() -> None:
    assert len((ANSIBLE / "site.yml").read_text().splitlines()) <= 40


def test_the_condition_of_a_block_is_made_false_by_its_last_task_at_the_earliest() -> None:
    """Ansible asks it again for every task: what followed would be left out."""
    tasks = tasks_of(yaml.safe_load((ANSIBLE / "roles/python/tasks/main.yml").read_text()))
    (block,) = (task for task in tasks if "python_here" in str(task.get("when")))
    (setting,) = (place for place, task in enumerate(block["block"]) if "ansible.builtin.set_fact" in task)
    assert setting == len(block["block"]) - 1
