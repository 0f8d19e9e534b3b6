"""Virtual machines for the tests of this folder; see tests/lab/README.md. Not part of `make test`: `make test-vm`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.lab import Lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """An open laboratory of the number KUBUS_LAB; everything in it is gone afterwards."""
    assert os.geteuid() == 0, "virtual machines on a bridge of ours need root"
    with Lab() as made:
        yield made
