"""Security contexts: validation. What the kubelet honours of them is its business."""

from __future__ import annotations

import re

from schemas.core.security import AppArmorProfile, PodSecurityContext, SeccompProfile, SecurityContext

from .causes import Found, duplicate, invalid, one_of, required

_MOST_ID = 2**31 - 1
_SYSCTL = re.compile(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?([\./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*")
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")


def container(found: SecurityContext | None, at: str) -> Found:
    """Rights of one container."""
    if found is None:
        return
    yield from _id(found.run_as_user, f"{at}.runAsUser")
    yield from _id(found.run_as_group, f"{at}.runAsGroup")
    if found.proc_mount:
        yield from one_of(f"{at}.procMount", found.proc_mount, ("Default", "Unmasked"))
    yield from _seccomp(found.seccomp_profile, f"{at}.seccompProfile")
    yield from _app_armor(found.app_armor_profile, f"{at}.appArmorProfile")
    if found.allow_privilege_escalation is False:
        if found.privileged:
            yield invalid(at, found, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true")
        if found.capabilities is not None and {"CAP_SYS_ADMIN", "SYS_ADMIN"} & set(found.capabilities.add):
            yield invalid(at, found, "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` "
                                     "CAP_SYS_ADMIN")


def pod(found: PodSecurityContext | None, at: str) -> Found:
    """Rights of all containers of a pod."""
    if found is None:
        return
    yield from _id(found.run_as_user, f"{at}.runAsUser")
    yield from _id(found.run_as_group, f"{at}.runAsGroup")
    yield from _id(found.fs_group, f"{at}.fsGroup")
    for i, group in enumerate(found.supplemental_groups):
        yield from _id(group, f"{at}.supplementalGroups[{i}]")
    if found.fs_group_change_policy:
        yield from one_of(f"{at}.fsGroupChangePolicy", found.fs_group_change_policy, ("Always", "OnRootMismatch"))
    if found.supplemental_groups_policy:
        yield from one_of(f"{at}.supplementalGroupsPolicy", found.supplemental_groups_policy, ("Merge", "Strict"))
    yield from _seccomp(found.seccomp_profile, f"{at}.seccompProfile")
    yield from _app_armor(found.app_armor_profile, f"{at}.appArmorProfile")
    seen: set[str] = set()
    for i, sysctl in enumerate(found.sysctls):
        here = f"{at}.sysctls[{i}].name"
        if not sysctl.name:
            yield required(here)
        elif not _SYSCTL.fullmatch(sysctl.name):
            yield invalid(here, sysctl.name, "must have at most 253 characters and match regex "
                                             f"^{_SYSCTL.pattern}$")
        elif sysctl.name in seen:
            yield duplicate(here, sysctl.name)
        seen.add(sysctl.name)


def _id(value: int | None, at: str) -> Found:
    if value is not None and not 0 <= value <= _MOST_ID:
        yield invalid(at, value, f"must be between 0 and {_MOST_ID}, inclusive")


def _seccomp(found: SeccompProfile | None, at: str) -> Found:
    if found is None:
        return
    yield from one_of(f"{at}.type", found.type, _PROFILES)
    if found.type == "Localhost" and not found.localhost_profile:
        yield required(f"{at}.localhostProfile", "must be set when seccomp type is Localhost")
    if found.type != "Localhost" and found.localhost_profile:
        yield invalid(f"{at}.localhostProfile", found.localhost_profile,
                      "can only be set when seccomp type is Localhost")
    if found.localhost_profile.startswith("/"):
        yield invalid(f"{at}.localhostProfile", found.localhost_profile, "must be a relative path")
    if ".." in found.localhost_profile.split("/"):
        yield invalid(f"{at}.localhostProfile", found.localhost_profile, "must not contain '..'")


def _app_armor(found: AppArmorProfile | None, at: str) -> Found:
    if found is None:
        return
    yield from one_of(f"{at}.type", found.type, _PROFILES)
    if found.type == "Localhost" and not found.localhost_profile.strip():
        yield required(f"{at}.localhostProfile", "must be set when AppArmor type is Localhost")
    if found.type != "Localhost" and found.localhost_profile:
        yield invalid(f"{at}.localhostProfile", found.localhost_profile,
                      "can only be set when AppArmor type is Localhost")
