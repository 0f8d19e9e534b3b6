"""Every error that crosses a room of the house, as one tree.

    KubusError
    ├── ApiError                 an answer of the API; carries the Kubernetes Status reason and HTTP code
    │   ├── BadRequest 400   Unauthorized 401   Forbidden 403   NotFound 404   MethodNotAllowed 405
    │   ├── NotAcceptable 406   AlreadyExists 409   Conflict 409   Expired 410   TooLarge 413
    │   ├── UnsupportedMediaType 415   Invalid 422   TooManyRequests 429
    │   └── InternalError 500   ServiceUnavailable 503   Timeout 504
    └── Unreachable              nobody answered (bus or network down); a retry can help

Reasons and codes: k8s.io/apimachinery/pkg/apis/meta/v1 StatusReason.
"""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import Struct


class Cause(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One `details.causes` entry: what is wrong with which field (`spec.containers[0].image`)."""

    reason: str = "FieldValueInvalid"
    message: str = ""
    field: str = ""


class KubusError(Exception):
    """Root. `retry` says whether the same call may succeed later without a change by the caller."""

    retry: ClassVar[bool] = False


class Unreachable(KubusError):
    """No answer: the other side is down or the connection is cut."""

    retry = True


class ApiError(KubusError):
    """An API answer that is not success. `details` is Status.details without causes (name, group, kind, uid, …)."""

    code: ClassVar[int] = 500
    reason: ClassVar[str] = "InternalError"

    def __init__(self, message: str, *, causes: tuple[Cause, ...] = (), details: dict[str, Any] | None = None,
                 retry_after: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.causes = causes
        self.details = details or {}
        self.retry_after = retry_after


class BadRequest(ApiError):
    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    code, reason = 401, "Unauthorized"


class Forbidden(ApiError):
    code, reason = 403, "Forbidden"


class NotFound(ApiError):
    code, reason = 404, "NotFound"


class MethodNotAllowed(ApiError):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(ApiError):
    code, reason = 406, "NotAcceptable"


class AlreadyExists(ApiError):
    code, reason = 409, "AlreadyExists"


class Conflict(ApiError):
    code, reason = 409, "Conflict"
    retry = True


class Expired(ApiError):
    """The asked resourceVersion is compacted away; list again."""

    code, reason = 410, "Expired"


class TooLarge(ApiError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(ApiError):
    code, reason = 422, "Invalid"


class TooManyRequests(ApiError):
    code, reason = 429, "TooManyRequests"
    retry = True


class InternalError(ApiError):
    code, reason = 500, "InternalError"
    retry = True


class ServiceUnavailable(ApiError):
    code, reason = 503, "ServiceUnavailable"
    retry = True


class Timeout(ApiError):
    code, reason = 504, "Timeout"
    retry = True


BY_REASON: dict[str, type[ApiError]] = {e.reason: e for e in ApiError.__subclasses__()}
