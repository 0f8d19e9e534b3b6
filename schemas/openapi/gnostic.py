"""A swagger 2.0 document as gnostic's protobuf message `openapi.v2.Document`.

Reads a document as `v2_document` builds it and writes bytes; refuses nothing, and drops members that the tables below
do not name (we emit none). Field numbers: OpenAPIv2.proto of google/gnostic-models. Extensions (`x-…`) travel as YAML
text; JSON is YAML.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ..protobuf.wire import put_bytes, put_text, put_varint

Json = dict[str, Any]
Writer = Callable[[int, Any], bytes]


def document(swagger: Json) -> bytes:
    """The whole document."""
    return _fields(swagger, _DOCUMENT)


def _fields(value: Json, numbers: dict[str, tuple[int, Writer]]) -> bytes:
    return b"".join(write(number, value[name]) for name, (number, write) in numbers.items() if name in value)


def _texts(number: int, values: list[str]) -> bytes:
    return b"".join(put_text(number, value) for value in values)


def _flag(number: int, value: bool) -> bytes:
    return put_varint(number, int(value))


def _extensions(number: int, value: Json) -> bytes:
    """NamedAny {name=1, value=2: Any {yaml=2}} for every `x-` member."""
    return b"".join(
        put_bytes(number, put_text(1, name) + put_bytes(2, put_text(2, msgspec.json.encode(member).decode() + "\n")))
        for name, member in value.items() if name.startswith("x-"))


def _named(number: int, values: Json, inner: Callable[[Any], bytes]) -> bytes:
    """Repeated {name=1, value=2}."""
    return b"".join(put_bytes(number, put_text(1, name) + put_bytes(2, inner(value))) for name, value in values.items())


def _info(number: int, value: Json) -> bytes:
    return put_bytes(number, _fields(value, {"title": (1, put_text), "version": (2, put_text)}))


def _paths(number: int, value: Json) -> bytes:
    return put_bytes(number, _named(2, value, lambda item: _fields(item, _PATH_ITEM)))


def _operation(number: int, value: Json) -> bytes:
    return put_bytes(number, _fields(value, _OPERATION) + _extensions(13, value))


def _parameters(number: int, values: list[Json]) -> bytes:
    return b"".join(put_bytes(number, put_bytes(1, _parameter(value))) for value in values)


def _parameter(value: Json) -> bytes:
    """Parameter {body=1, other=2 {query=3, path=4}}."""
    if value["in"] == "body":
        return put_bytes(1, _fields(value, _BODY))
    number, numbers = (3, _QUERY) if value["in"] == "query" else (4, _PATH)
    return put_bytes(2, put_bytes(number, _fields(value, numbers)))


def _responses(number: int, value: Json) -> bytes:
    """Responses {code=1: {name, ResponseValue {response=1}}}."""
    return put_bytes(number, _named(1, value, lambda answer: put_bytes(1, _fields(answer, _RESPONSE))))


def _answer_schema(number: int, value: Json) -> bytes:
    """SchemaItem {schema=1}."""
    return put_bytes(number, put_bytes(1, _schema_body(value)))


def _schema(number: int, value: Json) -> bytes:
    return put_bytes(number, _schema_body(value))


def _schema_body(value: Json) -> bytes:
    return _fields(value, _SCHEMA) + _extensions(31, value)


def _schemas(number: int, values: Json) -> bytes:
    """Definitions and Properties: {additional_properties=1: NamedSchema}."""
    return put_bytes(number, _named(1, values, _schema_body))


def _type(number: int, value: str) -> bytes:
    return put_bytes(number, put_text(1, value))


def _wrapped_schema(number: int, value: Json) -> bytes:
    """ItemsItem and AdditionalPropertiesItem: {schema=1}."""
    return put_bytes(number, put_bytes(1, _schema_body(value)))


_SCHEMA: dict[str, tuple[int, Writer]] = {
    "$ref": (1, put_text), "format": (2, put_text), "description": (4, put_text), "required": (19, _texts),
    "additionalProperties": (21, _wrapped_schema), "type": (22, _type), "items": (23, _wrapped_schema),
    "properties": (25, _schemas),
}
_BODY: dict[str, tuple[int, Writer]] = {
    "description": (1, put_text), "name": (2, put_text), "in": (3, put_text), "required": (4, _flag),
    "schema": (5, _schema),
}
_QUERY: dict[str, tuple[int, Writer]] = {
    "required": (1, _flag), "in": (2, put_text), "description": (3, put_text), "name": (4, put_text),
    "type": (6, put_text), "uniqueItems": (20, _flag),
}
_PATH: dict[str, tuple[int, Writer]] = {
    "required": (1, _flag), "in": (2, put_text), "description": (3, put_text), "name": (4, put_text),
    "type": (5, put_text), "uniqueItems": (19, _flag),
}
_RESPONSE: dict[str, tuple[int, Writer]] = {"description": (1, put_text), "schema": (2, _answer_schema)}
_OPERATION: dict[str, tuple[int, Writer]] = {
    "description": (3, put_text), "operationId": (5, put_text), "produces": (6, _texts), "consumes": (7, _texts),
    "parameters": (8, _parameters), "responses": (9, _responses),
}
_PATH_ITEM: dict[str, tuple[int, Writer]] = {
    "get": (2, _operation), "put": (3, _operation), "post": (4, _operation), "delete": (5, _operation),
    "patch": (8, _operation), "parameters": (9, _parameters),
}
_DOCUMENT: dict[str, tuple[int, Writer]] = {
    "swagger": (1, put_text), "info": (2, _info), "paths": (8, _paths), "definitions": (9, _schemas),
}
