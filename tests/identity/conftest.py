"""One master for all tests that only look at it from outside; each makes its own nodes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from .master import Master
from .stage import Stage


@pytest.fixture(scope="session")
def master() -> Iterator[Master]:
    folder = Path(tempfile.mkdtemp(prefix="kubus-join-"))
    try:
        with Master(folder) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def stage(master: Master) -> AsyncIterator[Stage]:
    made = Stage(master)
    await made.open()
    yield made
    await made.close()
