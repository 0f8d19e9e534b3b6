"""Writes `fields.json`, the table that drives the protobuf decoder and encoder. Run by hand, never by the product:

    python -m schemas.protobuf.reduce kubernetes-protobuf-fields.json /path/to/kubectl

Reads the wire numbers of every Kubernetes message (message -> number -> [name, type, label]) and a real kubectl (a
static Go executable for x86-64), whose type descriptors say what the numbers do not: the JSON name, whether a member is
inlined, and whether a scalar is a pointer. That decides what a zero on the wire means: Go sends every scalar that is
not a pointer, zero or not, and its JSON drops those marked omitempty; a pointer is sent only when it was set, so its
zero is a value.
"""

from __future__ import annotations

import json
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Numbers = dict[str, dict[str, list[str]]]
GoFields = dict[int, tuple[str, bool, bool]]
"""Field number -> (JSON name or "" when inlined, is a pointer, is omitempty)."""

API, META = "k8s.io.api.", "k8s.io.apimachinery.pkg.apis.meta.v1."
LISTED = {
    "v1": ("core.v1", ("Pod", "Node", "Namespace", "Service", "ConfigMap", "Secret", "ServiceAccount", "Event")),
    "apps/v1": ("apps.v1", ("Deployment", "ReplicaSet")),
    "coordination.k8s.io/v1": ("coordination.v1", ("Lease",)),
    "discovery.k8s.io/v1": ("discovery.v1", ("EndpointSlice",)),
}
"""The kinds that we serve, with their lists. A new kind: one word here, then run this file."""
SINGLE = {
    "v1/Binding": API + "core.v1.Binding",
    "v1/Status": META + "Status",
    "v1/DeleteOptions": META + "DeleteOptions",
    "policy/v1/Eviction": API + "policy.v1.Eviction",
    "autoscaling/v1/Scale": API + "autoscaling.v1.Scale",
    "authentication.k8s.io/v1/TokenRequest": API + "authentication.v1.TokenRequest",
    "authentication.k8s.io/v1/SelfSubjectReview": API + "authentication.v1.SelfSubjectReview",
    "authorization.k8s.io/v1/SelfSubjectAccessReview": API + "authorization.v1.SelfSubjectAccessReview",
    "authorization.k8s.io/v1/SelfSubjectRulesReview": API + "authorization.v1.SelfSubjectRulesReview",
}
SPECIAL = {
    META + "Time": "Time", META + "MicroTime": "MicroTime", META + "FieldsV1": "FieldsV1",
    "k8s.io.apimachinery.pkg.api.resource.Quantity": "Quantity",
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": "IntOrString",
    API + "authentication.v1.ExtraValue": "Strings", API + "authorization.v1.ExtraValue": "Strings",
}
SCALARS = ("string", "bytes", "bool", "int32", "int64", "double")
POINTER, STRUCT, NAMED, HAS_TAG, EMBEDDED = 22, 25, 1, 2, 8
"""From Go's internal/abi: kind numbers, the type flag of a type with methods, the flag bits of a field name."""


def roots() -> dict[str, str]:
    """`apiVersion/Kind` -> the full name of its message."""
    found = dict(SINGLE)
    for version, (package, kinds) in LISTED.items():
        for kind in kinds:
            found[f"{version}/{kind}"] = f"{API}{package}.{kind}"
            found[f"{version}/{kind}List"] = f"{API}{package}.{kind}List"
    return found


class Executable:
    """The read-only data of a Go executable, read as Go lays out its type descriptors (internal/abi, 64 bit)."""

    def __init__(self, content: bytes) -> None:
        start, size, count, names = (*struct.unpack_from("<Q", content, 40), *struct.unpack_from("<HHH", content, 58))
        self.base, self.data = 0, b""
        sections = [struct.unpack_from("<IIQQQQIIQQ", content, start + at * size) for at in range(count)]
        texts = sections[names][4]
        for section in sections:
            if content.startswith(b".rodata\0", texts + section[0]):
                self.base, self.data = int(section[3]), content[section[4] : section[4] + section[5]]

    def word(self, at: int) -> int:
        return int(struct.unpack_from("<Q", self.data, at - self.base)[0])

    def holds(self, at: int) -> bool:
        return self.base <= at < self.base + len(self.data) - 128

    def text(self, at: int) -> tuple[str, str]:
        """A name record: flag byte, length and text, and with HAS_TAG length and tag."""
        flags, at = self.data[at - self.base], at + 1
        parts = []
        for wanted in (True, bool(flags & HAS_TAG)):
            length = shift = 0
            while wanted:
                byte, at = self.data[at - self.base], at + 1
                length, shift = length | (byte & 127) << shift, shift + 7
                if byte < 128:
                    break
            parts.append(self.data[at - self.base : at - self.base + length].decode("utf-8", "replace"))
            at += length
        return parts[0], parts[1]

    def offset_text(self, at: int) -> str:
        return self.text(self.base + int(struct.unpack_from("<i", self.data, at - self.base)[0]))[0]

    def structs(self) -> Iterator[tuple[str, list[tuple[str, int]]]]:
        """Every named struct: `package/path.Name`, and for each field its tag and the address of its type."""
        for at in range(self.base, self.base + len(self.data) - 128, 8):
            if self.data[at - self.base + 23] & 31 != STRUCT or not self.data[at - self.base + 20] & NAMED:
                continue
            first, count, room = self.word(at + 56), self.word(at + 64), self.word(at + 72)
            if count != room or not 0 < count < 200 or not self.holds(first):
                continue
            records = [(self.word(first + 24 * n), self.word(first + 24 * n + 8)) for n in range(count)]
            if all(self.holds(name) and self.holds(kind) for name, kind in records):
                name = f"{self.offset_text(at + 80)}.{self.offset_text(at + 40).rpartition('.')[2]}"
                yield name, [(self.text(field)[1], kind) for field, kind in records]

    def kind(self, at: int) -> int:
        return self.data[at - self.base + 23] & 31


def go_fields(executable: Executable) -> dict[str, GoFields]:
    """What the Go structs behind the messages say, by message name."""
    found: dict[str, GoFields] = {}
    for name, members in executable.structs():
        fields: GoFields = {}
        for tag, kind in members:
            number = re.search(r'protobuf:"\w+,(\d+)', tag)
            written = re.search(r'json:"([^",]*)([^"]*)"', tag)
            if number and written:
                fields[int(number[1])] = (written[1], executable.kind(kind) == POINTER, "omitempty" in written[2])
        if fields:
            found[name.replace("/", ".")] = fields
    return found


def full(type_: str, package: str) -> str:
    """A type as the table spells it -> scalar, special or full message name."""
    if type_ in SCALARS:
        return type_
    name = type_.lstrip(".")
    name = name if name.startswith("k8s.io.") else f"{package}.{name}"
    return SPECIAL.get(name, name)


def row(field: list[str], package: str, go: tuple[str, bool, bool] | None) -> list[str]:
    """[JSON name, type, mode]: r repeated, m map, i inlined, p a set pointer, z zero is kept, o zero is dropped."""
    name, type_, label = field
    inner = re.fullmatch(r"map<string, (.*)>", type_)
    kind = full(inner[1] if inner else type_, package)
    if go is None:
        mode = "p" if type_ in ("bool", "int32", "int64") else "o"
    else:
        name, mode = go[0], "i" if not go[0] else "p" if go[1] else "o" if go[2] else "z"
    return [name, kind, "m" if inner else "r" if label == "repeated" else mode]


def reduce(numbers: Numbers, go: dict[str, GoFields]) -> dict[str, Any]:
    """The messages reachable from the roots, with short names."""
    messages: dict[str, dict[str, list[str]]] = {}
    waiting = sorted(set(roots().values()))
    while waiting:
        message = waiting.pop()
        if message in messages:
            continue
        package = message.rpartition(".")[0]
        known = go.get(message, {})
        messages[message] = {n: row(f, package, known.get(int(n))) for n, f in numbers[message].items()}
        waiting += [r[1] for r in messages[message].values() if r[1] in numbers]
    short_rows = {short(message): {n: [name, short(type_), mode] for n, (name, type_, mode) in _by_number(rows)}
                  for message, rows in sorted(messages.items())}
    return {"roots": {k: short(v) for k, v in sorted(roots().items())}, "messages": short_rows}


def _by_number(rows: dict[str, list[str]]) -> list[tuple[str, list[str]]]:
    return sorted(rows.items(), key=lambda item: int(item[0]))


def short(name: str) -> str:
    return name.replace(META, "meta.v1.").removeprefix(API)


def main(numbers: str, kubectl: str) -> None:
    table = reduce(json.loads(Path(numbers).read_text()), go_fields(Executable(Path(kubectl).read_bytes())))
    lines = [f'  {json.dumps(m)}: {json.dumps(rows, separators=(",", ":"))}' for m, rows in table["messages"].items()]
    body = ",\n".join(lines)
    target = Path(__file__).with_name("fields.json")
    target.write_text(f'{{"roots": {json.dumps(table["roots"], indent=1)},\n"messages": {{\n{body}\n}}}}\n')


if __name__ == "__main__":
    main(*sys.argv[1:])
