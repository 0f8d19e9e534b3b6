"""Volume sources that live outside the cluster: network filesystems and cloud disks.

Declared so that a round trip loses nothing; which of them a node mounts is the kubelet's business.
"""

from __future__ import annotations

from msgspec import field

from ..meta.object import Wire
from .reference import LocalObjectReference


class AWSElasticBlockStoreVolumeSource(Wire, frozen=True, kw_only=True):
    """An AWS disk."""

    volume_id: str = field(default="", name="volumeID")
    fs_type: str = ""
    partition: int | None = None
    read_only: bool | None = None


class AzureDiskVolumeSource(Wire, frozen=True, kw_only=True):
    """An Azure disk."""

    disk_name: str = ""
    disk_uri: str = field(default="", name="diskURI")
    caching_mode: str = ""
    fs_type: str = ""
    read_only: bool | None = None
    kind: str = ""


class AzureFileVolumeSource(Wire, frozen=True, kw_only=True):
    """An Azure file share."""

    secret_name: str = ""
    share_name: str = ""
    read_only: bool | None = None


class CephFSVolumeSource(Wire, frozen=True, kw_only=True):
    """A Ceph filesystem."""

    monitors: tuple[str, ...] = ()
    path: str = ""
    user: str = ""
    secret_file: str = ""
    secret_ref: LocalObjectReference | None = None
    read_only: bool | None = None


class CinderVolumeSource(Wire, frozen=True, kw_only=True):
    """An OpenStack disk."""

    volume_id: str = field(default="", name="volumeID")
    fs_type: str = ""
    read_only: bool | None = None
    secret_ref: LocalObjectReference | None = None


class FCVolumeSource(Wire, frozen=True, kw_only=True):
    """A Fibre Channel disk."""

    target_wwns: tuple[str, ...] = field(default=(), name="targetWWNs")
    lun: int | None = None
    fs_type: str = ""
    read_only: bool | None = None
    wwids: tuple[str, ...] = ()


class FlexVolumeSource(Wire, frozen=True, kw_only=True):
    """A volume of an out-of-tree driver."""

    driver: str = ""
    fs_type: str = ""
    secret_ref: LocalObjectReference | None = None
    read_only: bool | None = None
    options: dict[str, str] = {}


class FlockerVolumeSource(Wire, frozen=True, kw_only=True):
    """A Flocker dataset."""

    dataset_name: str = ""
    dataset_uuid: str = field(default="", name="datasetUUID")


class GCEPersistentDiskVolumeSource(Wire, frozen=True, kw_only=True):
    """A Google disk."""

    pd_name: str = ""
    fs_type: str = ""
    partition: int | None = None
    read_only: bool | None = None


class GitRepoVolumeSource(Wire, frozen=True, kw_only=True):
    """A Git checkout."""

    repository: str = ""
    revision: str = ""
    directory: str = ""


class GlusterfsVolumeSource(Wire, frozen=True, kw_only=True):
    """A Gluster volume."""

    endpoints: str = ""
    path: str = ""
    read_only: bool | None = None


class ISCSIVolumeSource(Wire, frozen=True, kw_only=True):
    """An iSCSI disk."""

    target_portal: str = ""
    iqn: str = ""
    lun: int | None = None
    iscsi_interface: str = ""
    fs_type: str = ""
    read_only: bool | None = None
    portals: tuple[str, ...] = ()
    chap_auth_discovery: bool | None = None
    secret_ref: LocalObjectReference | None = None
    chap_auth_session: bool | None = None
    initiator_name: str = ""


class NFSVolumeSource(Wire, frozen=True, kw_only=True):
    """An NFS export."""

    server: str = ""
    path: str = ""
    read_only: bool | None = None


class PhotonPersistentDiskVolumeSource(Wire, frozen=True, kw_only=True):
    """A Photon disk."""

    pd_id: str = field(default="", name="pdID")
    fs_type: str = ""


class PortworxVolumeSource(Wire, frozen=True, kw_only=True):
    """A Portworx volume."""

    volume_id: str = field(default="", name="volumeID")
    fs_type: str = ""
    read_only: bool | None = None


class QuobyteVolumeSource(Wire, frozen=True, kw_only=True):
    """A Quobyte volume."""

    registry: str = ""
    volume: str = ""
    read_only: bool | None = None
    user: str = ""
    group: str = ""
    tenant: str = ""


class RBDVolumeSource(Wire, frozen=True, kw_only=True):
    """A Ceph block device."""

    monitors: tuple[str, ...] = ()
    image: str = ""
    fs_type: str = ""
    pool: str = ""
    user: str = ""
    keyring: str = ""
    secret_ref: LocalObjectReference | None = None
    read_only: bool | None = None


class ScaleIOVolumeSource(Wire, frozen=True, kw_only=True):
    """A ScaleIO volume."""

    gateway: str = ""
    system: str = ""
    secret_ref: LocalObjectReference | None = None
    ssl_enabled: bool | None = None
    protection_domain: str = ""
    storage_pool: str = ""
    storage_mode: str = ""
    volume_name: str = ""
    fs_type: str = ""
    read_only: bool | None = None


class StorageOSVolumeSource(Wire, frozen=True, kw_only=True):
    """A StorageOS volume."""

    volume_name: str = ""
    volume_namespace: str = ""
    fs_type: str = ""
    read_only: bool | None = None
    secret_ref: LocalObjectReference | None = None


class VsphereVirtualDiskVolumeSource(Wire, frozen=True, kw_only=True):
    """A vSphere disk."""

    volume_path: str = ""
    fs_type: str = ""
    storage_policy_name: str = ""
    storage_policy_id: str = field(default="", name="storagePolicyID")


class CSIVolumeSource(Wire, frozen=True, kw_only=True):
    """A volume of a CSI driver, made for the pod."""

    driver: str = ""
    read_only: bool | None = None
    fs_type: str = ""
    volume_attributes: dict[str, str] = {}
    node_publish_secret_ref: LocalObjectReference | None = None
