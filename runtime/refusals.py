"""An answer that is not success, as the error it says. One place, for the bus, for HTTPS and for people's commands."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from schemas import codec
from schemas.errors import BY_REASON, ApiError, Cause

BY_CODE = {error.code: error for error in reversed(BY_REASON.values())}


class _Status(Struct):
    message: str = ""
    reason: str = ""
    details: dict[str, Any] = {}


def error_of(code: int, raw: bytes) -> ApiError:
    """The error that a Status body says; an unreadable body is shown as it is."""
    try:
        status = codec.decode(_Status, raw)
    except msgspec.MsgspecError:
        return BY_CODE.get(code, ApiError)(f"status {code}: {raw[:300].decode(errors='replace')}")
    details = dict(status.details)
    causes = tuple(msgspec.convert(cause, Cause) for cause in details.pop("causes", None) or ())
    error = BY_REASON.get(status.reason, BY_CODE.get(code, ApiError))
    return error(status.message, causes=causes, details=details, retry_after=details.get("retryAfterSeconds"))
