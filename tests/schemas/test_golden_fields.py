"""Our structs against Kubernetes' published OpenAPI, as the official client package carries it: every wire name and
rough type of every kind, down to the last nested struct, in both directions."""

from __future__ import annotations

import types
import typing
from datetime import datetime

import kubernetes.client as published
import msgspec
import pytest

from schemas.autoscaling.scale import Scale
from schemas.core.binding import Binding
from schemas.core.pod import PodTemplateSpec
from schemas.errors import Cause
from schemas.meta.labelselector import LabelSelector
from schemas.meta.object import ObjectMeta
from schemas.meta.options import DeleteOptions
from schemas.meta.quantity import Quantity
from schemas.meta.status import Status
from schemas.policy.eviction import Eviction
from schemas.scheme import KINDS

pytestmark = pytest.mark.unit

BODIES: tuple[type, ...] = (Binding, Scale, Eviction, DeleteOptions, Status, LabelSelector, PodTemplateSpec, ObjectMeta)
ROOTS = [kind.type for kind in KINDS] + list(BODIES)
RENAMED = {
    "Event": "CoreV1Event", "EventSeries": "CoreV1EventSeries", "ResourceClaim": "CoreV1ResourceClaim",
    "EndpointPort": "DiscoveryV1EndpointPort", "Cause": "V1StatusCause",
}
# The client package has no word for int-or-string, and writes quantities as text; bytes are base64 text on the wire.
LOOSE = {("str", "Quantity"), ("object", "int|str"), ("datetime", "str"), ("object", "Any"), ("bytes", "str")}


def model(struct: type) -> type:
    return typing.cast(type, getattr(published, RENAMED.get(struct.__name__, f"V1{struct.__name__}")))


def published_fields(struct: type) -> dict[str, str]:
    there = model(struct)
    return {there.attribute_map[name]: type_ for name, type_ in there.openapi_types.items()}  # type: ignore[attr-defined]


def our_type(annotation: typing.Any) -> str:
    if annotation in (Quantity, str | int | float):
        return "Quantity"
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        names = sorted({our_type(a) for a in args if a is not type(None)})
        return "|".join(names)
    if origin is tuple:
        return f"List[{our_type(args[0])}]"
    if origin is dict:
        return f"Dict[str, {our_type(args[1])}]"
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return model(annotation).__name__
    return "Any" if annotation is typing.Any else str(annotation.__name__)


def agrees(ours: str, theirs: str) -> bool:
    if ours == theirs or (theirs, ours) in LOOSE:
        return True
    if theirs == "object" and ours == "Dict[str, Any]":
        return True
    for shape in ("List[", "Dict[str, "):
        if ours.startswith(shape) and theirs.startswith(shape):
            return agrees(ours.removeprefix(shape)[:-1], theirs.removeprefix(shape)[:-1])
    return False


def structs_below(root: type, seen: set[type]) -> set[type]:
    if root in seen:
        return seen
    seen.add(root)
    for hint in typing.get_type_hints(root).values():
        stack = [hint]
        while stack:
            part = stack.pop()
            stack += typing.get_args(part)
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                structs_below(part, seen)
    return seen


ALL: set[type] = set()
for _root in ROOTS:
    structs_below(_root, ALL)


def test_the_walk_reaches_everything() -> None:
    assert len(ALL) > 200
    assert {"ContainerStateWaiting", "ISCSIVolumeSource", "WindowsSecurityContextOptions"} <= {s.__name__ for s in ALL}


@pytest.mark.parametrize("struct", sorted(ALL, key=lambda s: s.__name__), ids=lambda s: s.__name__)
def test_fields_are_exactly_the_published_ones(struct: type) -> None:
    theirs = published_fields(struct)
    fields = {f.encode_name: f for f in msgspec.structs.fields(struct)}
    assert sorted(fields) == sorted(theirs)
    hints = typing.get_type_hints(struct)
    wrong = {
        name: (our_type(hints[f.name]), theirs[name])
        for name, f in fields.items()
        if not agrees(our_type(hints[f.name]), theirs[name])
    }
    assert wrong == {}


@pytest.mark.parametrize("struct", sorted(ALL - {Cause}, key=lambda s: s.__name__), ids=lambda s: s.__name__)
def test_absent_is_the_default_everywhere(struct: type) -> None:
    """A default must mean absent: no number, no boolean, no non-empty value may hide in one (OwnerReference's four
    names are required in Kubernetes too)."""
    for f in msgspec.structs.fields(struct):
        if struct.__name__ == "OwnerReference" and f.required:
            continue
        default = f.default if f.default is not msgspec.NODEFAULT else f.default_factory()
        absent = default in (None, "", (), {}) or isinstance(default, msgspec.Struct)
        assert absent, f"{struct.__name__}.{f.name} = {default!r}"


@pytest.mark.parametrize("struct", sorted(ALL, key=lambda s: s.__name__), ids=lambda s: s.__name__)
def test_every_struct_is_frozen_and_lean(struct: type) -> None:
    config = struct.__struct_config__  # type: ignore[attr-defined]
    assert config.frozen
    assert config.omit_defaults


def test_moments_are_datetimes_and_micro_moments_text() -> None:
    micro = {
        (struct.__name__, f.encode_name)
        for struct in ALL
        for f in msgspec.structs.fields(struct)
        if published_fields(struct)[f.encode_name] == "datetime"
        and datetime not in typing.get_args(typing.get_type_hints(struct)[f.name])
    }
    assert micro == {("LeaseSpec", "acquireTime"), ("LeaseSpec", "renewTime"), ("Event", "eventTime"),
                     ("EventSeries", "lastObservedTime")}
