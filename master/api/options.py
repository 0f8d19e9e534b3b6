"""Query parameters of list, watch, create, update, patch and delete, checked as Kubernetes checks them. Pure.

Illegal combinations are 422 with a cause per field (apimachinery validation/ListOptions); bad numbers are 400.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import msgspec
from msgspec import Struct

from schemas.errors import BadRequest, Cause, Invalid
from schemas.meta.options import DeleteOptions

from .death import Options
from .negotiate import document
from .request import Request

MATCHES = ("Exact", "NotOlderThan")


class ListOptions(Struct, frozen=True, kw_only=True):
    """What a list or watch asks. `revision` None: not said."""

    labels: str = ""
    fields: str = ""
    limit: int = 0
    token: str = ""
    revision: int | None = None
    match: str = ""
    bookmarks: bool = False
    initial: bool | None = None
    timeout: float = 0.0


class Continue(Struct, frozen=True):
    """What a continue token holds: the revision being read and the last key sent."""

    v: str
    rv: int
    start: str


def list_options(request: Request, *, watching: bool) -> ListOptions:
    """Raises BadRequest and Invalid."""
    options = ListOptions(
        labels=request.param("labelSelector"), fields=request.param("fieldSelector"),
        limit=_number(request, "limit"), token=request.param("continue"),
        revision=_revision(request.param("resourceVersion")), match=request.param("resourceVersionMatch"),
        bookmarks=flag(request, "allowWatchBookmarks") or False, initial=flag(request, "sendInitialEvents"),
        timeout=_timeout(request))
    causes = _watch_causes(options) if watching else _list_causes(options)
    if causes:
        said = [f"{c.field}: {c.message}" for c in causes]
        sentence = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
        raise Invalid(f'ListOptions.meta.k8s.io "" is invalid: {sentence}', causes=tuple(causes),
                      details={"group": "meta.k8s.io", "kind": "ListOptions"})
    if options.token and options.revision:
        raise BadRequest("specifying resource version is not allowed when using continue")
    return options


def _list_causes(options: ListOptions) -> list[Cause]:
    causes = []
    if options.match:
        if options.token:
            causes.append(_forbidden("resourceVersionMatch is forbidden when continue is provided"))
        elif options.revision is None:
            causes.append(_forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided"))
        if options.match not in MATCHES:
            causes.append(_unsupported(options.match, MATCHES))
        if options.match == "Exact" and options.revision == 0:
            causes.append(_forbidden('resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
    if options.initial is not None:
        causes.append(Cause(reason="FieldValueForbidden", field="sendInitialEvents",
                            message="Forbidden: sendInitialEvents is forbidden for list"))
    return causes


def _watch_causes(options: ListOptions) -> list[Cause]:
    if options.initial is None:
        if options.match:
            return [_forbidden("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")]
        return []
    causes = []
    if options.match != "NotOlderThan":
        causes.append(_forbidden("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
    if options.match and options.match != "NotOlderThan":
        causes.append(_unsupported(options.match, ("NotOlderThan",)))
    return causes


def _forbidden(message: str) -> Cause:
    return Cause(reason="FieldValueForbidden", field="resourceVersionMatch", message=f"Forbidden: {message}")


def _unsupported(value: str, supported: tuple[str, ...]) -> Cause:
    listed = ", ".join(f'"{s}"' for s in supported)
    return Cause(reason="FieldValueNotSupported", field="resourceVersionMatch",
                 message=f'Unsupported value: "{value}": supported values: {listed}')


def flag(request: Request, name: str) -> bool | None:
    """A boolean parameter; None when absent. Raises BadRequest."""
    text = request.param(name)
    if name not in request.params:
        return None
    if text in {"true", "True", "1", "t", "T", "TRUE", ""}:
        return True
    if text in {"false", "False", "0", "f", "F", "FALSE"}:
        return False
    raise BadRequest(f'invalid value "{text}" for the query parameter {name}: a boolean is expected')


def _number(request: Request, name: str) -> int:
    text = request.param(name)
    if not text:
        return 0
    if not text.lstrip("-").isdecimal() or not text.isascii():
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax ({name})')
    return max(int(text), 0)


def _revision(text: str) -> int | None:
    if not text:
        return None
    if not (text.isdecimal() and text.isascii()):
        message = f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise BadRequest(f"resourceVersion: {message}",
                         causes=(Cause(field="resourceVersion", message=message),))
    return int(text)


def _timeout(request: Request) -> float:
    """Seconds, the shorter of `timeoutSeconds` and `timeout` (a Go duration such as 4s or 8m43s); 0 = none."""
    said = [float(t) for t in (_number(request, "timeoutSeconds"), duration(request.param("timeout"))) if t]
    return min(said, default=0.0)


_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_TERM = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", re.ASCII)


def duration(text: str) -> float:
    """Go duration text (`8m43s`) -> seconds. Raises BadRequest."""
    terms = _TERM.findall(text)
    if "".join(number + unit for number, unit in terms) != text and text.strip("0"):
        raise BadRequest(f'time: invalid duration "{text}"')
    return sum(float(number) * _UNITS[unit] for number, unit in terms)


def continue_token(revision: int, start: str) -> str:
    """An opaque token that goes on after key `start` at `revision`."""
    raw = msgspec.json.encode(Continue("meta.k8s.io/v1", revision, start))
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def parse_continue(token: str) -> Continue:
    """Raises BadRequest for anything that is not one of our tokens."""
    try:
        padded = token + "=" * (-len(token) % 4)
        found = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=Continue)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise BadRequest(f"continue key is not valid: {error}") from error
    if found.v != "meta.k8s.io/v1" or found.rv < 0:
        raise BadRequest("continue key is not valid: server does not recognize this encoded version")
    return found


def dry_run(request: Request, body: tuple[str, ...] = ()) -> bool:
    """Raises Invalid for anything but `All`."""
    said = [*request.params.get("dryRun", []), *body]
    for value in said:
        if value != "All":
            raise Invalid(f'invalid: dryRun: Unsupported value: "{value}": supported values: "All"', causes=(Cause(
                reason="FieldValueNotSupported", field="dryRun",
                message=f'Unsupported value: "{value}": supported values: "All"'),))
    return bool(said)


def delete_options(request: Request) -> Options:
    """From the body if there is one, else from the query. Raises BadRequest, Invalid, UnsupportedMediaType."""
    sent = DeleteOptions()
    if request.body.strip():
        value = document(request.body, request.header("content-type"))
        try:
            sent = msgspec.convert(_without_nulls(value), DeleteOptions)
        except msgspec.ValidationError as error:
            raise BadRequest(f"DeleteOptions: {error}") from error
        if sent.kind not in {"", "DeleteOptions"}:
            raise BadRequest(f"{sent.kind} cannot be handled as a DeleteOptions")
    return from_struct(sent, request)


def from_struct(sent: DeleteOptions, request: Request) -> Options:
    """DeleteOptions with what the query adds. Raises BadRequest, Invalid."""
    grace = sent.grace_period_seconds
    text = request.param("gracePeriodSeconds")
    if grace is None and text:
        if not text.lstrip("-").isdecimal():
            raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax (gracePeriodSeconds)')
        grace = int(text)
    orphan = sent.orphan_dependents
    wanted = sent.preconditions
    return Options(
        grace=grace, propagation=sent.propagation_policy or request.param("propagationPolicy"),
        orphan_dependents=flag(request, "orphanDependents") if orphan is None else orphan,
        uid=wanted.uid if wanted else "", resource_version=wanted.resource_version if wanted else "",
        dry_run=dry_run(request, sent.dry_run))


def _without_nulls(value: Any) -> Any:
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value
