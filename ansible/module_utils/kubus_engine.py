"""Whether the Docker of this machine may be taken away: it came with us, nothing else needs it, nobody else uses it.

Decides, and asks Docker what it holds; removes nothing. Where it cannot tell, Docker stays: what others keep in it is
gone for ever once /var/lib/docker is.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from urllib.parse import quote

ENGINES = ("docker.io", "docker-ce", "moby-engine")
LABEL = "io.kubus.node"
"""On every container of an agent: agents/containers/labels.py."""


def purgeable(ours, planned, kept):
    """(packages that may go, {package that stays: why}).

    `planned`: what apt would take away together with these. `kept`: some that stay whatever apt says, and why.
    """
    going, kept = set(ours) - set(kept), dict(kept)
    while going:
        strangers = planned(going) - going
        if not strangers:
            break
        needed = {name: sorted(planned({name}) - going) for name in sorted(going)}
        # nobody needs one of them alone: a package that needs any of several, then all stay
        held = {name: by for name, by in needed.items() if by} or dict.fromkeys(sorted(going), sorted(strangers))
        kept.update({name: f"{', '.join(by)} may need it" for name, by in held.items()})
        going -= set(held)
    return sorted(going), kept


def is_ours(came, going, installed):
    """Whether the engine goes: one came with us, and when `going` is purged none is left."""
    return bool(set(ENGINES) & set(came)) and not set(ENGINES) & (set(installed) - set(going))


def strangers(seen, agent, before):
    """What Docker holds that neither the agent made nor the machine had when we came: ["volume x", …]. Pure.

    `seen`: `look`'s. `agent`: its record. `before`: the footprint's section.
    """
    found = []
    known = agent["containers"]
    ours = [one for one in seen["containers"] if LABEL in (one.get("Labels") or {}) or called(one) in known]
    mounted = {mount.get("Name") for one in ours for mount in one.get("Mounts") or ()}
    for one in seen["containers"]:
        if one not in ours and f"container {one['Id'][:12]}" not in before:
            found.append(f"container {called(one)}")
    for one in seen["volumes"]:
        if one["Name"] not in mounted and f"volume {one['Name']}" not in before:
            found.append(f"volume {one['Name']}")
    for one in seen["images"]:
        # an image without a name is what the pull of a newer one left
        names = [name for name in one.get("RepoTags") or () if not name.startswith("<none>")]
        if names and one["Id"] not in seen["pulled"] and f"image {one['Id'][7:19]}" not in before:
            found.append(f"image {names[0]}")
    return found


def called(container):
    """Its name, without the API's slash."""
    return container["Names"][0].lstrip("/")


def look(agent):
    """What Docker holds, in its API's words, and the ids of the images the agent pulled. Raises OSError."""
    return {
        "containers": ask("/containers/json?all=1"),
        "volumes": ask("/volumes")["Volumes"] or [],
        "images": ask("/images/json"),
        "pulled": [ask(f"/images/{quote(name)}/json").get("Id") for name in agent["images"]],
    }


class Link(http.client.HTTPConnection):
    """To Docker's socket: its command line is a package of its own, which a machine need not have."""

    def connect(self):
        """HTTPConnection's, but local."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect("/var/run/docker.sock")


def ask(path):
    """One answer as plain values. Raises OSError."""
    link = Link("docker")
    try:
        link.request("GET", path)
        return json.loads(link.getresponse().read())
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"Docker's answer to {path}: {error}") from error
    finally:
        link.close()


def reason(start, agent, before):
    """Why a Docker that came with us stays nevertheless, "" when it may go. `start` tries to start one that is off."""
    if not os.path.isdir("/var/lib/docker"):
        return ""
    agent = {"containers": [], "images": [], **agent}
    try:
        try:
            seen = look(agent)
        except OSError:
            start()
            seen = look(agent)
    except OSError as error:
        return f"it does not say what it holds ({error})"
    found = strangers(seen, agent, before.get("docker", {}))
    return f"it holds what is not of Kubus: {', '.join(found)}" if found else ""
