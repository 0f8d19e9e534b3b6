"""Files made from objects: ConfigMaps, Secrets, the pod's own fields, tokens."""

from __future__ import annotations

from msgspec import field

from ..meta.labelselector import LabelSelector
from ..meta.object import Wire
from .environment import ObjectFieldSelector, ResourceFieldSelector


class KeyToPath(Wire, frozen=True, kw_only=True):
    """Which key becomes which file, with which mode."""

    key: str = ""
    path: str = ""
    mode: int | None = None
    user: int | None = None


class DownwardAPIVolumeFile(Wire, frozen=True, kw_only=True):
    """A file holding a field or a resource of the pod."""

    path: str = ""
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    mode: int | None = None
    user: int | None = None


class ConfigMapProjection(Wire, frozen=True, kw_only=True):
    """Keys of a ConfigMap as files."""

    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    optional: bool | None = None


class SecretProjection(Wire, frozen=True, kw_only=True):
    """Keys of a Secret as files."""

    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    optional: bool | None = None


class DownwardAPIProjection(Wire, frozen=True, kw_only=True):
    """Fields of the pod as files."""

    items: tuple[DownwardAPIVolumeFile, ...] = ()


class ServiceAccountTokenProjection(Wire, frozen=True, kw_only=True):
    """A token of the pod's service account, rotated."""

    audience: str = ""
    expiration_seconds: int | None = None
    path: str = ""
    user: int | None = None


class ClusterTrustBundleProjection(Wire, frozen=True, kw_only=True):
    """Trust anchors as a file."""

    name: str = ""
    signer_name: str = ""
    label_selector: LabelSelector | None = None
    path: str = ""
    optional: bool | None = None
    user: int | None = None


class PodCertificateProjection(Wire, frozen=True, kw_only=True):
    """A private key and certificate made for the pod."""

    signer_name: str = ""
    key_type: str = ""
    max_expiration_seconds: int | None = None
    credential_bundle_path: str = ""
    key_path: str = ""
    certificate_chain_path: str = ""
    user_annotations: dict[str, str] = {}
    user: int | None = None


class VolumeProjection(Wire, frozen=True, kw_only=True):
    """Exactly one source."""

    secret: SecretProjection | None = None
    downward_api: DownwardAPIProjection | None = field(default=None, name="downwardAPI")
    config_map: ConfigMapProjection | None = None
    service_account_token: ServiceAccountTokenProjection | None = None
    cluster_trust_bundle: ClusterTrustBundleProjection | None = None
    pod_certificate: PodCertificateProjection | None = None


class ProjectedVolumeSource(Wire, frozen=True, kw_only=True):
    """Several sources in one directory."""

    sources: tuple[VolumeProjection, ...] = ()
    default_mode: int | None = None
    default_user: int | None = None


class ConfigMapVolumeSource(Wire, frozen=True, kw_only=True):
    """A ConfigMap as a directory."""

    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int | None = None
    optional: bool | None = None
    default_user: int | None = None


class SecretVolumeSource(Wire, frozen=True, kw_only=True):
    """A Secret as a directory (kept in memory)."""

    secret_name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int | None = None
    optional: bool | None = None
    default_user: int | None = None


class DownwardAPIVolumeSource(Wire, frozen=True, kw_only=True):
    """Fields of the pod as a directory."""

    items: tuple[DownwardAPIVolumeFile, ...] = ()
    default_mode: int | None = None
    default_user: int | None = None
