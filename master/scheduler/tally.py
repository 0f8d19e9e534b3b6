"""Running counts of pods per node and per topology domain, so that affinity and spread never walk over pods. Pure.

A `Tally` counts one crowd (pods that some template wants counted) or the carriers of one term (placed pods that have
this affinity or anti-affinity). Placed pods of the same template on the same footing form a `Cohort`: which tallies
a pod moves is worked out once per cohort, so placing a pod costs a few additions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .columns import FLOAT, Bools, Floats, Ints, grown
from .labels import LabelColumn
from .podinfo import PodInfo
from .terms import Crowd, Namespaces, Term

ANTI, NEAR, WISH = "anti", "near", "wish"
NEAR_WEIGHT = 1
"""Points for a placed pod that requires affinity to this one (Kubernetes' hardPodAffinityWeight)."""


class Carried(NamedTuple):
    """A term that placed pods carry: required anti-affinity, required affinity, or a wish with its signed weight."""

    sort: str
    weight: int
    term: Term


class Concern(NamedTuple):
    """What other pods mean to one template: counts that may keep it away, and counts that draw or push it."""

    anti: tuple[tuple[Tally, str], ...] = ()
    """(tally, topology key) of placed pods' required anti-affinity."""
    wishes: tuple[tuple[int, str, Tally], ...] = ()
    """(weight, topology key, tally): own wishes, those of placed pods, and their required affinity."""


class Domains:
    """A tally by value id of one topology key; `number` of domains have a node that counts."""

    def __init__(self, counts: Floats, ids: Ints, mask: Bools | None, number: int) -> None:
        self.counts = counts
        self.number = number
        self._ids = ids
        self._mask = mask

    def add(self, row: int, number: int) -> None:
        """`number` more pods (or fewer) in `row`."""
        if self._mask is None or self._mask[row]:
            self.counts[self._ids[row]] += number


class Tally:
    """Pods per row; `version` rises with every change."""

    def __init__(self, capacity: int) -> None:
        self.rows: Floats = np.zeros(capacity, dtype=FLOAT)
        """Whole numbers, but kept as floats: scores multiply them."""
        self.total = 0
        self.version = 0
        self._domains: dict[tuple[str, int], Domains] = {}

    def add(self, row: int, number: int) -> None:
        """`number` more pods (or fewer) in `row`."""
        self.rows[row] += number
        self.total += number
        self.version += 1
        for domains in self._domains.values():
            domains.add(row, number)

    def counted(self, key: str, absent: int = 0) -> Domains | None:
        """What `count` found, kept in step; None after nodes changed."""
        return self._domains.get((key, absent))

    def count(self, key: str, column: LabelColumn, mask: Bools | None = None, absent: int = 0) -> Domains:
        """Pods per value id of `key`, from now on kept in step. With a mask, only those rows exist.

        Ids without any such row (always id 0, "no label") count `absent`.
        """
        ids = column.ids
        if mask is None:
            rows, lying = self.rows, np.bincount(ids, minlength=column.size)
        else:
            mask = _padded(mask, len(ids))
            rows, lying = self.rows * mask, np.bincount(ids[mask], minlength=column.size)
        lying[0] = 0
        counts = np.bincount(ids, weights=rows, minlength=column.size).astype(FLOAT)
        counts[lying == 0] = absent
        found = Domains(counts, ids, mask, int(np.count_nonzero(lying)))
        self._domains[key, absent] = found
        return found

    def forget_domains(self) -> None:
        """Nodes changed: what was counted by domain is counted anew when next asked for."""
        self._domains.clear()

    def grow(self, capacity: int) -> None:
        """Make room for more rows."""
        self.rows = grown(self.rows, capacity)
        self._domains.clear()


def _padded(mask: Bools, length: int) -> Bools:
    return mask if len(mask) == length else np.concatenate((mask, np.zeros(length - len(mask), dtype=np.bool_)))


class Cohort:
    """Placed pods of one template, all living or all being deleted."""

    def __init__(self, pod: PodInfo, living: bool) -> None:
        self.pod = pod
        self.living = living
        self.rows: dict[int, int] = {}
        self.tallies: list[Tally] = []
        self.carried: list[tuple[Carried, Tally]] = []


class Tallies:
    """All crowds asked for and all terms carried, kept in step with placed pods."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._cohorts: dict[tuple[PodInfo, bool], Cohort] = {}
        self._crowds: dict[Crowd, Tally] = {}
        self._carried: dict[Carried, tuple[Tally, int]] = {}
        self._concerns: dict[PodInfo, Concern] = {}
        self.namespaces: Namespaces = {}
        self.carried_version = 0

    def grow(self, capacity: int) -> None:
        """Make room for more rows."""
        self._capacity = capacity
        for tally in self._all():
            tally.grow(capacity)

    def forget_domains(self) -> None:
        """Labels or taints of nodes changed."""
        for tally in self._all():
            tally.forget_domains()

    def _all(self) -> list[Tally]:
        return [*self._crowds.values(), *(tally for tally, _ in self._carried.values())]

    def add(self, pod: PodInfo, living: bool, row: int) -> None:
        """A pod is on `row`."""
        cohort = self._cohorts.get((pod, living))
        if cohort is None:
            cohort = self._cohorts[pod, living] = self._cohort(pod, living)
        self._move(cohort, row, 1)

    def remove(self, pod: PodInfo, living: bool, row: int) -> None:
        """A pod has left `row`."""
        cohort = self._cohorts[pod, living]
        self._move(cohort, row, -1)
        if not cohort.rows:
            del self._cohorts[pod, living]
            self._uncarry(cohort)

    @staticmethod
    def _move(cohort: Cohort, row: int, number: int) -> None:
        count = cohort.rows.get(row, 0) + number
        if count:
            cohort.rows[row] = count
        else:
            del cohort.rows[row]
        for tally in cohort.tallies:
            tally.add(row, number)
        for _, tally in cohort.carried:
            tally.add(row, number)

    def _cohort(self, pod: PodInfo, living: bool) -> Cohort:
        cohort = Cohort(pod, living)
        cohort.tallies = [tally for crowd, tally in self._crowds.items() if self._counts(crowd, cohort)]
        for carried in _carried_by(pod):
            tally, uses = self._carried.get(carried) or (Tally(self._capacity), 0)
            if not uses:
                self._recarry()
            self._carried[carried] = (tally, uses + 1)
            cohort.carried.append((carried, tally))
        return cohort

    def _uncarry(self, cohort: Cohort) -> None:
        for carried, tally in cohort.carried:
            uses = self._carried[carried][1] - 1
            if uses:
                self._carried[carried] = (tally, uses)
            else:
                del self._carried[carried]
                self._recarry()

    def _recarry(self) -> None:
        self.carried_version += 1
        self._concerns.clear()

    def _counts(self, crowd: Crowd, cohort: Cohort) -> bool:
        pod = cohort.pod
        if crowd.living and not cohort.living:
            return False
        return crowd.matches(pod.namespace, pod.labels, pod.owner, self.namespaces)

    def of(self, crowd: Crowd) -> Tally:
        """The running count of a crowd; counted once on first use, kept in step from then on until `release`."""
        found = self._crowds.get(crowd)
        if found is None:
            found = self._crowds[crowd] = Tally(self._capacity)
            for cohort in self._cohorts.values():
                if self._counts(crowd, cohort):
                    cohort.tallies.append(found)
                    for row, number in cohort.rows.items():
                        found.add(row, number)
        return found

    def release(self, pod: PodInfo) -> None:
        """Nobody asks for this template's crowds any more."""
        self._concerns.pop(pod, None)
        for crowd in pod.crowds:
            tally = self._crowds.pop(crowd, None)
            if tally is not None:
                for cohort in self._cohorts.values():
                    cohort.tallies = [t for t in cohort.tallies if t is not tally]

    def concern(self, pod: PodInfo) -> Concern:
        """What other pods mean to this template. Remembered until `carried_version` rises."""
        found = self._concerns.get(pod)
        if found is None:
            about = [(carried, tally) for carried, (tally, _) in self._carried.items()
                     if carried.term.pods.matches(pod.namespace, pod.labels, self.namespaces)]
            own = [(weight, term.key, self.of(crowd)) for weight, term, crowd in pod.preferred]
            theirs = [(NEAR_WEIGHT if carried.sort == NEAR else carried.weight, carried.term.key, tally)
                      for carried, tally in about if carried.sort != ANTI]
            anti = tuple((tally, carried.term.key) for carried, tally in about if carried.sort == ANTI)
            found = self._concerns[pod] = Concern(anti, (*own, *theirs))
        return found

    def rename(self, namespaces: Namespaces) -> None:
        """Namespaces got other labels: work out anew which pods each crowd holds."""
        self.namespaces = namespaces
        self._recarry()
        crowds, self._crowds = list(self._crowds), {}
        for cohort in self._cohorts.values():
            cohort.tallies = []
        for crowd in crowds:
            self.of(crowd)


def _carried_by(pod: PodInfo) -> list[Carried]:
    found = [Carried(ANTI, 0, term) for term, _ in pod.apart]
    found += [Carried(NEAR, 0, term) for term in pod.near]
    found += [Carried(WISH, weight, term) for weight, term, _ in pod.preferred]
    return found
