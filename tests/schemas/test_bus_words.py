"""Subjects, frames and proofs: exact inverses, readable, unforgeable."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.bus import events, proof, subjects
from schemas.bus.subjects import FeedId, ObjectId
from schemas.codec import splice_revision

pytestmark = pytest.mark.unit

# Kubernetes' path segment names: anything but "", ".", "..", "/" and "%" (k8s.io/apimachinery path validation).
NAMES = st.text(st.characters(blacklist_characters="/%", blacklist_categories=("Cs",)), min_size=1, max_size=20)
WORDS = st.from_regex(r"[a-z]{1,12}", fullmatch=True)
OBJECTS = st.builds(
    ObjectId, st.sampled_from(["", "apps", "rbac.authorization.k8s.io"]), st.sampled_from(["v1", "v1beta1"]), WORDS,
    st.one_of(st.just(""), NAMES), NAMES,
)


@given(OBJECTS)
def test_a_subject_says_exactly_which_object(one: ObjectId) -> None:
    assume(not (one.plural == "namespaces" and one.namespace == "" and one.group == ""))
    text = subjects.subject(one)
    assert subjects.parse(text) == one
    assert all(token and not set(token) & set(" *>\t") for token in text.split("."))


@given(OBJECTS, OBJECTS)
def test_different_objects_have_different_subjects(one: ObjectId, two: ObjectId) -> None:
    assert (subjects.subject(one) == subjects.subject(two)) == (one == two)


@given(NAMES, WORDS, NAMES, NAMES)
def test_a_feed_subject_is_in_its_node_s_tree_and_no_object_s(node: str, plural: str, space: str, name: str) -> None:
    one = FeedId(node, plural, space, name)
    text = subjects.feed(one)
    assert subjects.parse_feed(text) == one
    assert text.startswith(subjects.feed_interest(node).removesuffix(">"))
    assert not subjects.is_feed_tick(text)
    with pytest.raises(ValueError, match="not an object"):
        subjects.parse(text)
    assert subjects.is_feed_tick(subjects.feed_tick(node))


@given(NAMES, st.sampled_from(["GET", "POST", "PATCH", "DELETE", "PUT"]), st.lists(NAMES, min_size=1, max_size=6))
def test_a_request_subject_says_who_and_what(node: str, method: str, path: list[str]) -> None:
    identity = subjects.node_identity(node)
    text = subjects.api_request(identity, method, "/" + "/".join(path))
    assert subjects.parse_api_request(text) == (identity, method, "/" + "/".join(path))
    assert text.startswith(f"api.{identity}.")


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (ObjectId("", "v1", "pods", "default", "web-1"), "watch.api.v1.namespaces.default.pods.web-1"),
        (ObjectId("", "v1", "nodes", "", "n1"), "watch.api.v1.nodes.n1"),
        (ObjectId("", "v1", "namespaces", "", "default"), "watch.api.v1.namespaces.default"),
        (ObjectId("apps", "v1", "deployments", "d", "a.b"), "watch.apis.apps.v1.namespaces.d.deployments.a%2Eb"),
    ],
)
def test_subjects_mirror_the_watch_api(one: ObjectId, text: str) -> None:
    assert subjects.subject(one) == text
    assert subjects.parse(text) == one


@given(st.sampled_from(["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]), st.dictionaries(st.text(), st.integers()))
def test_a_frame_is_one_kubernetes_watch_event_and_opens_without_decoding(type_: events.EventType,
                                                                         obj: dict[str, int]) -> None:
    raw = msgspec.json.encode(obj)
    framed = events.frame(type_, raw)
    assert msgspec.json.decode(framed) == {"type": type_, "object": obj}
    assert events.object_of(framed, type_) == raw


@given(st.dictionaries(st.sampled_from(["name", "labels"]), st.text()), st.integers(1, 2**60))
def test_the_revision_is_spliced_into_stored_bytes(meta: dict[str, str], revision: int) -> None:
    obj = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"metadata": {}}}
    spliced = msgspec.json.decode(splice_revision(msgspec.json.encode(obj), revision))
    assert spliced == {**obj, "metadata": {**meta, "resourceVersion": str(revision)}}


FIELDS = {"subject": "api.node.n1.get.x", "reply": "_INBOX.node.n1.1", "body": b"{}", "query": "", "content_type": "j",
          "request_id": "r", "at_ms": 1, "nonce": "n"}


@pytest.mark.parametrize("field", list(FIELDS))
def test_a_proof_covers_every_part_of_a_request(field: str) -> None:
    key = proof.session_key(b"secret", "node.n1")
    value = FIELDS[field]
    other = value + 1 if isinstance(value, int) else value + (b"x" if isinstance(value, bytes) else "x")  # type: ignore[operator]
    assert proof.sign(key, **FIELDS) == proof.sign(key, **FIELDS)  # type: ignore[arg-type]
    assert proof.sign(key, **{**FIELDS, field: other}) != proof.sign(key, **FIELDS)  # type: ignore[arg-type]


def test_every_identity_has_its_own_key() -> None:
    assert proof.session_key(b"secret", "node.n1") != proof.session_key(b"secret", "node.n2")
    assert proof.session_key(b"secret", "node.n1") != proof.session_key(b"other", "node.n1")
