"""Where the roles and the lock files lie: beside the source in a checkout, under the virtual environment after pip.

Reads the file system only; refuses to guess: a folder without `site.yml` is not the roles.
"""

from __future__ import annotations

import sys
from pathlib import Path

from schemas.errors import KubusError

SHARE = "share/kubus"
"""Below the virtual environment; setup.py puts the files there."""


class RolesMissing(KubusError):
    """This installation came without its Ansible roles."""


def source_tree() -> Path | None:
    """The checkout this module runs from, if it is one."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() and (root / "ansible" / "site.yml").is_file() else None


def ansible_folder() -> Path:
    """The folder with `site.yml`, `roles/` and `ansible.cfg`. Raises RolesMissing."""
    candidates = [root / "ansible" for root in (source_tree(), Path(sys.prefix) / SHARE) if root]
    for folder in candidates:
        if (folder / "site.yml").is_file():
            return folder
    tried = ", ".join(map(str, candidates))
    raise RolesMissing(f"no Ansible roles in {tried}: install kubus again from its wheel, or run it from a checkout")
