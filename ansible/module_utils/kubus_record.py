"""/var/lib/kubus/owned.json: what Kubus put onto this machine, so that reset removes that and nothing else.

{"packages": [...], "paths": [...], "sysctls": {"net/ipv4/ip_forward": "0"}, "packages_before": [...], "agent": {...}}
`sysctls` holds the values from before. `packages_before` is there only while packages are being installed: a run that
was killed in between is completed by the next one, since what is installed now and was not then came with us.
`agent`: what the agent made at run time; it keeps that in its state folder, and reset takes it over before it cleans.
"""

from __future__ import annotations

import json
import os
import subprocess

PLACE = "/var/lib/kubus/owned.json"


def read(place=PLACE):
    """The record; empty on a machine that has none."""
    try:
        with open(place, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def write(record, place=PLACE):
    """Replace it in one step, and on the disk."""
    os.makedirs(os.path.dirname(place), mode=0o755, exist_ok=True)
    with open(f"{place}.new", "w", encoding="utf-8") as file:
        json.dump(record, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{place}.new", place)


def add(section, names, place=PLACE):
    """Names that are ours from now on; written before they are made, so that nothing is ever ours unrecorded."""
    record = read(place)
    known = record.get(section, [])
    if not set(names) <= set(known):
        record[section] = sorted({*known, *names})
        write(record, place)


def installed():
    """Names of installed packages."""
    said = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n"], stdout=subprocess.PIPE, check=True
    ).stdout.decode()
    return {row.split()[1] for row in said.splitlines() if row.startswith("installed ")}


def settle(place=PLACE):
    """Complete what a killed installation left open. Returns the record."""
    record = read(place)
    before = record.pop("packages_before", None)
    if before is not None:
        record["packages"] = sorted({*record.get("packages", []), *(installed() - set(before))})
        write(record, place)
    return record
