"""OAuth clients (apps) of the org: what they may do and where they may be called back."""

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from integrations.demo_org.oauth.tables import create_tables

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

LOOPBACK = "*loopback"
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
WEB_FLOWS = ("authorization_code", "refresh_token")
SCOPES = {
    "api": "Manage user data via APIs",
    "refresh_token": "Perform requests at any time",
    "offline_access": "Perform requests at any time",
    "id": "Access the identity URL service",
    "openid": "Access unique user identifiers",
    "profile": "Access profile information",
    "email": "Access e-mail address",
    "web": "Manage user data via Web browsers",
    "full": "Full access",
}
COLUMNS = (
    "client_id, client_secret, name, flows, scopes, redirect_uris, certificate, private_key, preauthorized, policy, run_as"
)
CHANGEABLE = ("client_secret", "flows", "scopes", "redirect_uris", "preauthorized", "policy", "run_as")


@dataclass(frozen=True, slots=True)
class Client:
    """One app. `policy` is self (users approve), admin (only when pre-authorised) or blocked (not installed, refused).

    `client_secret` empty = a public client, PKCE is its only proof. `run_as` = user name or
    user id of the client-credentials flow, empty = the first login.
    """

    client_id: str
    client_secret: str
    name: str
    flows: tuple[str, ...]
    scopes: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    certificate: str
    private_key: str
    preauthorized: bool
    policy: str
    run_as: str

    def accepts_redirect(self, uri: str) -> bool:
        """Whether the callback is registered: exactly, or on any loopback port with a registered loopback path."""
        return uri in self.redirect_uris or any(_loopback_match(registered, uri) for registered in self.redirect_uris)

    def accepts_secret(self, secret: str) -> bool:
        """Whether the secret fits; a public client needs none."""
        return not self.client_secret or secrets.compare_digest(secret.encode(), self.client_secret.encode())


def seed_clients(org: "DemoOrg") -> None:
    """Create the apps of a fresh org: web, server-to-server, JWT and the Salesforce CLI's. Repeating it changes nothing."""
    with org.store.write() as connection:
        create_tables(connection)
        if connection.execute("SELECT 1 FROM _oauth_client LIMIT 1").fetchone():
            return
        for position, client in enumerate(_first_clients()):
            _insert(connection, client, position)


def create_client(org: "DemoOrg", client: Client) -> None:
    """Add one app, as the control plane does."""
    with org.store.write() as connection:
        create_tables(connection)
        _insert(connection, client, connection.execute("SELECT count(*) FROM _oauth_client").fetchone()[0])


def change_client(org: "DemoOrg", client_id: str, changes: dict[str, Any]) -> Client | None:
    """Apply a partial update (policy, secret, callbacks, ...). None if there is no such app."""
    with org.store.write() as connection:
        for name, value in changes.items():
            if name in CHANGEABLE:
                stored = orjson.dumps(value).decode() if isinstance(value, list | tuple) else value
                connection.execute(f"UPDATE _oauth_client SET {name} = ? WHERE client_id = ?", (stored, client_id))  # noqa: S608
    return find_client(org, client_id)


def find_client(org: "DemoOrg", client_id: str) -> Client | None:
    """The app of that consumer key."""
    row = org.store.read().execute(f"SELECT {COLUMNS} FROM _oauth_client WHERE client_id = ?", (client_id,)).fetchone()  # noqa: S608
    return _from_row(tuple(row)) if row else None


def describe_clients(org: "DemoOrg") -> list[dict[str, Any]]:
    """Every app for `GET /__demo__/info`; the private key of the JWT app is included, it is only for practice."""
    rows = org.store.read().execute(f"SELECT {COLUMNS} FROM _oauth_client ORDER BY position").fetchall()  # noqa: S608
    return [describe_client(_from_row(tuple(row))) for row in rows]


def first_client(org: "DemoOrg") -> Client:
    """The app that was created first: the web app of a seeded org."""
    row = org.store.read().execute(f"SELECT {COLUMNS} FROM _oauth_client ORDER BY position LIMIT 1").fetchone()  # noqa: S608
    return _from_row(tuple(row))


def describe_client(client: Client) -> dict[str, Any]:
    """One app as the control plane shows it."""
    shown = {
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "name": client.name,
        "flows": list(client.flows),
        "scopes": list(client.scopes),
        "redirect_uris": list(client.redirect_uris),
        "policy": client.policy,
        "preauthorized": client.preauthorized,
    }
    return shown | ({"certificate": client.certificate, "private_key": client.private_key} if client.private_key else {})


def new_id() -> str:
    """A consumer key: the usual prefix and 80 random characters."""
    return "3MVG9" + secrets.token_urlsafe(60).replace("-", ".")[:80]


def new_secret() -> str:
    """A consumer secret: 64 hexadecimal digits in capitals."""
    return secrets.token_hex(32).upper()


def new_certificate(name: str) -> tuple[str, str]:
    """A fresh RSA key and its self-signed certificate, both PEM text."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    return private_pem(key), certificate.public_bytes(serialization.Encoding.PEM).decode()


def private_pem(key: rsa.RSAPrivateKey) -> str:
    """The private key as PEM text."""
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def is_loopback(uri: str) -> bool:
    """Whether the address is http(s) on this machine, without user info or fragment."""
    try:
        parts = urlsplit(uri)
        port_fits = parts.port is None or 0 < parts.port < 65536
    except ValueError:
        return False
    plain = not parts.fragment and parts.username is None and "\\" not in uri
    return parts.scheme in {"http", "https"} and parts.hostname in LOOPBACK_HOSTS and plain and port_fits


def _first_clients() -> list[Client]:
    key, certificate = new_certificate("Causeway JWT")
    flows, scopes = (*WEB_FLOWS, "password"), tuple(SCOPES)
    plain = Client(new_id(), new_secret(), "Causeway", flows, scopes, (LOOPBACK,), "", "", False, "self", "")
    server = replace(plain, name="Causeway Server", flows=("client_credentials",), redirect_uris=(), preauthorized=True)
    signed = replace(plain, name="Causeway JWT", flows=(JWT_BEARER, *WEB_FLOWS), preauthorized=True)
    return [
        plain,
        replace(server, client_id=new_id(), client_secret=new_secret()),
        replace(signed, client_id=new_id(), client_secret=new_secret(), certificate=certificate, private_key=key),
        replace(plain, client_id="PlatformCLI", client_secret="", name="Salesforce CLI", flows=WEB_FLOWS),
    ]


def _loopback_match(registered: str, uri: str) -> bool:
    if not is_loopback(uri):
        return False
    if registered == LOOPBACK:
        return True
    return is_loopback(registered) and urlsplit(registered).path == urlsplit(uri).path


def _insert(connection: Any, client: Client, position: int) -> None:
    lists = [orjson.dumps(list(each)).decode() for each in (client.flows, client.scopes, client.redirect_uris)]
    connection.execute(
        f"INSERT INTO _oauth_client ({COLUMNS}, position) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (
            client.client_id, client.client_secret, client.name, *lists, client.certificate, client.private_key,
            int(client.preauthorized), client.policy, client.run_as, position,
        ),
    )  # fmt: skip


def _from_row(row: tuple[Any, ...]) -> Client:
    client_id, secret, name, flows, scopes, redirects, certificate, key, preauthorized, policy, run_as = row
    lists = [tuple(orjson.loads(each)) for each in (flows, scopes, redirects)]
    return Client(client_id, secret, name, lists[0], lists[1], lists[2], certificate, key, bool(preauthorized), policy, run_as)
