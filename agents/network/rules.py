"""The firewall of a node's pods, as text. Pure.

One nftables table of our own does all that needs thought: it masquerades what leaves the cluster's pods, and marks the
packets that are ours to forward. One chain in iptables' filter table does the rest: it accepts what is marked. Two
places, because Docker sets FORWARD's policy to DROP, and no chain of another table can take a verdict DROP back.

Marked are: answers to pods, all between pods and members of the cluster (pods, nodes), and what pods send out, except
to Docker's other bridges: those stay as isolated as Docker keeps them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from .model import BRIDGE, CHAIN, TABLE, Rules

MARK = 0x100000
"""One bit of the packet mark; Docker and Kubernetes use lower ones (kube-proxy 0x4000 and 0x8000)."""
VERSION = "text_"

_TABLE = """\
    chain forward {{
        type filter hook forward priority filter - 10; policy accept;
        oifname "{bridge}" ct state established,related goto ours
        oifname "{bridge}" ip saddr @pods goto ours
        oifname "{bridge}" ip saddr @nodes goto ours
        iifname "{bridge}" ip daddr @pods goto ours
        iifname "{bridge}" ip daddr @nodes goto ours
        iifname "{bridge}" oifname "docker0" return
        iifname "{bridge}" oifname "br-*" return
        iifname "{bridge}" goto ours
    }}
    chain ours {{
        meta mark set meta mark or {mark:#x}
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {own} oifname != "{bridge}" ip daddr != @pods masquerade
    }}
"""


def table(own: str, ranges: Iterable[str], nodes: Iterable[str]) -> tuple[str, Rules]:
    """The whole table for a node whose pods live in `own`; `ranges` are all nodes' (its own too), `nodes` addresses."""
    body = "".join((
        _set("pods", "flags interval; ", sorted({own, *ranges})), _set("nodes", "", sorted(set(nodes))),
        _TABLE.format(bridge=BRIDGE, own=own, mark=MARK),
    ))
    digest = hashlib.sha256(body.encode()).hexdigest()[:16]
    text = (f"table ip {TABLE}\ndelete table ip {TABLE}\ntable ip {TABLE} {{\n{body}"
            f"    chain {VERSION}{digest} {{\n    }}\n}}\n")
    return text, Rules(digest, count(body))


def _set(name: str, flags: str, elements: list[str]) -> str:
    held = f"elements = {{ {', '.join(elements)} }} " if elements else ""
    return f"    set {name} {{ type ipv4_addr; {flags}{held}}}\n"


def count(body: str) -> int:
    """How many rules the text has: every indented line that is neither a chain's head nor its type."""
    lines = [line.strip() for line in body.splitlines() if line.startswith("        ")]
    return sum(not line.startswith("type ") for line in lines)


def removed() -> str:
    """Text that leaves no table, whether there was one or not."""
    return f"table ip {TABLE}\ndelete table ip {TABLE}\n"


def firewall() -> str:
    """For `iptables-restore --noflush`: our chain, emptied and filled again; nobody else's is touched."""
    why = "kubus: marked by table ip kubus"
    return (f'*filter\n:{CHAIN} - [0:0]\n-A {CHAIN} -m mark --mark {MARK:#x}/{MARK:#x} -m comment --comment "{why}" '
            f"-j ACCEPT\nCOMMIT\n")


def stands(saved: str) -> bool:
    """Whether `iptables-save -t filter` shows our chain with its rule, and the jump into it."""
    lines = saved.splitlines()
    rule = any(line.startswith(f"-A {CHAIN} ") and line.endswith("-j ACCEPT") and f"{MARK:#x}/{MARK:#x}" in line
               for line in lines)
    return rule and f"-A FORWARD -j {CHAIN}" in lines
