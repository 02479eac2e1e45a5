"""A local certificate authority and a server certificate for loopback names, made once per data directory."""

import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

YEARS = timedelta(days=3650)
ONE_YEAR = timedelta(days=397)


def ensure_certificates(directory: Path) -> tuple[Path, Path, Path]:
    """(authority certificate, server certificate, server key) in `directory`, created when missing or about to expire."""
    directory.mkdir(parents=True, exist_ok=True)
    authority, certificate, key = (directory / name for name in ("authority.pem", "server.pem", "server.key"))
    if not (authority.exists() and certificate.exists() and key.exists()) or _ends_soon(certificate):
        _create(authority, certificate, key)
    return authority, certificate, key


def _ends_soon(certificate: Path) -> bool:
    """Whether the certificate ends within a week."""
    end = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    return end < datetime.now(UTC) + timedelta(days=7)


def _create(authority: Path, certificate: Path, key: Path) -> None:
    """A fresh authority and a server certificate signed by it; the authority's key is not kept."""
    root_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Demo org local authority")])
    root = (
        _builder(root_name, root_name, root_key.public_key(), YEARS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    names = [x509.DNSName("localhost"), *(x509.IPAddress(ipaddress.ip_address(each)) for each in ("127.0.0.1", "::1"))]
    server = (
        _builder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), root_name, server_key.public_key(), ONE_YEAR
        )
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    authority.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    certificate.write_bytes(server.public_bytes(serialization.Encoding.PEM))
    pem = server_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(pem)


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, life: timedelta
) -> x509.CertificateBuilder:
    """What both certificates share."""
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + life)
    )
