"""A laboratory by hand: python -m tests.lab up --hosts 3 | ssh n1 [command …] | cut|heal|kill|start|reboot|wipe n1 |
status | wheels | inventory | down. The number is KUBUS_LAB, 0 by default."""

from __future__ import annotations

import argparse
import os
import sys
import time

from tests.lab import Lab, LabError
from tests.lab.host import Host

DEEDS = {"cut": Host.cut, "heal": Host.heal, "kill": Host.kill, "start": Host.start, "reboot": Host.reboot,
         "stop": Host.stop, "wipe": Host.wipe, "image": Host.load_image}


def main() -> int:
    """Does what the words say; LabError is one line."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description="Real hosts on this machine.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="a fresh laboratory with hosts n1 … (ends one of the same number)")
    up.add_argument("--hosts", type=int, default=3)
    up.add_argument("--bare", action="store_true", help="without Docker and venv: as an installer leaves a machine")
    for name in ("down", "status", "wheels", "inventory"):
        verbs.add_parser(name)
    ssh = verbs.add_parser("ssh", help="log in, or run a command")
    ssh.add_argument("host")
    ssh.add_argument("command", nargs=argparse.REMAINDER)
    for name in DEEDS:
        verbs.add_parser(name).add_argument("host")
    arguments = parser.parse_args()
    try:
        return _do(arguments)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


def _do(arguments: argparse.Namespace) -> int:
    lab = Lab()
    match arguments.verb:
        case "up":
            _up(lab, arguments.hosts, arguments.bare)
        case "down":
            lab.clean()
        case "wheels":
            print(lab.wheels())
        case "status":
            for host in lab.attach().hosts.values():
                print(f"{host.name}\t{host.address}\t{'on' if host.is_on() else 'off'}")
        case "inventory":
            for host in lab.attach().hosts.values():
                print(f"{host.name} ansible_host={host.address} ansible_user=root "
                      f"ansible_ssh_private_key_file={lab.key} "
                      f"ansible_ssh_common_args='-o UserKnownHostsFile={lab.known_hosts}'")
        case "ssh":
            words = _named(lab, arguments.host).door.command(*arguments.command)
            os.execvp(words[0], words)
        case verb:
            DEEDS[verb](_named(lab, arguments.host))
    return 0


def _up(lab: Lab, count: int, bare: bool) -> None:
    lab.open()
    for index in range(1, count + 1):  # the images first, so that the time below is that of the hosts
        lab.host(f"n{index}", index, bare=bare)
    begun = time.monotonic()
    for host in lab.start(count, bare=bare):
        print(f"{host.name}\t{host.address}")
    print(f"{count} hosts with a login after {time.monotonic() - begun:.1f} s", file=sys.stderr)
    lab.release()


def _named(lab: Lab, name: str) -> Host:
    hosts = lab.attach().hosts
    if name not in hosts:
        raise LabError(f"no host {name!r}; there are: {', '.join(hosts) or 'none (up first)'}")
    return hosts[name]


if __name__ == "__main__":
    sys.exit(main())
