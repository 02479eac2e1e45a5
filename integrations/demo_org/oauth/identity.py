"""Who the user is: identity URL, userinfo, OpenID configuration, keys and id tokens."""

import base64
import threading
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from integrations.demo_org.oauth import accounts
from integrations.demo_org.oauth.clients import SCOPES, private_pem

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

SERVICES = {
    "enterprise": "/services/Soap/c/{version}/%s",
    "metadata": "/services/Soap/m/{version}/%s",
    "partner": "/services/Soap/u/{version}/%s",
    "rest": "/services/data/v{version}/",
    "sobjects": "/services/data/v{version}/sobjects/",
    "search": "/services/data/v{version}/search/",
    "query": "/services/data/v{version}/query/",
    "recent": "/services/data/v{version}/recent/",
    "tooling_soap": "/services/Soap/T/{version}/%s",
    "tooling_rest": "/services/data/v{version}/tooling/",
}
ID_TOKEN_SECONDS = 120
_KEY_LOCK = threading.Lock()


def identity_url(org: "DemoOrg", origin: str, user_id: str) -> str:
    """The address that names a user: `{origin}/id/{org18}/{user18}`."""
    return f"{origin}/id/{org.info.org_id}/{user_id}"


def service_urls(org: "DemoOrg", origin: str, user_id: str) -> dict[str, str]:
    """The `urls` of an identity; they keep the literal text `{version}`."""
    services = {name: origin + path.replace("%s", org.info.org_id[:15]) for name, path in SERVICES.items()}
    return services | {"profile": f"{origin}/{user_id}", "custom_domain": origin}


def describe_identity(org: "DemoOrg", origin: str, user_id: str) -> dict[str, Any]:
    """The flat body of the identity URL (recording oauth/identity-url-shape.json)."""
    facts = _facts(org, user_id)
    return {
        "id": identity_url(org, origin, user_id),
        "asserted_user": True,
        "user_id": user_id,
        "organization_id": org.info.org_id,
        "username": facts["username"],
        "nick_name": facts["nick_name"],
        "display_name": facts["name"],
        "email": facts["email"],
        "email_verified": True,
        "first_name": facts["first_name"],
        "last_name": facts["last_name"],
        "timezone": facts["time_zone"],
        "photos": {"picture": f"{origin}/profilephoto/005/F", "thumbnail": f"{origin}/profilephoto/005/T"},
        "addr_street": facts["street"],
        "addr_city": facts["city"],
        "addr_state": facts["state"],
        "addr_country": facts["country"],
        "addr_zip": facts["zip"],
        "mobile_phone": facts["mobile"],
        "mobile_phone_verified": False,
        "is_lightning_login_user": False,
        "status": {"created_date": None, "body": None},
        "urls": service_urls(org, origin, user_id),
        "active": facts["active"],
        "user_type": facts["user_type"],
        "language": facts["language"],
        "locale": facts["locale"],
        "utcOffset": facts["offset"],
        "last_modified_date": facts["modified"],
        "is_app_installed": True,
    }


def describe_userinfo(org: "DemoOrg", origin: str, user_id: str) -> dict[str, Any]:
    """The OpenID view of the user (recording oauth/userinfo.json); `sub` is the identity URL."""
    facts = _facts(org, user_id)
    return {
        "sub": identity_url(org, origin, user_id),
        "user_id": user_id,
        "organization_id": org.info.org_id,
        "preferred_username": facts["username"],
        "nickname": facts["nick_name"],
        "name": facts["name"],
        "email": facts["email"],
        "email_verified": True,
        "given_name": facts["first_name"],
        "family_name": facts["last_name"],
        "zoneinfo": facts["time_zone"],
        "photos": {"picture": f"{origin}/profilephoto/005/F", "thumbnail": f"{origin}/profilephoto/005/T"},
        "profile": f"{origin}/{user_id}",
        "picture": f"{origin}/profilephoto/005/F",
        "address": {"country": facts["country"]} if facts["country"] else {},
        "is_salesforce_integration_user": False,
        "urls": service_urls(org, origin, user_id),
        "active": facts["active"],
        "user_type": facts["user_type"],
        "language": facts["language"],
        "locale": facts["locale"],
        "utcOffset": facts["offset"],
        "updated_at": facts["modified"],
    }


def describe_provider(origin: str) -> dict[str, Any]:
    """The body of `/.well-known/openid-configuration`."""
    return {
        "issuer": origin,
        "authorization_endpoint": f"{origin}/services/oauth2/authorize",
        "token_endpoint": f"{origin}/services/oauth2/token",
        "revocation_endpoint": f"{origin}/services/oauth2/revoke",
        "userinfo_endpoint": f"{origin}/services/oauth2/userinfo",
        "jwks_uri": f"{origin}/id/keys",
        "introspection_endpoint": f"{origin}/services/oauth2/introspect",
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
        "display_values_supported": ["page", "popup", "touch"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "private_key_jwt"],
        "claims_supported": [
            "active",
            "email",
            "email_verified",
            "family_name",
            "given_name",
            "name",
            "organization_id",
            "sub",
        ],
    }


def describe_keys(org: "DemoOrg") -> dict[str, Any]:
    """The public keys that id tokens are signed with, as a JSON Web Key set."""
    key_id, key = signing_key(org)
    numbers = key.public_key().public_numbers()
    public = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": key_id, "n": _number(numbers.n), "e": _number(numbers.e)}
    return {"keys": [public]}


def issue_id_token(org: "DemoOrg", origin: str, *, user_id: str, client_id: str, nonce: str, scopes: Iterable[str]) -> str:
    """A signed id token, valid for two minutes; profile and e-mail claims follow the scopes."""
    now, facts, granted = int(org.clock.now().timestamp()), _facts(org, user_id), set(scopes)
    claims: dict[str, Any] = {
        "iss": origin,
        "sub": identity_url(org, origin, user_id),
        "aud": client_id,
        "iat": now,
        "exp": now + ID_TOKEN_SECONDS,
    }
    if nonce:
        claims["nonce"] = nonce
    if granted & {"profile", "full"}:
        claims |= {"name": facts["name"], "given_name": facts["first_name"], "family_name": facts["last_name"]}
        claims |= {"preferred_username": facts["username"], "zoneinfo": facts["time_zone"]}
    if granted & {"email", "full"}:
        claims |= {"email": facts["email"], "email_verified": True}
    key_id, key = signing_key(org)
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": key_id})


def signing_key(org: "DemoOrg") -> tuple[str, rsa.RSAPrivateKey]:
    """The org's own key, made with the org (of older ones at first use) and kept in the store, also by a reset."""
    with _KEY_LOCK:
        row = org.store.read().execute("SELECT key_id, private_key FROM _oauth_key LIMIT 1").fetchone()
        if row is None:
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            row = ("230", private_pem(key))
            with org.store.write() as connection:
                connection.execute("INSERT INTO _oauth_key VALUES (?, ?)", row)
    return row[0], _load_key(row[1])


@lru_cache(maxsize=8)
def _load_key(pem: str) -> rsa.RSAPrivateKey:
    # The key is our own, so the slow check of a foreign key is not needed.
    loaded = serialization.load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(loaded, rsa.RSAPrivateKey):
        raise TypeError("The signing key of the org is not an RSA key.")
    return loaded


def _facts(org: "DemoOrg", user_id: str) -> dict[str, Any]:
    """What the User record says, with the login's facts where the record is silent."""
    row, login = accounts.user_row(org, user_id), accounts.find_login(org, user_id=user_id)
    username = login.username if login else row.get("Username") or ""
    zone = row.get("TimeZoneSidKey") or "UTC"
    return {
        "username": username,
        "nick_name": row.get("CommunityNickname") or row.get("Alias") or username.partition("@")[0],
        "name": row.get("Name") or username,
        "email": row.get("Email") or username,
        "first_name": row.get("FirstName"),
        "last_name": row.get("LastName") or username,
        "time_zone": zone,
        "street": row.get("Street"),
        "city": row.get("City"),
        "state": row.get("State"),
        "country": row.get("Country"),
        "zip": row.get("PostalCode"),
        "mobile": row.get("MobilePhone"),
        "active": bool(row.get("IsActive", True)) and (login is None or login.active),
        "user_type": (row.get("UserType") or "Standard").upper(),
        "language": row.get("LanguageLocaleKey") or "en_US",
        "locale": row.get("LocaleSidKey") or "en_US",
        "offset": _standard_offset(zone, org.clock.now()),
        "modified": (row.get("LastModifiedDate") or row.get("SystemModstamp") or "2021-01-01T00:00:00.000Z")[:19] + "Z",
    }


def _standard_offset(zone: str, now: datetime) -> int:
    """Milliseconds from UTC in the zone's standard time."""
    try:
        local = now.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        return 0
    offset, summer = local.utcoffset(), local.dst()
    seconds = (offset.total_seconds() if offset else 0) - (summer.total_seconds() if summer else 0)
    return int(seconds * 1000)


def _number(value: int) -> str:
    """A key number in base64url, as JSON Web Keys have it."""
    return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode().rstrip("=")
