"""The house rules that a linter does not know: sizes, docstrings, names, one importer per seam."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parent.parent
ROOMS = ("schemas", "runtime", "master", "agents", "cli")
FILES = sorted(p for room in (*ROOMS, "benchmarks", "tests") for p in (ROOT / room).rglob("*.py"))
PRODUCT = [p for p in FILES if p.relative_to(ROOT).parts[0] in ROOMS]
MOST_LINES, MOST_FUNCTION_LINES = 400, 40
BANNED = {"util", "utils", "helper", "helpers", "common", "misc", "data", "info"}
SEAMS = {
    "pyroute2": "agents/network/kernel.py",
    "aetcd": "master/store/", "grpc": "master/store/", "nats": "runtime/bus", "docker": "agents/containers/",
    "aiohttp": ("runtime/http.py", "master/api/http"), "paramiko": "master/provision/ssh.py",
    "ansible_runner": "master/provision/playbook.py",
}


def test_the_house_is_not_empty() -> None:
    assert len(PRODUCT) > 50


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_sizes_docstrings_and_seams(path: Path) -> None:
    text, where = path.read_text(), str(path.relative_to(ROOT))
    tree = ast.parse(text)
    problems = []
    if text.count("\n") > MOST_LINES:
        problems.append(f"{text.count(chr(10))} lines, most is {MOST_LINES}")
    if path in PRODUCT and text.strip() and ast.get_docstring(tree) is None:
        problems.append("no module docstring")
    if path in PRODUCT and path.stem in BANNED:
        problems.append("a banned name")
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > MOST_FUNCTION_LINES and path in PRODUCT:
                    problems.append(f"{node.name} has {length} lines, most is {MOST_FUNCTION_LINES}")
            case ast.Import(names=names) if path in PRODUCT:
                problems += [_trespass(alias.name, where) for alias in names]
            case ast.ImportFrom(module=str(module), level=0) if path in PRODUCT:
                problems.append(_trespass(module, where))
    assert [p for p in problems if p] == []


def _trespass(module: str, where: str) -> str:
    allowed = SEAMS.get(module.split(".", maxsplit=1)[0])
    return f"imports {module}, which only {allowed} may" if allowed and not where.startswith(allowed) else ""
