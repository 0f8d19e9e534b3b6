"""What pyproject.toml cannot say: a tree installed as it is: `share/kubus`, the roles and their lock files."""

from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
SHARE = Path("share/kubus")


def tree() -> list[tuple[str, list[str]]]:
    """One entry per folder, paths relative to this file, as setuptools wants them."""
    rows = {str(SHARE): sorted(path.name for path in ROOT.glob("requirements-*.lock"))}
    for path in sorted((ROOT / "ansible").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            rows.setdefault(str(SHARE / path.parent.relative_to(ROOT)), []).append(str(path.relative_to(ROOT)))
    return list(rows.items())


setup(data_files=tree())
