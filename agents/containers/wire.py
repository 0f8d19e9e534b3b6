"""Our words <-> Docker's JSON (Engine API 1.41). Pure.

Origins of names: docs.docker.com/engine/api/v1.41, ContainerCreate, ContainerInspect, SystemEvents, SystemInfo.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .containers import Bridge, Change, Engine, Found, Image, Network, Port, Spec, State

EVENTS = ("create", "start", "die", "oom", "destroy")
CPU_PERIOD_MICROSECONDS = 100_000
LOG_FILES, LOG_SIZE = "3", "10m"

_STATES: dict[str, State] = {
    "created": "created",
    "running": "running",
    "paused": "running",
    "restarting": "running",
    "removing": "exited",
    "exited": "exited",
    "dead": "exited",
}


def create(spec: Spec) -> dict[str, Any]:
    """Body of ContainerCreate. Absent keys keep the image's or the engine's default."""
    body: dict[str, Any] = {
        "Image": spec.image,
        "Labels": dict(spec.labels),
        "HostConfig": _host(spec),
    }
    optional: dict[str, Any] = {
        "Entrypoint": None if spec.entrypoint is None else list(spec.entrypoint),
        "Cmd": None if spec.arguments is None else list(spec.arguments),
        "Env": list(spec.env) or None,
        "WorkingDir": spec.directory or None,
        "User": spec.rights.user or None,
        "Hostname": spec.names.hostname or None,
        "Tty": spec.tty or None,
        "OpenStdin": spec.stdin or None,
        "StdinOnce": spec.stdin_once or None,
        "ExposedPorts": {_port(p): {} for p in spec.ports} or None,
    }
    return body | {k: v for k, v in optional.items() if v is not None} | _healthless()


def _healthless() -> dict[str, Any]:
    """The image's own HEALTHCHECK never runs: in a pod, probes decide."""
    return {"Healthcheck": {"Test": ["NONE"]}}


def _host(spec: Spec) -> dict[str, Any]:
    limits, rights, names = spec.limits, spec.rights, spec.names
    optional: dict[str, Any] = {
        "NetworkMode": spec.network,
        "IpcMode": spec.ipc,
        "PidMode": spec.pid,
        "Binds": [_bind(m.source, m.target, m.read_only, m.propagation) for m in spec.mounts],
        "PortBindings": _bindings(spec.ports),
        "Memory": limits.memory,
        "MemorySwap": limits.memory,
        "CpuShares": limits.cpu_shares,
        "CpuQuota": limits.cpu_quota,
        "CpuPeriod": CPU_PERIOD_MICROSECONDS if limits.cpu_quota else 0,
        "OomScoreAdj": limits.oom_score,
        "Privileged": rights.privileged,
        "CapAdd": list(rights.add),
        "CapDrop": list(rights.drop),
        "GroupAdd": list(rights.groups),
        "ReadonlyRootfs": rights.read_only_root,
        "SecurityOpt": [*rights.options, *(("no-new-privileges",) if rights.no_new_privileges else ())],
        "Dns": list(names.servers),
        "DnsSearch": list(names.searches),
        "DnsOptions": list(names.options),
        "ExtraHosts": [f"{host}:{ip}" for host, ip in names.hosts],
        "Sysctls": dict(spec.sysctls),
    }
    return {k: v for k, v in optional.items() if v} | {"LogConfig": _logs(spec.logs)}


def _logs(wanted: bool) -> dict[str, Any]:
    if not wanted:
        return {"Type": "none"}
    return {"Type": "json-file", "Config": {"max-size": LOG_SIZE, "max-file": LOG_FILES}}


def _bind(source: str, target: str, read_only: bool, propagation: str) -> str:
    options = [option for option in ("ro" if read_only else "", propagation) if option]
    return ":".join((source, target, *([",".join(options)] if options else [])))


def _port(port: Port) -> str:
    return f"{port.container}/{port.protocol.lower()}"


def _bindings(ports: tuple[Port, ...]) -> dict[str, list[dict[str, str]]]:
    out: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        out.setdefault(_port(port), []).append({"HostIp": port.host_ip, "HostPort": str(port.host)})
    return out


def found(raw: Mapping[str, Any]) -> Found:
    """From ContainerInspect."""
    state, config = raw["State"], raw["Config"]
    return Found(
        id=raw["Id"],
        name=raw["Name"].lstrip("/"),
        image=config.get("Image") or "",
        image_id=raw.get("Image") or "",
        labels=config.get("Labels") or {},
        state=_STATES.get(state["Status"], "exited"),
        exit_code=state.get("ExitCode") or 0,
        oom_killed=bool(state.get("OOMKilled")),
        error=state.get("Error") or "",
        created_at=seconds(raw.get("Created") or ""),
        started_at=seconds(state.get("StartedAt") or ""),
        finished_at=seconds(state.get("FinishedAt") or ""),
        address=_address(raw.get("NetworkSettings") or {}),
        stop_signal=config.get("StopSignal") or "",
        log_path=raw.get("LogPath") or "",
    )


def _address(settings: Mapping[str, Any]) -> str:
    networks = settings.get("Networks") or {}
    return next((n["IPAddress"] for n in networks.values() if n.get("IPAddress")), "")


def listed(row: Mapping[str, Any]) -> Found:
    """From one row of ContainerList."""
    return Found(
        id=row["Id"],
        name=(row.get("Names") or ["/"])[0].lstrip("/"),
        image=row.get("Image") or "",
        image_id=row.get("ImageID") or "",
        labels=row.get("Labels") or {},
        state=_STATES.get(row["State"], "exited"),
        created_at=float(row.get("Created") or 0),
    )


def image(raw: Mapping[str, Any]) -> Image:
    """From ImageInspect."""
    config = raw.get("Config") or {}
    return Image(
        id=raw["Id"],
        tags=tuple(raw.get("RepoTags") or ()),
        digests=tuple(raw.get("RepoDigests") or ()),
        labels=config.get("Labels") or {},
        size=raw.get("Size") or 0,
        user=config.get("User") or "",
    )


def listed_image(row: Mapping[str, Any]) -> Image:
    """From one row of ImageList."""
    return Image(
        id=row["Id"],
        tags=tuple(t for t in row.get("RepoTags") or () if t != "<none>:<none>"),
        digests=tuple(d for d in row.get("RepoDigests") or () if d != "<none>@<none>"),
        labels=row.get("Labels") or {},
        size=row.get("Size") or 0,
    )


def change(event: Mapping[str, Any]) -> Change:
    """From one SystemEvents line."""
    actor = event.get("Actor") or {}
    return Change(
        "container",
        action=str(event.get("Action") or ""),
        id=str(actor.get("ID") or event.get("id") or ""),
        labels=actor.get("Attributes") or {},
        at=(event.get("timeNano") or 0) / 1e9,
    )


def network(bridge: Bridge) -> dict[str, Any]:
    """Arguments of the SDK's create_network. Options: docs.docker.com/engine/network/drivers/bridge."""
    prefix = "com.docker.network"
    options = {
        f"{prefix}.bridge.name": bridge.device,
        f"{prefix}.driver.mtu": str(bridge.mtu or ""),
        f"{prefix}.bridge.enable_ip_masquerade": "" if bridge.masquerade else "false",
        # Engine 27 and later drop what comes from outside to unpublished ports, unless told not to; 20.10 ignores it.
        f"{prefix}.bridge.gateway_mode_ipv4": "" if bridge.masquerade else "nat-unprotected",
    }
    pool = {"Subnet": bridge.subnet, "Gateway": bridge.gateway}
    return {
        "driver": "bridge", "check_duplicate": True, "labels": dict(bridge.labels),
        "options": {k: v for k, v in options.items() if v} or None,
        "ipam": {"Driver": "default", "Config": [{k: v for k, v in pool.items() if v}]} if bridge.subnet else None,
    }


def found_network(raw: Mapping[str, Any]) -> Network:
    """From NetworkInspect."""
    pools = (raw.get("IPAM") or {}).get("Config") or [{}]
    return Network(raw["Id"], raw["Name"], raw.get("Labels") or {}, pools[0].get("Subnet") or "",
                   tuple(sorted(raw.get("Containers") or {})))


def engine(raw: Mapping[str, Any]) -> Engine:
    """From SystemInfo."""
    return Engine(
        version=str(raw.get("ServerVersion") or ""),
        os=str(raw.get("OSType") or "linux"),
        os_image=str(raw.get("OperatingSystem") or ""),
        kernel=str(raw.get("KernelVersion") or ""),
        architecture=str(raw.get("Architecture") or ""),
        cpus=int(raw.get("NCPU") or 0),
        memory=int(raw.get("MemTotal") or 0),
        name=str(raw.get("Name") or ""),
        root=str(raw.get("DockerRootDir") or ""),
    )


def seconds(text: str) -> float:
    """Docker's RFC 3339 with nanoseconds -> Unix seconds; its zero time (year 1) and "" -> 0.0."""
    if not text or text.startswith("0001-"):
        return 0.0
    head, _, zone = text.partition(".")
    if not zone:
        return datetime.fromisoformat(text).timestamp()
    digits = zone.rstrip("Z")
    for sign in "+-":
        if sign in digits:
            digits, _, offset = digits.partition(sign)
            return datetime.fromisoformat(f"{head}.{digits[:6]:0<6}{sign}{offset}").timestamp()
    return datetime.fromisoformat(f"{head}.{digits[:6]:0<6}+00:00").timestamp()
