"""Label and field selectors of one list, watch or deletecollection; decodes no more than is asked about."""

from __future__ import annotations

from typing import Any

import msgspec

from schemas import codec
from schemas.errors import BadRequest
from schemas.kind import Kind
from schemas.meta.selector import parse_fields, parse_labels

from .watchcache import Item

EVERYWHERE = ("metadata.name", "metadata.namespace")


class _Meta(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}


class _Headed(msgspec.Struct):
    metadata: _Meta


_HEAD = msgspec.json.Decoder(_Headed)


class Selection:
    """What a client wants of a kind in a namespace ("" = all). Raises BadRequest on selectors that do not parse."""

    def __init__(self, kind: Kind, namespace: str, labels: str, fields: str, name: str = "") -> None:
        self.kind, self.namespace, self.only = kind, namespace, name
        self._labels = parse_labels(labels) if labels else None
        self._fields = parse_fields(fields) if fields else None
        requirements = self._fields.requirements if self._fields else ()
        for field, op, value in requirements:
            if field not in EVERYWHERE and field not in kind.selectable:
                raise BadRequest(f'Unable to find "{kind.group}/{kind.version}, Resource={kind.plural}" that match '
                                 f'label selector "{labels}", field selector "{fields}": '
                                 f"field label not supported: {field}")
            if field == "metadata.name" and op != "!=" and not name:
                self.only = value
        self._deep = any(field not in EVERYWHERE for field, _, _ in requirements)

    @property
    def everything(self) -> bool:
        """Is nothing filtered?"""
        return self._labels is None and self._fields is None and not self.only

    def takes_stored(self, raw: bytes) -> bool:
        """Does an object in stored bytes match?"""
        if self.everything:
            return True
        meta = _HEAD.decode(raw).metadata
        return self._takes(raw, meta.namespace, meta.name, meta.labels)

    def takes(self, item: Item) -> bool:
        """Does a cached object match?"""
        if self.namespace and item.namespace != self.namespace:
            return False
        if self.everything:
            return True
        if self.only and item.name != self.only:
            return False
        return self._takes(item.raw, item.namespace, item.name, item.labels if self._labels is not None else {})

    def _takes(self, raw: bytes, namespace: str, name: str, labels: dict[str, str]) -> bool:
        if self.only and name != self.only:
            return False
        if self._labels is not None and not self._labels.matches(labels):
            return False
        if self._fields is None:
            return True
        obj: Any = codec.decode(self.kind.type, raw) if self._deep else None
        selectable = self.kind.selectable

        def get(field: str) -> str:
            if field == "metadata.name":
                return name
            return namespace if field == "metadata.namespace" else selectable[field](obj)

        return self._fields.matches(get)
