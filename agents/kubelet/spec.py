"""pod -> what the engine is asked to make. Pure: the whole translation of a PodSpec stands here.

Refuses nothing that validation let through; what Docker cannot do is listed in the README's known flaws.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from schemas.core.container import Container
from schemas.core.pod import Pod
from schemas.core.security import PodSecurityContext, SecurityContext

from ..containers import labels, pause
from ..containers.containers import Limits, Mount, Names, Port, Rights, Spec
from ..containers.labels import Identity, Owner
from .environment import expand
from .model import Create
from .plan import hash_of
from .resources import SANDBOX_SCORE, limits_of

HOSTNAME_LENGTH = 63
LEAST_SHARES = 2
BOX_RANK = 2
"""A pod that has its sandbox comes before one that has none."""
NO_POD_RIGHTS, NO_RIGHTS = PodSecurityContext(), SecurityContext()


class Machine(Struct, frozen=True, kw_only=True):
    """What a translation needs to know about the node. `network` is the engine's network for pods.

    `least_oom_score`: 0 where the kernel refuses negative ones (no CAP_SYS_RESOURCE in the machine's bounding set).
    """

    owner: Owner
    network: str = "bridge"
    host_ip: str = ""
    memory: int = 0
    allocatable: Mapping[str, str] = {}
    services: Mapping[str, str] = {}
    least_oom_score: int = -1000


def box(pod: Pod, attempt: int, machine: Machine) -> Spec:
    """The sandbox: it owns the pod's network and IPC namespaces (and PIDs, if the containers share them)."""
    spec = pod.spec
    host = bool(spec.host_network)
    who = _who(pod, labels.SANDBOX, attempt=attempt)
    rights = spec.security_context or NO_POD_RIGHTS
    return Spec(
        name=labels.name_of(who),
        image=pause.IMAGE,
        labels=labels.write(machine.owner, who),
        network="host" if host else machine.network,
        ipc="host" if spec.host_ipc else "shareable",
        pid="host" if spec.host_pid else "",
        ports=() if host else _ports(pod),
        limits=Limits(cpu_shares=LEAST_SHARES, oom_score=max(SANDBOX_SCORE, machine.least_oom_score)),
        names=_names(pod, host=host),
        sysctls={s.name: s.value for s in rights.sysctls},
        logs=False,
        rank=BOX_RANK,
    )


def app(pod: Pod, c: Container, action: Create, env: Mapping[str, str], mounts: tuple[Mount, ...],
        machine: Machine) -> Spec:
    """One attempt of a container, joined to its sandbox."""
    who = _who(pod, labels.APP, container=c.name, spec_hash=hash_of(c), attempt=action.attempt,
               crashes=action.crashes, joined=action.box)
    joined = f"container:{action.box}"
    limits = limits_of(pod, c, machine.memory)
    return Spec(
        name=labels.name_of(who),
        image=c.image,
        labels=labels.write(machine.owner, who),
        entrypoint=tuple(expand(part, env) for part in c.command) or None,
        arguments=tuple(expand(part, env) for part in c.args) or (() if c.command else None),
        env=tuple(f"{name}={value}" for name, value in env.items()),
        directory=c.working_dir,
        network=joined,
        ipc="host" if pod.spec.host_ipc else joined,
        pid="host" if pod.spec.host_pid else joined if pod.spec.share_process_namespace else "",
        mounts=mounts,
        limits=replace(limits, oom_score=max(limits.oom_score, machine.least_oom_score)),
        rights=_rights(pod, c),
        tty=bool(c.tty),
        stdin=bool(c.stdin),
        stdin_once=bool(c.stdin_once),
    )


def _who(pod: Pod, role: str, *, container: str = "", spec_hash: str = "", attempt: int = 0, crashes: int = 0,
         joined: str = "") -> Identity:
    meta = pod.metadata
    return Identity(role=role, namespace=meta.namespace, pod=meta.name, uid=meta.uid, container=container,
                    spec_hash=spec_hash, attempt=attempt, crashes=crashes, joined=joined)


def _ports(pod: Pod) -> tuple[Port, ...]:
    every = (p for c in (*pod.spec.init_containers, *pod.spec.containers) for p in c.ports)
    return tuple(Port(p.container_port, p.host_port, (p.protocol or "TCP").lower(), p.host_ip)
                 for p in every if p.host_port and p.container_port)


def hostname_of(pod: Pod) -> str:
    """What `hostname` says inside (cut as the kernel needs it)."""
    return (pod.spec.hostname or pod.metadata.name)[:HOSTNAME_LENGTH].rstrip("-.")


def _names(pod: Pod, *, host: bool) -> Names:
    config = pod.spec.dns_config
    aliases = () if host else tuple((name, a.ip) for a in pod.spec.host_aliases for name in a.hostnames)
    return Names(
        hostname="" if host else hostname_of(pod),
        servers=config.nameservers if config else (),
        searches=config.searches if config else (),
        options=tuple(f"{o.name}:{o.value}" if o.value else o.name for o in config.options) if config else (),
        hosts=aliases,
    )


def _rights(pod: Pod, c: Container) -> Rights:
    shared, own = pod.spec.security_context or NO_POD_RIGHTS, c.security_context or NO_RIGHTS
    groups = [*shared.supplemental_groups, *((shared.fs_group,) if shared.fs_group is not None else ())]
    seccomp = own.seccomp_profile or shared.seccomp_profile
    capabilities = own.capabilities
    return Rights(
        user=user_of(pod, c),
        groups=tuple(str(g) for g in groups),
        privileged=bool(own.privileged),
        add=tuple(x.removeprefix("CAP_") for x in capabilities.add) if capabilities else (),
        drop=tuple(x.removeprefix("CAP_") for x in capabilities.drop) if capabilities else (),
        read_only_root=bool(own.read_only_root_filesystem),
        no_new_privileges=own.allow_privilege_escalation is False,
        options=("seccomp=unconfined",) if seccomp is not None and seccomp.type == "Unconfined" else (),
    )


def user_of(pod: Pod, c: Container) -> str:
    """`uid[:gid]`, "" for the image's own user. The container's word overrides the pod's."""
    shared, own = pod.spec.security_context or NO_POD_RIGHTS, c.security_context or NO_RIGHTS
    user = shared.run_as_user if own.run_as_user is None else own.run_as_user
    group = shared.run_as_group if own.run_as_group is None else own.run_as_group
    if user is None:
        return "" if group is None else f"0:{group}"
    return str(user) if group is None else f"{user}:{group}"


def must_not_be_root(pod: Pod, c: Container) -> bool:
    """`runAsNonRoot` holds for it."""
    shared, own = pod.spec.security_context or NO_POD_RIGHTS, c.security_context or NO_RIGHTS
    return bool(shared.run_as_non_root if own.run_as_non_root is None else own.run_as_non_root)


def is_root(user: str, image_user: str) -> bool:
    """Would the process be root? `user` is ours, `image_user` counts when ours is silent."""
    name = (user or image_user or "0").partition(":")[0]
    return name in ("0", "root", "")
