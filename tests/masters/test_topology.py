"""master.json: what is accepted, what is refused, and what each member derives from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from master.install.configs import bus_url, service_config
from master.install.places import on_machine
from master.install.servers import etcd_argv
from master.install.topology import BadTopology, Member, Topology, check
from master.install.units import text, units

pytestmark = pytest.mark.unit


def _topology(count: int, me: int = 1, **changes: object) -> Topology:
    members = tuple(Member(f"m{n}", f"10.0.0.{n}") for n in range(1, count + 1))
    return Topology(**{"name": f"m{me}", "address": f"10.0.0.{me}", "members": members, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 3, 5])
def test_odd_numbers_of_members_are_accepted(count: int) -> None:
    assert check(_topology(count)).replicas == (1 if count == 1 else 3)


@pytest.mark.parametrize(("topology", "words"), [
    (_topology(2), "2 members"),
    (_topology(3, address="10.0.0.9"), "not among the members"),
    (_topology(1, members=(Member("m1", "10.0.0.1"), Member("m1", "10.0.0.1"), Member("x", "::3"))), "the name m1"),
    (_topology(1, address="here", members=(Member("m1", "here"),)), "no IP address"),
    (_topology(1, pod_cidr="10.244.0.0/99"), "no network"),
    (_topology(1, cluster="a b"), "blanks"),
])
def test_what_cannot_work_is_refused_in_words(topology: Topology, words: str) -> None:
    with pytest.raises(BadTopology, match=words):
        check(topology)


def test_each_member_asks_itself_first_and_then_the_others() -> None:
    topology = _topology(3, me=2)
    assert bus_url(topology) == "tls://10.0.0.2:4222,tls://10.0.0.1:4222,tls://10.0.0.3:4222"
    config = service_config(topology, on_machine(), "apiserver")
    assert config.etcd.endpoints == ("10.0.0.2:2379", "10.0.0.1:2379", "10.0.0.3:2379")
    assert config.api.servers == ("https://10.0.0.1:6443", "https://10.0.0.2:6443", "https://10.0.0.3:6443")
    assert (config.api.host, config.bus.replicas) == ("", 3)


def test_all_members_begin_the_same_etcd() -> None:
    said = [etcd_argv("etcd", _topology(3, me=me), on_machine()) for me in (1, 2, 3)]
    clusters = {argv[argv.index("--initial-cluster") + 1] for argv in said}
    assert clusters == {"m1=https://10.0.0.1:2380,m2=https://10.0.0.2:2380,m3=https://10.0.0.3:2380"}


def test_units_run_as_kubus_and_write_nothing_but_their_own() -> None:
    found = {unit.name: text(unit) for unit in units(_topology(1), on_machine(), "/p", "/e", "/n")}
    assert list(found) == ["etcd", "nats", "apiserver", "publisher", "controllers", "scheduler"]
    for name, words in found.items():
        assert "User=kubus" in words
        assert "ProtectSystem=strict" in words
        writes = [line for line in words.splitlines() if line.startswith("ReadWritePaths=")]
        assert writes == ([f"ReadWritePaths={Path('/var/lib/kubus') / name}"] if name in {"etcd", "nats"} else [])


def test_words_with_blanks_and_percents_reach_the_program_whole() -> None:
    unit = units(_topology(1), on_machine(Path("/my etc/100%")), "/p", "/e", "/n")[1]
    assert 'ExecStart=/n --config "/my etc/100%%/nats-server.conf"' in text(unit)
