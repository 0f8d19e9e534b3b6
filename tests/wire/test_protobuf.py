"""Protobuf bodies: what a real kubectl sent (1.33, protobuf) against what it sent as JSON (1.31), and round trips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import without_nulls
from schemas.errors import BadRequest
from schemas.protobuf import decode, encode
from schemas.protobuf.table import Field, table
from schemas.scheme import KINDS

pytestmark = pytest.mark.unit

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.pb"))
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=5), "bytes": st.sampled_from(["", "dw==", "AAEC"]), "bool": st.booleans(),
    "int32": st.integers(-(1 << 31), (1 << 31) - 1), "int64": st.integers(-(1 << 63), (1 << 63) - 1),
    "double": st.floats(allow_nan=False), "Quantity": st.sampled_from(["1", "100m", "1Gi"]),
    "IntOrString": st.integers(-5, 99999) | st.text(max_size=4),
    "Time": st.sampled_from(["2024-02-29T23:59:59Z", "1970-01-01T00:00:00Z", "0999-01-01T00:00:00Z"]),
    "MicroTime": st.sampled_from(["2024-02-29T23:59:59.000001Z", "1969-12-31T23:59:59.999999Z"]),
    "FieldsV1": st.just({"f:spec": {"f:replicas": {}}}), "Strings": st.lists(st.text(max_size=3), max_size=2),
}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_a_real_body_decodes_to_the_json_of_the_same_client(path: Path) -> None:
    assert decode(path.read_bytes()) == without_nulls(json.loads(path.with_suffix(".json").read_bytes()))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_what_we_encode_we_decode(path: Path) -> None:
    value = decode(path.read_bytes())
    assert decode(encode(value)) == value


def test_bytes_by_hand() -> None:
    body = encode({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}})
    assert body == b"k8s\x00\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12\x05\x0a\x03\x0a\x01a\x1a\x00\x22\x00"


def test_a_pointer_keeps_its_zero_and_a_plain_scalar_does_not() -> None:
    raw = {"apiVersion": "apps/v1", "kind": "Deployment",
           "spec": {"replicas": 0, "paused": False, "minReadySeconds": 0, "revisionHistoryLimit": 0}}
    assert decode(encode(raw))["spec"] == {"replicas": 0, "revisionHistoryLimit": 0}


def test_inlined_messages_stand_beside_their_siblings() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {
        "volumes": [{"name": "v", "emptyDir": {}}],
        "containers": [{"name": "c", "livenessProbe": {"httpGet": {"port": "web"}, "periodSeconds": 3},
                        "env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}],
        "ephemeralContainers": [{"name": "e", "targetContainerName": "c"}]}}
    result = decode(encode(pod))["spec"]
    assert result["volumes"] == [{"name": "v", "emptyDir": {}}]
    assert result["containers"] == pod["spec"]["containers"]  # type: ignore[index]
    assert result["ephemeralContainers"] == [{"name": "e", "targetContainerName": "c"}]


@pytest.mark.parametrize("body", [
    b"", b"{}", b"k8s", b"k8s\0", b"k8s\0\xff", b"k8s\0\x0a\x7f", b"k8s\0\x12\x00",
    b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Nix\x12\x00",
    b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x02\x0a\x7f",
    b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x04\x0a\x02\x0a\x7f",
    b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x05\x0a\x03\x0a\x01\xff",
    b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x02\x08\x01",
    b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x02\x0b\x01",
    b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x1a\x04gzip",
], ids=range(14))
def test_what_is_no_body_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        decode(body)


@settings(max_examples=200)
@given(st.sampled_from(GOLDEN), st.data())
def test_a_cut_or_bent_body_is_a_value_or_a_bad_request(path: Path, data: st.DataObject) -> None:
    body = bytearray(path.read_bytes())
    at = data.draw(st.integers(4, len(body) - 1))
    body[at] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(body[: data.draw(st.integers(at, len(body)))]))
    except BadRequest:
        return


def test_every_kind_and_its_list_has_a_row() -> None:
    wanted = {f"{k.api_version}/{name}" for k in KINDS for name in (k.kind, k.list_kind)}
    assert wanted - table().roots.keys() == set()


def _message(draw: st.DrawFn, message: str, depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    rows = list(table().messages[message].values())
    chosen = draw(st.lists(st.sampled_from(rows), max_size=4, unique=True)) if rows else []
    for row in chosen:
        if row.mode == "i":
            value.update(_message(draw, row.kind, depth))
        elif row.kind in SCALARS or depth > 0:
            _member(draw, row, value, depth)
    return value


def _member(draw: st.DrawFn, row: Field, value: dict[str, Any], depth: int) -> None:
    def item() -> Any:
        return draw(SCALARS[row.kind]) if row.kind in SCALARS else _message(draw, row.kind, depth - 1)

    if row.mode == "m":
        value[row.name] = {draw(st.text(max_size=3)): item()}
    elif row.mode == "r":
        value[row.name] = [item() for _ in range(draw(st.integers(1, 2)))]
    else:
        single = item()
        if row.mode != "o" or single not in (0, "") or isinstance(single, dict):
            value[row.name] = single


@st.composite
def objects(draw: st.DrawFn) -> dict[str, Any]:
    key = draw(st.sampled_from(sorted(table().roots)))
    version, _, kind = key.rpartition("/")
    value = _message(draw, table().roots[key], 4)
    return {**value, "apiVersion": version, "kind": kind}


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(objects())
def test_any_object_survives_the_round_trip(value: dict[str, Any]) -> None:
    assert decode(encode(value)) == value
