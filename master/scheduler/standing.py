"""What is already worked out about one pod template: columns of yes/no and of points, kept in step with the table.

Local rules are asked again only about rows that changed since; wide rules only when their token changed. So the second
copy of a pod costs a few whole-column additions instead of every rule on every node. Nothing here changes an answer: a
standing made anew from the same table says the same (property-tested).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np

from .columns import FLOAT, NODE, OPEN, SHUT, Bools, Floats, Ints, Rows
from .plugin import BEST, WIDE, Filter, Score, everywhere, size
from .podinfo import PodInfo
from .profile import Profile
from .table import NodeTable

_UNKNOWN = object()
_BYTES_PER_ROW = 24
"""About what a standing keeps per node."""


class Look(NamedTuple):
    """Where a pod may run: as yes and no, how many, and as 0 and -inf (None: everywhere)."""

    fits: Bools
    number: int
    shut: Floats | None


class WideFilter:
    """A wide filter's last answer."""

    def __init__(self, rule: Filter) -> None:
        self.rule = rule
        self.token: Hashable = _UNKNOWN
        self.column: Bools | None = None
        self.all = False


class WideScore:
    """A wide score's last raw points."""

    def __init__(self, rule: Score, weight: int) -> None:
        self.rule = rule
        self.weight = weight
        self.token: Hashable = _UNKNOWN
        self.raw: Floats | None = None


class Standing:
    """One template against one table under one profile."""

    def __init__(self, pod: PodInfo, nodes: NodeTable, profile: Profile) -> None:
        self.pod = pod
        self.nodes = nodes
        self.filters = tuple(rule for rule in profile.filters if rule.applies(pod))
        local = [rule for rule in self.filters if rule.reads != WIDE]
        self._still = [rule for rule in local if rule.reads == NODE]
        self._moving = [rule for rule in local if rule.reads != NODE]
        self._wide = [WideFilter(rule) for rule in self.filters if rule.reads == WIDE]
        scores = [(rule, weight) for rule, weight in profile.scores if rule.applies(pod)]
        self.local_scores = [(rule, weight) for rule, weight in scores if rule.reads != WIDE]
        self.wide_scores = [WideScore(rule, weight) for rule, weight in scores if rule.reads == WIDE]
        self.refused_at = -1
        """The table's version when no node fitted; while it stands, none does."""
        self.refusal: Any = None
        """What `cycle` said then."""
        self._look: Look | None = None
        self._look_at = -1
        self._total: Floats | None = None
        self._position = -1
        self._static_version = -1
        self._still_fits: Bools = np.zeros(0, dtype=np.bool_)
        self._local_fits: Bools = self._still_fits
        self._points: Floats = np.zeros(0, dtype=FLOAT)
        self._shut: Floats = self._points

    def refresh(self) -> None:
        """Bring the local columns up to date."""
        nodes = self.nodes
        changed = nodes.changes(self._position)
        if changed is None or len(self._points) != nodes.length or len(changed) > 64 + nodes.length // 4:
            self._still_fits = nodes.alive[nodes.rows] & self._ask(self._still, nodes.rows)
            self._local_fits = self._still_fits & self._ask(self._moving, nodes.rows)
            self._points = self._score(nodes.rows).astype(FLOAT)
            self._shut = np.where(self._local_fits, OPEN, SHUT)
        elif len(changed):
            self._touch(changed)
        self._position = nodes.position
        self._static_version = nodes.static_version

    def _touch(self, rows: Ints) -> None:
        if self._static_version != self.nodes.static_version:
            self._still_fits[rows] = self.nodes.alive[rows] & self._ask(self._still, rows)
        fits = self._still_fits[rows] & self._ask(self._moving, rows)
        self._local_fits[rows] = fits
        self._points[rows] = self._score(rows)
        self._shut[rows] = np.where(fits, OPEN, SHUT)

    def _ask(self, rules: list[Filter], rows: Rows) -> Bools:
        found: Bools | None = None
        for rule in rules:
            column = rule.fits(self.pod, self.nodes, rows)
            found = column if found is None else found & column
        return everywhere(self.nodes, rows) if found is None else found

    def _score(self, rows: Rows) -> Floats:
        points: Floats | None = None
        for rule, weight in self.local_scores:
            column = rule.score(self.pod, self.nodes, rows)
            if weight != 1:
                column = column * weight
            points = column if points is None else np.add(points, column, out=points)
        return np.zeros(size(self.nodes, rows)) if points is None else points

    def possible(self) -> Bools:
        """Where the pod might run if other pods went away: what nodes themselves say."""
        return self._still_fits

    def look(self) -> Look:
        """Where the pod may run. The columns are shared: do not write into them."""
        if self._look is None or self._look_at != self.nodes.version:
            self._look, self._look_at, self._total = self._looked(), self.nodes.version, None
        return self._look

    def _looked(self) -> Look:
        fits, narrowed = self._local_fits, False
        for wide in self._wide:
            token = wide.rule.token(self.pod, self.nodes)
            if token is None:
                continue
            if token != wide.token or wide.column is None:
                wide.column = wide.rule.fits(self.pod, self.nodes, self.nodes.rows)
                wide.token, wide.all = token, bool(wide.column.all())
            if not wide.all:
                fits, narrowed = fits & wide.column, True
        count = int(np.count_nonzero(fits))
        if count == len(fits):
            return Look(fits, count, None)
        return Look(fits, count, np.where(fits, OPEN, SHUT) if narrowed and count else self._shut)

    def points(self, look: Look) -> Floats:
        """Weighted points of all rows, as seen among those that fit; -inf where it does not. Shared, like `look`."""
        if self._total is None or look is not self._look:
            self._total = self._summed(look)
        return self._total

    def _summed(self, look: Look) -> Floats:
        total = self._points.copy() if look.shut is None else self._points + look.shut
        for wide in self.wide_scores:
            raw = self.raw(wide)
            if raw is not None:
                total += wide.rule.scaled(raw, look.shut, wide.weight * BEST)
        return total

    def raw(self, wide: WideScore) -> Floats | None:
        """Raw points of a wide score; None if all nodes are alike to it."""
        token = wide.rule.token(self.pod, self.nodes)
        if token is None:
            return None
        if token != wide.token or wide.raw is None:
            wide.raw = wide.rule.score(self.pod, self.nodes, self.nodes.rows)
            wide.token = token
        return wide.raw


class Memory:
    """Standings of the templates last decided about, for one table. Bounded by bytes, oldest forgotten first."""

    def __init__(self, nodes: NodeTable, most_bytes: int = 48 * 1024 * 1024) -> None:
        self._nodes = nodes
        self._most_bytes = most_bytes
        self._found: OrderedDict[tuple[PodInfo, Profile], Standing] = OrderedDict()

    def standing(self, pod: PodInfo, profile: Profile) -> Standing:
        """The template's standing, local columns up to date."""
        key = (pod, profile)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = Standing(pod, self._nodes, profile)
            self._bound()
        else:
            self._found.move_to_end(key)
        found.refresh()
        return found

    def _bound(self) -> None:
        most = max(16, self._most_bytes // (_BYTES_PER_ROW * max(64, self._nodes.length)))
        while len(self._found) > most:
            (pod, _), _ = self._found.popitem(last=False)
            self._nodes.tallies.release(pod)
