"""v1 ServiceAccount: the identity of the processes in pods."""

from __future__ import annotations

from ..kind import Kind
from ..meta.object import Resource
from ..table import AGE, NAME
from .reference import LocalObjectReference, ObjectReference


class ServiceAccount(Resource, frozen=True, kw_only=True):
    """An identity for processes."""

    secrets: tuple[ObjectReference, ...] = ()
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    automount_service_account_token: bool | None = None


SERVICEACCOUNT = Kind(
    type=ServiceAccount, kind="ServiceAccount", plural="serviceaccounts", singular="serviceaccount", short=("sa",),
    columns=(NAME, AGE),
)
