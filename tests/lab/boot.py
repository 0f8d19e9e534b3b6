"""What a virtual machine starts from: a kernel, a tiny initramfs, and a disk image of a root tree.

The disk is one ext4 file system without partitions or boot loader; the kernel is Debian's for clouds, its modules laid
over the tree. The initramfs is busybox with the few modules that reach the disk; on a fresh disk it also unpacks the
second drive, a tar with the machine's identity, so that all machines share one image.
"""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

from tests.dockerd import BUSYBOX
from tests.lab import cache
from tests.lab.roots import inside
from tests.lab.shell import lines, sh

KERNEL = "linux-image-cloud-amd64"
MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_rng", "crc32c", "ext4")
INIT = r"""#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev; $b mount -t proc proc /proc; $b mount -t sysfs sys /sys
for module in $($b cat /modules/order); do $b insmod /modules/$module; done
tries=0
while [ ! -b /dev/vdb ] && [ $tries -lt 200 ]; do $b sleep 0.05; tries=$((tries+1)); done
$b mount -t ext4 -o rw,noatime /dev/vda /root || exec $b sh
[ -e /root/etc/hostname ] || $b tar xf /dev/vdb -C /root
$b umount /proc; $b umount /sys; $b mount --move /dev /root/dev
exec $b switch_root /root /sbin/init
"""
LINK = lines("[Match]", "Type=ether", "[Link]", "NamePolicy=", "Name=host0")
"""The same name as in a fast host."""


def kernel(root: Path) -> Path:
    """A folder with `vmlinuz`, `initrd.gz` and `tree` (the modules, to be laid over a root tree)."""
    return cache.made("kernel", cache.key(KERNEL, INIT, *MODULES, root.name), lambda part: _unpack_kernel(root, part))


def disk(root: Path, size: str = "8G") -> Path:
    """A raw ext4 image of the tree with the kernel's modules; machines write into overlays of it."""
    boot = kernel(root)
    return cache.made("disk", cache.key(root.name, boot.name, size), lambda part: _make_disk(root, boot, part, size))


def identity(folder: Path, into: Path) -> None:
    """A drive with the files below `folder`, to be unpacked on a fresh disk."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = tar.gettarinfo(path, str(path.relative_to(folder)))
            entry.uid = entry.gid = 0
            tar.addfile(entry, io.BytesIO(path.read_bytes()))
    into.write_bytes(out.getvalue().ljust(1 << 20, b"\0"))


def _unpack_kernel(root: Path, part: Path) -> None:
    log, work = cache.folder() / "kernel.log", part / "work"
    work.mkdir(parents=True)
    sh("cp", "-a", root, work / "root")
    try:
        inside(work / "root", log, "apt-get", "-q", "update")
        inside(work / "root", log, "sh", "-ec", f"cd /opt; apt-get -o APT::Sandbox::User=root download "
               f"$(apt-cache depends {KERNEL} | sed -n 's/.*Depends: //p' | grep ^linux-image)")
        (package,) = (work / "root/opt").glob("*.deb")
        sh("dpkg-deb", "-x", package, work / "package")
        (image,) = (work / "package/boot").glob("vmlinuz-*")
        image.rename(part / "vmlinuz")
        version, place = image.name.removeprefix("vmlinuz-"), Path("usr/lib/modules")
        cache.remove(work / "root" / place)
        (work / "package/lib/modules").rename(work / "root" / place)
        inside(work / "root", log, "depmod", version)
        (part / "initrd.gz").write_bytes(_initramfs(work / "root", version))
        (part / "tree/usr/lib").mkdir(parents=True)
        (work / "root" / place).rename(part / "tree" / place)
    finally:
        cache.remove(work)


def _initramfs(root: Path, version: str) -> bytes:
    """`root`: a tree with the modules; its own modprobe knows what each of them needs."""
    work = root.parent / "initramfs"
    for name in ("bin", "dev", "proc", "sys", "root", "modules"):
        (work / name).mkdir(parents=True)
    (work / "bin/busybox").write_bytes(BUSYBOX.read_bytes())
    (work / "bin/busybox").chmod(0o755)
    needed = sh("chroot", root, "modprobe", "--set-version", version, "--show-depends", "--all", *MODULES)
    order: list[str] = []
    for line in needed.splitlines():
        if line.startswith("insmod ") and (path := Path(line.split()[1])).name not in order:
            (work / "modules" / path.name).write_bytes((root / path.relative_to("/")).read_bytes())
            order.append(path.name)
    (work / "modules/order").write_text(lines(*order))
    (work / "init").write_text(INIT)
    (work / "init").chmod(0o755)
    sh("sh", "-ec", 'cd "$0" && find . | cpio -o -H newc --quiet | gzip -1 > ../initramfs.gz', work)
    return (work.parent / "initramfs.gz").read_bytes()


def _make_disk(root: Path, boot: Path, part: Path, size: str) -> None:
    extra, merged = part.with_suffix(".extra"), part.with_suffix(".merged")
    for folder in (extra, merged):
        folder.mkdir(exist_ok=True)
    link = extra / "etc/systemd/network/05-lab.link"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.write_text(LINK)
    sh("mount", "-t", "overlay", "overlay", "-o", f"ro,lowerdir={extra}:{boot / 'tree'}:{root}", merged)
    try:
        with part.open("wb") as image:
            os.truncate(image.fileno(), int(size.removesuffix("G")) << 30)
        sh("mke2fs", "-q", "-F", "-t", "ext4", "-d", merged, "-m", "0", "-L", "root", "-O", "^metadata_csum_seed",
           "-E", "lazy_itable_init=1,lazy_journal_init=1", part)
    finally:
        sh("umount", merged)
        cache.remove(extra)
        merged.rmdir()
