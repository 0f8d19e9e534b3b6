"""Probes and lifecycle hooks: defaults and validation. Numbers: pkg/apis/core/v1/defaults.go of Kubernetes."""

from __future__ import annotations

import re
from typing import Any

from msgspec.structs import replace

from schemas.core.probe import GRPCAction, HTTPGetAction, Lifecycle, LifecycleHandler, Probe
from schemas.meta import names

from .causes import Found, each, forbidden, invalid, not_negative, one_of, required

_HEADER = re.compile("[-A-Za-z0-9]+")
_HANDLERS = (("exec", "exec"), ("http_get", "httpGet"), ("tcp_socket", "tcpSocket"), ("grpc", "grpc"),
             ("sleep", "sleep"))
_SECONDS = (("initial_delay_seconds", "initialDelaySeconds"), ("timeout_seconds", "timeoutSeconds"),
            ("period_seconds", "periodSeconds"), ("success_threshold", "successThreshold"),
            ("failure_threshold", "failureThreshold"))


def probe_defaults(probe: Probe | None) -> Probe | None:
    """Timeout 1 s, every 10 s, one success, three failures."""
    if probe is None:
        return None
    return replace(
        probe, timeout_seconds=probe.timeout_seconds or 1, period_seconds=probe.period_seconds or 10,
        success_threshold=probe.success_threshold or 1, failure_threshold=probe.failure_threshold or 3,
        http_get=_http_defaults(probe.http_get))


def lifecycle_defaults(lifecycle: Lifecycle | None) -> Lifecycle | None:
    """Hooks by HTTP get a path and a scheme."""
    if lifecycle is None:
        return None
    return replace(lifecycle, post_start=_hook_defaults(lifecycle.post_start),
                   pre_stop=_hook_defaults(lifecycle.pre_stop))


def _hook_defaults(hook: LifecycleHandler | None) -> LifecycleHandler | None:
    return None if hook is None else replace(hook, http_get=_http_defaults(hook.http_get))


def _http_defaults(get: HTTPGetAction | None) -> HTTPGetAction | None:
    return None if get is None else replace(get, path=get.path or "/", scheme=get.scheme or "HTTP")


def probe(found: Probe | None, at: str, *, only_one_success: bool) -> Found:
    """One handler, no negative numbers; liveness and startup succeed at once."""
    if found is None:
        return
    yield from _handler(found, at)
    for attribute, name in _SECONDS:
        yield from not_negative(f"{at}.{name}", getattr(found, attribute))
    if only_one_success and found.success_threshold not in (None, 1):
        yield invalid(f"{at}.successThreshold", found.success_threshold, "must be 1")
    grace = found.termination_grace_period_seconds
    if grace is not None and grace <= 0:
        yield invalid(f"{at}.terminationGracePeriodSeconds", grace, "must be greater than 0")
    if grace is not None and at.endswith(".readinessProbe"):
        yield invalid(f"{at}.terminationGracePeriodSeconds", grace, "must not be set for readinessProbes")


def lifecycle(found: Lifecycle | None, at: str) -> Found:
    """Each hook has one handler."""
    if found is None:
        return
    if found.post_start is not None:
        yield from _handler(found.post_start, f"{at}.postStart")
    if found.pre_stop is not None:
        yield from _handler(found.pre_stop, f"{at}.preStop")


def _handler(owner: Any, at: str) -> Found:
    chosen = [(name, getattr(owner, attribute)) for attribute, name in _HANDLERS
              if getattr(owner, attribute, None) is not None]
    if not chosen:
        yield required(at, "must specify a handler type")
    for name, _ in chosen[1:]:
        yield forbidden(f"{at}.{name}", "may not specify more than 1 handler type")
    for name, action in chosen[:1]:
        yield from _action(name, action, f"{at}.{name}")


def _action(name: str, action: Any, at: str) -> Found:
    match name:
        case "exec" if not action.command:
            yield required(f"{at}.command")
        case "httpGet":
            if not action.path:
                yield required(f"{at}.path")
            yield from _port(action.port, f"{at}.port")
            yield from one_of(f"{at}.scheme", action.scheme, ("HTTP", "HTTPS"))
            for i, header in enumerate(action.http_headers):
                if not _HEADER.fullmatch(header.name):
                    yield invalid(f"{at}.httpHeaders[{i}].name", header.name,
                                  "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. "
                                  "'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')")
        case "tcpSocket":
            yield from _port(action.port, f"{at}.port")
        case "grpc":
            yield from _grpc(action, at)
        case "sleep" if action.seconds is None or action.seconds < 0:
            yield invalid(at, action.seconds or 0, "must be greater than or equal to 0")


def _grpc(action: GRPCAction, at: str) -> Found:
    yield from each(f"{at}.port", action.port or 0, names.port_number(action.port or 0))


def _port(port: int | str | None, at: str) -> Found:
    if isinstance(port, str) and port:
        yield from each(at, port, names.port_name(port))
    else:
        yield from each(at, port or 0, names.port_number(int(port or 0)))
