"""A backup's file that a disk or a cable damaged is refused in words, wherever the damage is."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from master.install.archive import BadArchive, Manifest, pack, sums, unpack

PARTS = {"master.json": b"{}", "etcd.db": bytes(range(256)) * 64, "pki/ca.key": b"key"}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("archive")
    for name, content in PARTS.items():
        (folder / "parts" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "parts" / name).write_bytes(content)
    manifest = Manifest(id="1", cluster="kubus", made="now", kubus="1", etcd="3", revision=1,
                        sums=sums(folder / "parts"))
    pack(folder / "parts", manifest, folder / "backup.tgz")
    return (folder / "backup.tgz").read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), short=st.booleans())
def test_damage_is_named_or_does_not_matter(
        good: bytes, tmp_path_factory: pytest.TempPathFactory, place: float, byte: int, short: bool) -> None:
    at, folder = int(place * len(good)), tmp_path_factory.mktemp("damaged")
    (folder / "file").write_bytes(good[:at] if short else good[:at] + bytes([byte]) + good[at + 1 :])
    try:
        unpack(folder / "file", folder / "out")
    except BadArchive:
        return
    assert {name: (folder / "out" / name).read_bytes() for name in PARTS} == PARTS
