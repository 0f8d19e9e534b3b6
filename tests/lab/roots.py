"""Root trees of Debian 12, or of the release that KUBUS_LAB_SUITE names, that hosts and virtual machines start from.

    bare   what an installer leaves: systemd, sshd, sudo, Python without venv. No Docker, no iptables.
    full   the same with all that Kubus' roles install from Debian: docker.io, python3-venv, iptables, nftables …

Both know two logins by key: `root`, and `ops`, who may sudo without a password. Reads this machine's package sources,
pip settings and certificates, so that apt and pip work inside as they do here; writes them into the trees only.
A tree has no host keys, no machine id, no host name: each host gets its own when its disk is made.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests.lab import cache
from tests.lab.shell import lines, sh

PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
SUITE = os.environ.get("KUBUS_LAB_SUITE", "bookworm")
BARE = ("systemd-sysv", "dbus", "udev", "openssh-server", "python3", "python3-apt", "sudo", "iproute2", "iputils-ping",
        "ca-certificates", "curl", "procps", "kmod", "netbase", "less", "e2fsprogs", "gnupg")
FULL = ("docker.io", "python3-venv", "iptables", "nftables", "conntrack", "ethtool", "tcpdump", "busybox-static")
MASKED = ("systemd-networkd-wait-online.service", "apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer",
          "fstrim.timer", "systemd-timesyncd.service", "e2scrub_reap.service", "systemd-pstore.service",
          "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service", "getty@tty1.service",
          "systemd-firstboot.service", "systemd-hwdb-update.service", "ldconfig.service", "dpkg-db-backup.timer",
          "modprobe@drm.service", "modprobe@efi_pstore.service", "sys-fs-fuse-connections.mount",
          "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "console-getty.service")
"""Nothing a node of a cluster needs; each costs start-up time, most of all on an emulated processor."""
SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
CERTIFICATES = Path("/usr/local/share/ca-certificates")


def bare(public_key: str) -> Path:
    """A freshly installed Debian. One download, about a minute."""
    content = cache.key(SUITE, *BARE, *MASKED, sources(), apt_settings(), pip_settings(), nameservers(),
                        *(c.read_bytes() for c in _certificates()), public_key)
    return cache.made("root-bare", content, lambda part: _build_bare(part, public_key))


def full(public_key: str) -> Path:
    """The same with Docker and what else our roles would install."""
    base = bare(public_key)
    return cache.made("root-full", cache.key(base.name, *FULL), lambda part: _build_full(base, part))


def sources() -> str:
    """This machine's Debian sources, for the release that is wanted; the well-known ones on another system."""
    for path in SOURCES:
        if path.exists() and (found := re.search(rf"\b({'|'.join(PYTHONS)})\b", path.read_text())):
            return path.read_text().replace(found[0], SUITE)
    signed = "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg"
    main = lines("Types: deb", "URIs: http://deb.debian.org/debian", f"Suites: {SUITE} {SUITE}-updates",
                 "Components: main", signed)
    security = lines("Types: deb", "URIs: http://deb.debian.org/debian-security", f"Suites: {SUITE}-security",
                     "Components: main", signed)
    return f"{main}\n{security}"


def apt_settings() -> str:
    """How this machine fetches packages: proxies, checks of age."""
    wanted = re.compile(r'^Acquire::(https?::|Check-)[^ ]* "[^"]+";$')
    ours = [line for line in sh("apt-config", "dump").splitlines() if wanted.match(line)]
    return lines(*ours, 'Acquire::Languages "none";', 'APT::Install-Recommends "false";')


def pip_settings() -> str:
    """How this machine's pip reaches the index, in the words of /etc/pip.conf."""
    found = {"cert": "/etc/ssl/certs/ca-certificates.crt", "disable-pip-version-check": "true", "timeout": "120"}
    for line in sh("python3", "-m", "pip", "config", "list", check=False).splitlines():
        name, _, value = line.partition("=")
        option = name.partition(".")[2]
        if option in {"index-url", "extra-index-url", "proxy", "trusted-host"}:
            found[option] = value.strip("'\"")
    return lines("[global]", *(f"{name} = {value}" for name, value in found.items()))


def nameservers() -> str:
    """Those of this machine that a host elsewhere can reach too."""
    for path in (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf")):
        if path.exists():
            found = re.findall(r"^nameserver\s+(?!127\.)(\S+)", path.read_text(), re.MULTILINE)
            if found:
                return lines(*(f"nameserver {address}" for address in found[:3]))
    return lines("nameserver 9.9.9.9")


def _certificates() -> list[Path]:
    return sorted(CERTIFICATES.glob("*.crt"))


def _build_bare(part: Path, public_key: str) -> None:
    work = part.with_suffix(".sources")
    work.write_text(sources())
    log = cache.folder() / "root-bare.log"
    settings = [f"--aptopt={line}" for line in apt_settings().splitlines()]
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{what}/*" for what in ("man", "doc", "locale")]
    try:
        sh("mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(BARE)}", *settings, *excluded,
           SUITE, part, work, log=log, timeout=1800)
    finally:
        work.unlink()
    _configure(part, public_key)


def _configure(root: Path, public_key: str) -> None:
    for old in (root / "etc/apt").glob("sources.list*/*"):
        old.unlink()
    (root / "etc/apt/sources.list").unlink(missing_ok=True)
    certificates = root / CERTIFICATES.relative_to("/")
    for certificate in _certificates():
        (certificates / certificate.name).write_bytes(certificate.read_bytes())
    texts = {
        "etc/apt/sources.list.d/debian.sources": sources() if "Types:" in sources() else "",
        "etc/apt/sources.list": sources() if "Types:" not in sources() else "",
        "etc/apt/apt.conf.d/99lab": apt_settings(), "etc/pip.conf": pip_settings(), "etc/resolv.conf": nameservers(),
        "etc/ssh/sshd_config.d/lab.conf": lines("UseDNS no", "GSSAPIAuthentication no", "MaxStartups 100"),
        "etc/sudoers.d/ops": "ops ALL=(ALL) NOPASSWD:ALL\n", "etc/fstab": "", "etc/machine-id": "uninitialized\n",
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).unlink(missing_ok=True)
        (root / name).write_text(text)
    sh("chroot", root, "update-ca-certificates")
    sh("chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", "--password", "*", "ops")
    for home, owner in (("root", "0:0"), ("home/ops", "ops:ops")):
        keys = root / home / ".ssh" / "authorized_keys"
        keys.parent.mkdir(mode=0o700, exist_ok=True)
        keys.write_text(public_key)
        sh("chroot", root, "chown", "-R", owner, f"/{home}/.ssh")
    sh("chroot", root, "systemctl", "-q", "enable", "systemd-networkd", "ssh")
    sh("chroot", root, "systemctl", "-q", "mask", *MASKED)
    for old in (*root.glob("etc/ssh/ssh_host_*"), root / "etc/hostname", *root.glob("var/lib/apt/lists/*_*")):
        old.unlink(missing_ok=True)


def _build_full(base: Path, part: Path) -> None:
    sh("cp", "-a", base, part)
    log = cache.folder() / "root-full.log"
    policy = part / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")  # Debian's word for: install, and start nothing
    policy.chmod(0o755)
    try:
        inside(part, log, "apt-get", "-q", "update")
        inside(part, log, "apt-get", "-q", "-y", "install", *FULL)
        inside(part, log, "apt-get", "clean")
    finally:
        policy.unlink()
    sh("chroot", part, "systemctl", "-q", "disable", "nftables", check=False)
    for old in part.glob("var/lib/apt/lists/*_*"):
        old.unlink()


def inside(root: Path, log: Path, *command: str) -> None:
    """In the tree, with its own mounts and processes: nothing stays behind however it ends."""
    namespace = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec",
                 'mount -t proc proc "$0/proc"; exec chroot "$0" env DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"']
    sh(*namespace, root, *command, log=log, timeout=1800)
