"""Questions asked to a running container and hooks around its life. Acted on by the kubelet."""

from __future__ import annotations

from ..meta.object import Wire


class ExecAction(Wire, frozen=True, kw_only=True):
    """A command run in the container; exit code 0 is success."""

    command: tuple[str, ...] = ()


class HTTPHeader(Wire, frozen=True, kw_only=True):
    """One request header of a probe or hook."""

    name: str = ""
    value: str = ""


class HTTPGetAction(Wire, frozen=True, kw_only=True):
    """An HTTP GET to the pod; 200..399 is success."""

    path: str = ""
    port: int | str | None = None
    host: str = ""
    scheme: str = ""
    http_headers: tuple[HTTPHeader, ...] = ()
    protocol: str = ""


class TCPSocketAction(Wire, frozen=True, kw_only=True):
    """Opening a TCP connection is success."""

    port: int | str | None = None
    host: str = ""


class GRPCAction(Wire, frozen=True, kw_only=True):
    """The gRPC health check of `service`."""

    port: int | None = None
    service: str = ""
    mode: str = ""


class SleepAction(Wire, frozen=True, kw_only=True):
    """Wait that many seconds."""

    seconds: int | None = None


class Probe(Wire, frozen=True, kw_only=True):
    """What to ask, how often, and how many answers in a row count. Times in seconds."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    grpc: GRPCAction | None = None
    initial_delay_seconds: int | None = None
    timeout_seconds: int | None = None
    period_seconds: int | None = None
    success_threshold: int | None = None
    failure_threshold: int | None = None
    termination_grace_period_seconds: int | None = None


class LifecycleHandler(Wire, frozen=True, kw_only=True):
    """What a hook does."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    sleep: SleepAction | None = None


class Lifecycle(Wire, frozen=True, kw_only=True):
    """Hooks after start and before stop, and the signal that stops."""

    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None
    stop_signal: str = ""
