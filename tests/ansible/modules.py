"""Our Ansible modules as Python modules, so that what they decide can be asked without a machine."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ANSIBLE = Path(__file__).resolve().parents[2] / "ansible"


def module(name: str) -> ModuleType:
    """`kubus_reset` -> ansible/library/kubus_reset.py, with our module_utils where Ansible would put them."""
    for path in (ANSIBLE / "module_utils").glob("*.py"):
        _load(path, f"ansible.module_utils.{path.stem}")
    return _load(ANSIBLE / "library" / f"{name}.py", name)


def _load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made
