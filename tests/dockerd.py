"""A Docker daemon for tests: the machine's own if one answers, else a private one, started once and reused.

    DOCKER_HOST set and answering          → that
    /var/run/docker.sock answering         → that
    a private daemon of ours is running    → that
    dockerd installed and we are root      → started by hand, in its own session, all its files in one folder
    otherwise                              → the test is skipped, saying why

The private daemon outlives a test run (starting takes seconds); `python -m tests.dockerd stop` ends it and removes its
files, `python -m tests.dockerd start` prints its address. Also makes the test image (busybox) without a registry.
"""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import docker
import pytest

HOME = Path(os.environ.get("KUBUS_TEST_DOCKERD", Path(tempfile.gettempdir()) / "kubus" / "agents"))
IMAGE = "kubus-test/busybox:1"
BUSYBOX = Path("/bin/busybox")
LINKS = ("sh", "sleep", "echo", "cat", "httpd", "ls", "env", "id", "kill", "true", "false", "wget", "nslookup", "nc",
         "ip", "hostname", "touch", "date", "test", "head", "wc", "ps", "mount", "dd", "printf", "stat", "readlink")
API_VERSION = "1.41"


def client(host: str) -> docker.APIClient:
    """A plain SDK client, for asserting the world."""
    return docker.APIClient(base_url=host, version=API_VERSION, timeout=60)


def answers(host: str) -> bool:
    """Does a daemon answer there?"""
    try:
        api = docker.APIClient(base_url=host, version=API_VERSION, timeout=5)
        try:
            api.ping()
        finally:
            api.close()
    except (docker.errors.DockerException, OSError):
        return False
    return True


def find_or_start() -> str | None:
    """The address of a daemon that answers, or None when there is none and none can be started."""
    private = f"unix://{HOME}/docker.sock"
    for host in (os.environ.get("DOCKER_HOST", ""), "unix:///var/run/docker.sock", private):
        if host and (not host.startswith("unix://") or Path(host[7:]).exists()) and answers(host):
            return host
    if shutil.which("dockerd") is None or os.geteuid() != 0:
        return None
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return private if answers(private) else _start(private)


def _start(host: str) -> str:
    folders = ("--data-root", f"{HOME}/data", "--exec-root", f"{HOME}/exec", "--pidfile", f"{HOME}/docker.pid")
    (HOME / "docker.pid").unlink(missing_ok=True)
    with (HOME / "dockerd.log").open("ab") as log:
        process = subprocess.Popen(["dockerd", *folders, "-H", host], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   start_new_session=True)
    deadline = time.monotonic() + 60
    while not answers(host):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = (HOME / "dockerd.log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"dockerd did not come up; its last words:\n{tail}")
        time.sleep(0.1)
    return host


def stop() -> None:
    """End the private daemon and remove its files."""
    try:
        pid = int((HOME / "docker.pid").read_text())
    except (FileNotFoundError, ValueError):
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    for name in ("data", "exec"):
        shutil.rmtree(HOME / name, ignore_errors=True)
    for name in ("docker.pid", "docker.sock", "dockerd.log", "lock"):
        (HOME / name).unlink(missing_ok=True)


def ensure_image(host: str, name: str = IMAGE) -> str:
    """The test image, made from the machine's static busybox."""
    api = client(host)
    try:
        if not api.images(name):
            api.import_image_from_data(busybox_tar(), *name.rsplit(":", 1))
    finally:
        api.close()
    return name


def busybox_tar() -> bytes:
    program = BUSYBOX.read_bytes()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(program), 0o755
        tar.addfile(entry, io.BytesIO(program))
        for link in LINKS:
            entry = tarfile.TarInfo(f"bin/{link}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(folder)
    return out.getvalue()


def need() -> str:
    """The address, with the test image loaded; skips the test when there is no Docker."""
    if not BUSYBOX.exists():
        pytest.skip("needs a static busybox (Debian: busybox-static)")
    host = find_or_start()
    if host is None:
        pytest.skip("no Docker daemon answers and none can be started here")
    ensure_image(host)
    return host


@pytest.fixture(scope="session")
def docker_host() -> str:
    """Use with `from tests.dockerd import docker_host` in a conftest."""
    return need()


def main() -> int:
    """`start` prints the address; `stop` ends the private daemon."""
    match sys.argv[1:]:
        case ["start"]:
            host = find_or_start()
            print(host or "no Docker daemon")
            return 0 if host else 1
        case ["stop"]:
            stop()
            return 0
        case _:
            print("usage: python -m tests.dockerd start|stop")
            return 2


if __name__ == "__main__":
    sys.exit(main())
