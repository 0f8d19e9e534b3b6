"""With which rights containers run: users, capabilities, seccomp, AppArmor, SELinux."""

from __future__ import annotations

from ..meta.object import Wire


class Capabilities(Wire, frozen=True, kw_only=True):
    """Linux capabilities added to and dropped from the runtime's default set."""

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


class SELinuxOptions(Wire, frozen=True, kw_only=True):
    """The SELinux label of a process."""

    user: str = ""
    role: str = ""
    type: str = ""
    level: str = ""


class SeccompProfile(Wire, frozen=True, kw_only=True):
    """RuntimeDefault, Unconfined, or a profile file on the node."""

    type: str = ""
    localhost_profile: str = ""


class AppArmorProfile(Wire, frozen=True, kw_only=True):
    """RuntimeDefault, Unconfined, or a profile loaded on the node."""

    type: str = ""
    localhost_profile: str = ""


class WindowsSecurityContextOptions(Wire, frozen=True, kw_only=True):
    """Declared so that a round trip keeps it; our nodes run Linux."""

    gmsa_credential_spec_name: str = ""
    gmsa_credential_spec: str = ""
    run_as_user_name: str = ""
    host_process: bool | None = None


class SecurityContext(Wire, frozen=True, kw_only=True):
    """Rights of one container; overrides the pod's."""

    capabilities: Capabilities | None = None
    privileged: bool | None = None
    se_linux_options: SELinuxOptions | None = None
    run_as_user: int | None = None
    run_as_non_root: bool | None = None
    read_only_root_filesystem: bool | None = None
    allow_privilege_escalation: bool | None = None
    run_as_group: int | None = None
    proc_mount: str = ""
    windows_options: WindowsSecurityContextOptions | None = None
    seccomp_profile: SeccompProfile | None = None
    app_armor_profile: AppArmorProfile | None = None


class Sysctl(Wire, frozen=True, kw_only=True):
    """A kernel parameter of the pod's namespaces."""

    name: str = ""
    value: str = ""


class PodSecurityContext(Wire, frozen=True, kw_only=True):
    """Rights of all containers of a pod."""

    se_linux_options: SELinuxOptions | None = None
    run_as_user: int | None = None
    run_as_non_root: bool | None = None
    supplemental_groups: tuple[int, ...] = ()
    fs_group: int | None = None
    run_as_group: int | None = None
    sysctls: tuple[Sysctl, ...] = ()
    windows_options: WindowsSecurityContextOptions | None = None
    fs_group_change_policy: str = ""
    seccomp_profile: SeccompProfile | None = None
    app_armor_profile: AppArmorProfile | None = None
    supplemental_groups_policy: str = ""
    se_linux_change_policy: str = ""
