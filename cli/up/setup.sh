#!/bin/bash
# What a fresh Debian or Ubuntu machine lacks: setup.sh venv DIR | docker | test | vm
# Installs distribution packages only as root, and only those that are missing.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
updated=

say() { printf '%s\n' "kubus setup: $*" >&2; }

need() { # need PACKAGE... : install what dpkg does not know
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  [ "$(id -u)" = 0 ] || { say "missing packages: ${missing[*]}; run: sudo apt-get install ${missing[*]}"; return 1; }
  say "installing ${missing[*]}"
  [ -n "$updated" ] || { apt-get update -qq; updated=1; }
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

docker_answers() {
  local socket=${DOCKER_HOST:-unix:///var/run/docker.sock}
  [ "${socket#unix://}" = "$socket" ] && return 0
  [ -S "${socket#unix://}" ] && python3 - "${socket#unix://}" <<'P'
import socket, sys
link = socket.socket(socket.AF_UNIX); link.settimeout(2)
try:
    link.connect(sys.argv[1]); link.sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
    sys.exit(0 if b" 200 " in link.recv(64) else 1)
except OSError:
    sys.exit(1)
P
}

python_of_age() { # the first interpreter that is new enough
  local candidate
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$candidate"; return; }
  done
  say "Python 3.11 or newer is needed; this machine has $(python3 --version 2>&1)"; return 1
}

case ${1:?venv DIR, docker, test or vm} in
venv)
  python=$(python_of_age)
  "$python" -c 'import ensurepip' 2>/dev/null || need python3-venv
  [ -x "$2/bin/python" ] || { say "making a virtual environment in $2"; "$python" -m venv "$2"; }
  say "installing the package and its locked libraries"
  "$2/bin/pip" install -q --disable-pip-version-check -r requirements.lock 2> >(grep -v '^WARNING' >&2)
  "$2/bin/pip" install -q --disable-pip-version-check --no-deps --config-settings editable_mode=compat -e . 2> >(grep -v '^WARNING' >&2)
  env -u PYTHONDONTWRITEBYTECODE "$2/bin/python" -m compileall -q schemas runtime master agents cli
  ;;
docker)
  if ! docker_answers && ! command -v dockerd >/dev/null; then need docker.io iptables; fi
  # the web image where no registry answers is made of this one static binary
  [ -x /bin/busybox ] || need busybox-static || true
  ;;
test)
  need busybox-static iptables iproute2 openssh-server
  # tests/lab makes hosts of these
  need mmdebstrap debian-archive-keyring systemd-container openssh-client nftables util-linux
  # Debian's kubectl, unpacked beside whatever is installed: the oldest client that must work
  if [ ! -x .cache/kubectl/usr/bin/kubectl ]; then
    mkdir -p .cache/kubectl && cd .cache/kubectl
    [ "$(id -u)" != 0 ] || apt-get update -qq
    if apt-get -o APT::Sandbox::User=root download -qq kubernetes-client; then
      dpkg -x kubernetes-client_*.deb . && rm kubernetes-client_*.deb
    else
      say "Debian's kubectl cannot be fetched; the tests use the one on PATH"
    fi
  fi
  ;;
vm)
  # virtual machines for `make test-vm`
  need qemu-system-x86 qemu-utils e2fsprogs cpio busybox-static
  ;;
esac
