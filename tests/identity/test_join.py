"""From a token to a node, against a real API server, etcd and nats-server; and every way in which that is refused."""

from __future__ import annotations

import json
import ssl
import threading
import time
from typing import Any

import msgspec
import pytest

from agents.join import joining, masters
from runtime.api import Api, BusTransport
from runtime.nkey import new_seed, public_of, sign
from schemas.core.node import NODE, Node
from schemas.errors import ApiError, Conflict, Forbidden, TooLarge, Unauthorized, Unreachable
from schemas.join import JOIN, RENEW, JoinAsk, SignedAsk, signed
from schemas.meta.object import ObjectMeta

from .master import Master

pytestmark = [pytest.mark.etcd, pytest.mark.nats]


def ask(node: str, token: str, seed: bytes, *, machine: str = "machine", at: float = 0.0) -> JoinAsk:
    """A join as an agent signs it."""
    moment = int((at or time.time()) * 1000)
    nkey = public_of(seed)
    said = signed("join", node, nkey, moment, token, machine)
    return JoinAsk(token=token, node=node, nkey=nkey, machine=machine, at=moment, signature=sign(seed, said).hex())


def send(master: Master, path: str, body: Any) -> Any:
    context = ssl.create_default_context(cafile=str(master.places.pki / "ca.crt"))
    return masters.ask([master.url], context, "POST", path, body)


async def speaks(master: Master, node: str, at: Any) -> None:
    """Register the Node over the bus with that credential."""
    bus = await master.bus(at)
    try:
        api = Api(BusTransport(bus))
        await api.create(NODE, Node(api_version="v1", kind="Node", metadata=ObjectMeta(name=node)))
        assert (await api.get(NODE, "", node)).metadata.name == node
    finally:
        await bus.close()


async def test_a_machine_joins_and_speaks_as_its_node(master: Master) -> None:
    made = master.token()
    assert made["join"] == f"kubus agent join {master.url} --token {made['token']} --ca-hash {made['caHash']}"
    at = master.join("first", made)
    assert {path.stat().st_mode & 0o777 for path in at.secrets()} == {0o600}
    assert at.folder.stat().st_mode & 0o777 == 0o700
    await speaks(master, "first", at)
    listed = {t["id"]: t for t in json.loads(master.kubus("token", "list", "-o", "json"))}
    assert listed[made["id"]]["usedBy"] == "first"
    stored = json.dumps(master.rest.json("GET", "/api/v1/namespaces/kube-system/secrets"))
    assert made["token"].partition(".")[2] not in stored


def test_a_machine_that_was_removed_joins_again_with_its_old_files(master: Master) -> None:
    at = master.join("readded")
    before = at.seed.read_bytes()
    master.rest.json("POST", "/kubus/v1/nodes/readded/revoke", body={})
    assert joining.join(master.wanted("readded", master.token()), at, "machine-of-readded") is True
    assert at.seed.read_bytes() != before
    assert "revoked" not in master.record("readded")


def test_a_join_that_is_refused_costs_nothing_of_an_older_one(master: Master) -> None:
    at = master.join("kept")
    before = {path: path.read_bytes() for path in at.secrets()}
    with pytest.raises(Unauthorized, match="do the clocks"):
        joining.join(master.wanted("kept", master.token()), at, "machine-of-kept", lambda: time.time() + 600)
    assert {path: path.read_bytes() for path in at.secrets()} == before
    assert joining.join(master.wanted("kept", master.token()), at, "machine-of-kept") is False


def test_a_second_join_changes_nothing_also_while_no_master_answers(master: Master) -> None:
    made = master.token()
    at = master.join("twice", made)
    assert joining.join(master.wanted("twice", made), at, "machine-of-twice") is False
    before = {path: path.read_bytes() for path in at.secrets()}
    nobody = master.wanted("twice", made, servers=("https://127.0.0.1:1",))
    assert joining.join(nobody, at, "machine-of-twice") is False
    assert {path: path.read_bytes() for path in at.secrets()} == before
    assert joining.join(master.wanted("twice", made, labels={"a": "b"}), at, "machine-of-twice") is True
    assert master.config(at).labels == {"a": "b"}


def test_a_token_lets_one_machine_in(master: Master) -> None:
    made = master.token()
    master.join("only", made)
    with pytest.raises(Unauthorized, match="was used already"):
        master.join("another", made)
    reusable = master.token("--reusable")
    master.join("many-1", reusable)
    master.join("many-2", reusable)


def test_of_many_at_once_one_gets_in_with_one_token(master: Master) -> None:
    made, results = master.token(), []

    def one(number: int) -> None:
        try:
            send(master, JOIN, ask(f"crowd-{number}", made["token"], new_seed()))
            results.append("in")
        except (Unauthorized, Conflict) as error:
            results.append(type(error).__name__)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results).count("in") == 1, results
    nodes = [s["metadata"]["name"] for s in master.rest.json("GET", "/api/v1/namespaces/kube-system/secrets")["items"]
             if s["metadata"]["name"].startswith("node-credential-crowd")]
    assert len(nodes) == 1


def test_an_answer_that_was_lost_can_be_asked_for_again(master: Master) -> None:
    made, seed = master.token(), new_seed()
    first, again = (send(master, JOIN, ask("lost", made["token"], seed)) for _ in range(2))
    assert first["proof"] == again["proof"]
    with pytest.raises(Unauthorized, match="was used already"):  # the same key under another name is another node
        send(master, JOIN, ask("lost-2", made["token"], seed))


def test_a_token_ends(master: Master) -> None:
    made = master.token("--ttl", "1s")
    time.sleep(2.1)
    with pytest.raises(Unauthorized, match="not known or has ended"):
        master.join("late", made)


def test_a_token_that_was_deleted_or_guessed_is_refused(master: Master) -> None:
    made = master.token()
    id_, secret = made["token"].split(".")
    for wrong in (f"{id_}.{'0' * 32}", f"zzzzzz.{secret}", f"{id_}.{secret[:-1]}", "nonsense", f"{id_}.{secret}x"):
        with pytest.raises(Unauthorized):
            send(master, JOIN, ask("guess", wrong, new_seed()))
    master.kubus("token", "delete", made["id"])
    with pytest.raises(Unauthorized, match="not known or has ended"):
        master.join("guess", made)


def test_a_token_for_one_node_is_not_for_another(master: Master) -> None:
    made = master.token("--node", "bound")
    with pytest.raises(Forbidden, match="this token is for the node bound, not for unbound"):
        master.join("unbound", made)
    master.join("bound", made)  # a refusal did not cost the token


def test_another_ca_is_told_nothing(master: Master) -> None:
    made = {**master.token(), "caHash": "sha256:" + "0" * 64}
    with pytest.raises(masters.WrongCa, match="nothing was told to it"):
        master.join("misled", made)
    listed = {t["id"]: t for t in json.loads(master.kubus("token", "list", "-o", "json"))}
    assert listed[made["id"]]["usedBy"] == ""


def test_a_second_machine_of_the_same_name_is_refused_with_what_to_do(master: Master) -> None:
    master.join("name", machine="uuid-1")
    for made in (master.token(), master.token("--node", "name")):
        with pytest.raises(Conflict, match="kubus node remove name"):
            master.join("name", made, machine="uuid-2", place="other")


async def test_a_reinstalled_machine_takes_its_name_back_with_a_token_for_it(master: Master) -> None:
    old = master.join("phoenix", machine="uuid-p")
    thief, before = master.copied(old), master.record("phoenix")
    with pytest.raises(Conflict, match="kubus token create --node phoenix"):
        master.join("phoenix", machine="uuid-p", place="reinstalled")
    new = master.join("phoenix", master.token("--node", "phoenix"), machine="uuid-p", place="reinstalled")
    after = master.record("phoenix")
    assert after["generation"] != before["generation"]
    await speaks(master, "phoenix", new)
    with pytest.raises(Unreachable, match=r"(?i)authorization violation"):
        await _until_refused(master, thief)


async def _until_refused(master: Master, config: Any, seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await (await master.bus(config)).close()
    raise AssertionError("still let in")


def test_an_ask_is_signed_by_the_key_it_names_and_now(master: Master) -> None:
    made, seed = master.token("--reusable"), new_seed()
    good = ask("signed", made["token"], seed)
    for bad in (
        msgspec.structs.replace(good, node="signed-2"), msgspec.structs.replace(good, machine="other"),
        msgspec.structs.replace(good, nkey=public_of(new_seed())), msgspec.structs.replace(good, at=good.at + 1),
        msgspec.structs.replace(good, signature="00" * 64), ask("signed", made["token"], seed, at=time.time() - 300),
        ask("signed", made["token"], seed, at=time.time() + 300),
    ):
        with pytest.raises(Unauthorized):
            send(master, JOIN, bad)
    send(master, JOIN, good)
    with pytest.raises(Unauthorized, match="not of the key"):  # a join cannot be turned into a renewal
        send(master, RENEW, SignedAsk(node="signed", nkey=good.nkey, at=good.at, signature=good.signature))


def test_a_bearer_join_token_opens_no_other_door(master: Master) -> None:
    import urllib.error
    import urllib.request

    made = master.token()
    context = ssl.create_default_context(cafile=str(master.places.pki / "ca.crt"))
    for path in ("/api/v1/namespaces/kube-system/secrets", "/api", "/kubus/v1/ca"):
        request = urllib.request.Request(master.url + path, headers={"Authorization": f"Bearer {made['token']}"})
        with pytest.raises(urllib.error.HTTPError) as found:
            urllib.request.urlopen(request, context=context)
        assert found.value.code == 401


def test_strangers_can_send_little_and_not_often(master: Master) -> None:
    with pytest.raises(TooLarge):
        send(master, JOIN, {"token": "x" * 20_000})
    codes: list[str] = []
    trust = ssl.create_default_context(cafile=str(master.places.pki / "ca.crt"))
    while "TooManyRequests" not in codes:
        assert len(codes) < 600, "the bucket never empties"
        try:
            masters._once(master.url, trust, "POST", RENEW, {})
        except ApiError as error:
            codes.append(type(error).__name__)
    assert codes.count("BadRequest") == len(codes) - 1
    assert len(codes) > 30
    time.sleep(3)  # the bucket fills again for the next test


@pytest.mark.parametrize("name", ["", "UPPER", "a b", "../x", "a" * 64, "-a"])
def test_a_name_that_no_node_can_have_is_refused(master: Master, name: str) -> None:
    from schemas.errors import BadRequest

    with pytest.raises(BadRequest, match="cannot be a node's name"):
        send(master, JOIN, ask(name, master.token()["token"], new_seed()))
