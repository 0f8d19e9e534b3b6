"""The cluster's own certificate authority: P-256 keys, X.509 certificates, PEM bytes in and out.

Kubernetes reads a client certificate's CN as the user and each O as a group
(https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates).
Writes no files; `pki.py` keeps them.
"""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

CA_DAYS = 3650
LEAF_DAYS = 825
RENEW_BEFORE_DAYS = 30
_BACKDATE = timedelta(minutes=5)  # machines' clocks differ a little; a certificate must not be "not yet valid" there


class Pair(Struct, frozen=True):
    """A certificate and its private key, both PEM."""

    cert: bytes
    key: bytes


class Want(Struct, frozen=True, kw_only=True):
    """What a leaf certificate should say. `hosts` are DNS names and IP addresses, mixed."""

    user: str
    groups: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


def new_ca(name: str, now: datetime) -> Pair:
    """A self-signed root that may sign leaf certificates only (path length 0)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(cert.public_bytes(serialization.Encoding.PEM), _pem(key))


def issue(ca: Pair, want: Want, now: datetime) -> Pair:
    """A leaf for server and client use, signed by `ca`."""
    signer = serialization.load_pem_private_key(ca.key, None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError("the cluster CA's key is not an elliptic curve key; was pki/ca.key replaced by hand?")
    root = x509.load_pem_x509_certificate(ca.cert)
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in want.groups]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, want.user)]))
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + timedelta(days=LEAF_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if want.hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(h) for h in want.hosts]), critical=False)
    cert = builder.sign(signer, hashes.SHA256())
    return Pair(cert.public_bytes(serialization.Encoding.PEM), _pem(key))


def still_good(pair: Pair, ca: Pair, want: Want, now: datetime) -> bool:
    """Does this leaf still say what is wanted, come from this CA, and live long enough?"""
    cert = x509.load_pem_x509_certificate(pair.cert)
    root = x509.load_pem_x509_certificate(ca.cert)
    try:
        cert.verify_directly_issued_by(root)
    except (InvalidSignature, ValueError):
        return False
    hosts: set[str] = set()
    if want.hosts:
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = {str(name.value) for name in names}
    lives = cert.not_valid_after_utc - now > timedelta(days=RENEW_BEFORE_DAYS)
    return lives and set(want.hosts) <= hosts


def fingerprint(cert: bytes) -> str:
    """`sha256:<hex>` over the certificate's public key, as kubeadm's `--discovery-token-ca-cert-hash` has it."""
    spki = x509.load_pem_x509_certificate(cert).public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return "sha256:" + hashlib.sha256(spki).hexdigest()


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=signs, crl_sign=signs, encipher_only=False, decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
