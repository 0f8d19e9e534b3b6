"""One master for all tests that only look at it from outside; each makes its own nodes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .master import Master


@pytest.fixture(scope="session")
def master() -> Iterator[Master]:
    folder = Path(tempfile.mkdtemp(prefix="kubus-join-"))
    try:
        with Master(folder) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)
