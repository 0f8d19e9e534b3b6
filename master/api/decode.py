"""A request body -> one object of the route's kind. Pure.

Structural errors are 400 with the JSON path; a body of another kind is 400; unknown and doubled fields are refused,
warned of, or ignored as `fieldValidation` asks (KEP-2885; the default is Warn, and Ignore for components on the bus,
which encode from the same types).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from schemas import codec
from schemas.errors import BadRequest, Cause
from schemas.kind import Kind

from .negotiate import NO_JSON, document, doubled_fields, media_type
from .request import JSON
from .server import Call
from .strict import unknown_fields

_PATH = re.compile(r" - at `(?:key in )?\$\.?(.*?)`$")
LEVELS = ("Ignore", "Warn", "Strict")


def sent_object(call: Call, type_: Any, *, api_version: str, kind: str) -> Any:
    """The body as `type_`. Raises BadRequest, UnsupportedMediaType."""
    body, content_type = call.request.body, call.request.header("content-type")
    if not body.strip():
        raise BadRequest(f"the body of the request is empty; a {kind} is expected")
    level = validation_level(call)
    plain = media_type(content_type) == JSON
    if plain and level == "Ignore":
        obj = _structured(type_, body, kind, api_version)
    else:
        value = document(body, content_type)
        if not isinstance(value, dict):
            raise BadRequest(f"json: cannot unmarshal into a {kind}: an object is expected")
        check_kind(value, api_version, kind)
        check_fields(call, type_, value, body if plain else b"", level)
        obj = from_document(type_, value, kind, api_version) if not plain else _structured(
            type_, body, kind, api_version)
    _check_said(obj.api_version, obj.kind, api_version, kind)
    return obj


def validation_level(call: Call) -> str:
    """Raises BadRequest for a level that does not exist."""
    level = call.request.param("fieldValidation")
    if not level:
        return "Ignore" if call.user.how == "bus" else "Warn"
    if level not in LEVELS:
        raise BadRequest(f'fieldValidation: Unsupported value: "{level}": '
                         'supported values: "", "Ignore", "Strict", "Warn"',
                         causes=(Cause(reason="FieldValueNotSupported", field="fieldValidation",
                                       message=f'Unsupported value: "{level}"'),))
    return level


def check_fields(call: Call, type_: Any, value: Any, body: bytes, level: str) -> None:
    """Unknown and doubled fields: raises BadRequest (Strict) or adds warnings (Warn)."""
    if level == "Ignore":
        return
    found = [f'unknown field "{path}"' for path in unknown_fields(type_, value)]
    if body:
        found += [f'duplicate field "{path}"' for path in doubled_fields(body)]
    if found and level == "Strict":
        raise BadRequest("strict decoding error: " + ", ".join(found))
    call.warnings.extend(found)


def check_kind(value: dict[str, Any], api_version: str, kind: str) -> None:
    """Raises BadRequest when the document says it is something else."""
    said_version, said_kind = value.get("apiVersion") or "", value.get("kind") or ""
    if isinstance(said_version, str) and isinstance(said_kind, str):
        _check_said(said_version, said_kind, api_version, kind)


def _check_said(said_version: str, said_kind: str, api_version: str, kind: str) -> None:
    if said_kind and said_kind != kind:
        raise BadRequest(f'{said_kind} in version "{said_version or api_version}" cannot be handled as a {kind}: '
                         f"converting ({said_kind}) to ({kind}): unknown conversion",
                         causes=(Cause(reason="FieldValueInvalid", field="kind", message=f'must be "{kind}"'),))
    if said_version and said_version != api_version:
        raise BadRequest(f"the API version in the data ({said_version}) does not match the expected API version "
                         f"({api_version})",
                         causes=(Cause(reason="FieldValueInvalid", field="apiVersion",
                                       message=f'must be "{api_version}"'),))


def from_document(type_: Any, value: Any, kind: str, api_version: str) -> Any:
    """Plain JSON values -> struct; null is absent. Raises BadRequest."""
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        if "null" not in str(error):
            raise _unfit(error, kind, api_version) from error
    try:
        return msgspec.convert(codec.without_nulls(value), type_)
    except msgspec.ValidationError as error:
        raise _unfit(error, kind, api_version) from error


def _structured(type_: Any, body: bytes, kind: str, api_version: str) -> Any:
    try:
        return codec.decode(type_, body)
    except msgspec.ValidationError as error:
        raise _unfit(error, kind, api_version) from error
    except NO_JSON as error:
        raise BadRequest(f"couldn't get version/kind; json parse error: {error}") from error


def _unfit(error: msgspec.ValidationError, kind: str, api_version: str) -> BadRequest:
    found = _PATH.search(str(error))
    what = str(error)[:found.start()] if found else str(error)
    path = (found[1] if found else "").replace("[...]", "[*]")
    where = f" of field {path}" if path else ""
    causes = (Cause(reason="FieldValueTypeInvalid", field=path, message=what),)
    return BadRequest(f'{kind} in version "{api_version.rpartition("/")[2]}" cannot be handled as a {kind}: '
                      f"json: cannot unmarshal{where}: {what}", causes=causes)


def of_kind(call: Call) -> Any:
    """The body as an object of the route's kind."""
    kind: Kind = call.kind
    return sent_object(call, kind.type, api_version=kind.api_version, kind=kind.kind)
