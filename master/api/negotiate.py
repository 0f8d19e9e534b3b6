"""Which form the client wants back, and what it sent. Pure.

kubectl's Accept lists end in plain JSON, so whatever is not understood falls through to JSON; only an Accept that
offers nothing we can make is 406. A body without a Content-Type is JSON (kubectl 1.20 sends such).
Bodies: JSON, YAML, and the protobuf envelope that typed Go clients send without fallback.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec
import yaml
from msgspec import Struct

from schemas.errors import BadRequest, NotAcceptable, UnsupportedMediaType

from .request import JSON

YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
NO_JSON = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
"""What decoding bytes that are no JSON raises."""
_JSON_LIKE = frozenset({JSON, "application/*", "*/*", "text/json"})
_YAML_LIKE = frozenset({YAML, "text/yaml", "application/x-yaml"})


class Form(Struct, frozen=True):
    """How to answer: `as_` "" (the object), "Table", "PartialObjectMetadata" or its List; `version` of meta.k8s.io."""

    as_: str = ""
    version: str = "v1"
    yaml: bool = False

    @property
    def content_type(self) -> str:
        return YAML if self.yaml else JSON


PLAIN = Form()
_FORMS = frozenset({"Table", "PartialObjectMetadata", "PartialObjectMetadataList"})


@lru_cache(maxsize=256)
def form(accept: str) -> Form:
    """The first alternative we can make. Raises NotAcceptable when there is none."""
    if not accept:
        return PLAIN
    for alternative in accept.split(","):
        media, *params = (part.strip() for part in alternative.split(";"))
        found = _form(media.lower(), dict(p.split("=", 1) for p in params if "=" in p))
        if found is not None:
            return found
    raise NotAcceptable("only the following media types are accepted: application/json, application/yaml")


def _form(media: str, params: dict[str, str]) -> Form | None:
    if media in _JSON_LIKE or media in _YAML_LIKE:
        as_ = params.get("as", "")
        if as_ and (params.get("g") != "meta.k8s.io" or as_ not in _FORMS or params.get("v") not in {"v1", "v1beta1"}):
            return None
        return Form(as_, params.get("v", "v1"), media in _YAML_LIKE)
    return None


def media_type(content_type: str) -> str:
    """`application/json; charset=utf-8` -> `application/json`; nothing -> JSON."""
    return content_type.split(";", 1)[0].strip().lower() or JSON


def document(body: bytes, content_type: str) -> Any:
    """A request body as plain JSON values. Raises BadRequest on what does not parse, UnsupportedMediaType."""
    media = media_type(content_type)
    if media == PROTOBUF:
        from schemas.protobuf import decode as decode_protobuf

        return decode_protobuf(body)
    if media == JSON:
        return parse_json(body)
    if media in _YAML_LIKE or media == "application/apply-patch+yaml":
        return parse_yaml(body)
    raise UnsupportedMediaType(
        f"the body of the request was in an unknown format - accepted media types include: {JSON}, {YAML}, {PROTOBUF}")


def parse_json(body: bytes) -> Any:
    """Raises BadRequest with the place where it stops being JSON."""
    try:
        return msgspec.json.decode(body)
    except NO_JSON as error:
        raise BadRequest(f"couldn't get version/kind; json parse error: {error}") from error


def parse_yaml(body: bytes) -> Any:
    """JSON is YAML, and parses far faster as JSON; so that first. Raises BadRequest."""
    if body.lstrip()[:1] in {b"{", b"["}:
        try:
            return msgspec.json.decode(body)
        except NO_JSON:
            pass  # flow-style YAML also starts so
    try:
        return _plain(_yaml(body))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadRequest(f"error parsing YAML: {error}") from error


def _yaml(body: bytes) -> Any:
    """The document's value, after a look at its size: a few lines of aliases to aliases unfold to gigabytes.

    Raises ValueError for more values than the body has bytes, which only aliases can say, and for a value in itself.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(body)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > len(body):
            raise ValueError("its aliases unfold to more than the document itself")
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Values, aliases unfolded. `known`: id of a node -> its size, 0 while it is being counted."""
    found = known.get(id(node))
    if found == 0:
        raise ValueError("a value contains itself")
    if found is None:
        known[id(node)] = 0
        inside = node.value if isinstance(node, yaml.SequenceNode) else ()
        if isinstance(node, yaml.MappingNode):
            inside = [part for pair in node.value for part in pair]
        found = known[id(node)] = 1 + sum(_size(part, known) for part in inside)
    return found


def _plain(value: Any) -> Any:
    """YAML values as JSON would have them: text keys, times as text. Raises ValueError on what JSON cannot say."""
    match value:
        case dict():
            return {str(k): _plain(v) for k, v in value.items()}
        case list():
            return [_plain(v) for v in value]
        case None | bool() | int() | float() | str():
            return value
        case _ if hasattr(value, "isoformat"):
            return value.isoformat()
        case _:
            raise ValueError(f"a {type(value).__name__} is not JSON")


class _Doubled(dict[str, Any]):
    """A JSON object in which some member occurs twice."""

    names: tuple[str, ...] = ()


def doubled_fields(body: bytes) -> list[str]:
    """Paths of members that occur twice in one JSON object, anywhere in `body`."""
    some = False

    def seen(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal some
        made = dict(pairs)
        if len(made) == len(pairs):
            return made
        some, marked, names = True, _Doubled(made), [name for name, _ in pairs]
        marked.names = tuple(n for n in made if names.count(n) > 1)
        return marked

    document_ = json.loads(body, object_pairs_hook=seen)
    return list(_doubled(document_, "")) if some else []


def _doubled(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, _Doubled):
        yield from (f"{path}.{name}".lstrip(".") for name in value.names)
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _doubled(member, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _doubled(member, f"{path}[{index}]")


def render(document_: Any, shape: Form, *, pretty: bool = False) -> bytes:
    """A document as bytes in the wanted form."""
    if shape.yaml:
        return to_yaml(msgspec.to_builtins(document_))
    raw = msgspec.json.encode(document_)
    return indented(raw) if pretty else raw


def to_yaml(value: Any) -> bytes:
    """YAML text of plain values, keys in the order given."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(value, Dumper=dumper, sort_keys=False, default_flow_style=False)).encode()


def indented(raw: bytes) -> bytes:
    """`?pretty=true`."""
    return msgspec.json.format(raw, indent=2) + b"\n"
