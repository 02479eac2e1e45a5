"""Approvals: authorization codes, refresh tokens, rotation, and what ends them."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from integrations.demo_org.oauth import policy, tokens

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

CODE_LIFE = timedelta(minutes=15)
APPROVALS_PER_USER_AND_APP = 5
OFFLINE = frozenset({"refresh_token", "offline_access"})


@dataclass(frozen=True, slots=True)
class Grant:
    """One approval of an app by a user. `created` is epoch seconds of the org's clock."""

    grant_id: str
    client_id: str
    user_id: str
    scopes: tuple[str, ...]
    created: float


@dataclass(frozen=True, slots=True)
class Code:
    """What an authorization code stands for; `used` codes name the grant that they made."""

    client_id: str
    user_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    challenge: str
    nonce: str
    created: float
    used: bool
    grant_id: str


def issue_code(
    org: "DemoOrg", *, client_id: str, user_id: str, redirect_uri: str, scopes: tuple[str, ...], challenge: str, nonce: str
) -> str:
    """A code for one exchange within 15 minutes."""
    code, now = tokens.new_code(), org.clock.now().timestamp()
    values = (tokens.digest(code), client_id, user_id, redirect_uri, " ".join(scopes), challenge, nonce, now)
    with org.store.write() as connection:
        connection.execute(
            "INSERT INTO _oauth_code (hash, client_id, user_id, redirect_uri, scopes, challenge, nonce, created) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
    return code


def find_code(org: "DemoOrg", code: str) -> Code | None:
    """What the code stands for, used or not."""
    row = org.store.read().execute("SELECT * FROM _oauth_code WHERE hash = ?", (tokens.digest(code),)).fetchone()
    if row is None:
        return None
    _, client_id, user_id, redirect_uri, scopes, challenge, nonce, created, used, grant_id = row
    return Code(client_id, user_id, redirect_uri, tuple(scopes.split()), challenge, nonce, created, bool(used), grant_id)


def is_expired(org: "DemoOrg", code: Code) -> bool:
    """Whether the code's quarter of an hour is over."""
    return org.clock.now().timestamp() - code.created > CODE_LIFE.total_seconds()


def take_code(org: "DemoOrg", code: str, grant_id: str) -> bool:
    """Mark the code as used; False when another request was first."""
    with org.store.write() as connection:
        cursor = connection.execute(
            "UPDATE _oauth_code SET used = 1, grant_id = ? WHERE hash = ? AND used = 0", (grant_id, tokens.digest(code))
        )
        return cursor.rowcount == 1


def new_grant_id() -> str:
    """An unguessable name for an approval."""
    return secrets.token_hex(12)


def create_grant(org: "DemoOrg", *, grant_id: str, client_id: str, user_id: str, scopes: tuple[str, ...]) -> str | None:
    """Record an approval; its refresh token if the scopes ask for one. The sixth with a token revokes the oldest."""
    refresh = tokens.new_refresh_token() if OFFLINE.intersection(scopes) else None
    with org.store.write() as connection:
        connection.execute(
            "INSERT INTO _oauth_grant VALUES (?, ?, ?, ?, ?, ?, 0)",
            (
                grant_id,
                client_id,
                user_id,
                " ".join(scopes),
                org.clock.now().timestamp(),
                tokens.digest(refresh) if refresh else None,
            ),
        )
        if refresh:
            connection.execute("INSERT INTO _oauth_refresh VALUES (?, ?, 0)", (tokens.digest(refresh), grant_id))
        surplus = connection.execute(
            "SELECT grant_id FROM _oauth_grant WHERE user_id = ? AND client_id = ? AND revoked = 0 "
            "AND refresh_hash IS NOT NULL ORDER BY rowid DESC LIMIT -1 OFFSET ?",
            (user_id, client_id, APPROVALS_PER_USER_AND_APP),
        ).fetchall()
    for (each,) in surplus:
        revoke_grant(org, each)
    return refresh


def find_by_refresh(org: "DemoOrg", refresh: str) -> tuple[Grant, bool] | None:
    """The living approval of a refresh token, and whether this token was rotated away before. None if unknown or revoked."""
    row = (
        org.store.read()
        .execute(
            "SELECT g.grant_id, g.client_id, g.user_id, g.scopes, g.created, r.spent FROM _oauth_refresh r "
            "JOIN _oauth_grant g ON g.grant_id = r.grant_id WHERE r.hash = ? AND g.revoked = 0",
            (tokens.digest(refresh),),
        )
        .fetchone()
    )
    if row is None:
        return None
    grant = Grant(row[0], row[1], row[2], tuple(row[3].split()), row[4])
    life = float(policy.setting(org, "refresh_token_seconds"))
    if life and org.clock.now().timestamp() - grant.created > life:
        revoke_grant(org, grant.grant_id)
        return None
    return grant, bool(row[5])


def rotate(org: "DemoOrg", grant: Grant, refresh: str) -> str | None:
    """Replace the refresh token. None when another request spent it first: then the whole grant is revoked."""
    fresh = tokens.new_refresh_token()
    with org.store.write() as connection:
        cursor = connection.execute(
            "UPDATE _oauth_refresh SET spent = 1 WHERE hash = ? AND spent = 0", (tokens.digest(refresh),)
        )
        if cursor.rowcount == 1:
            connection.execute("INSERT INTO _oauth_refresh VALUES (?, ?, 0)", (tokens.digest(fresh), grant.grant_id))
            connection.execute(
                "UPDATE _oauth_grant SET refresh_hash = ? WHERE grant_id = ?", (tokens.digest(fresh), grant.grant_id)
            )
            return fresh
    revoke_grant(org, grant.grant_id)
    return None


def revoke_grant(org: "DemoOrg", grant_id: str) -> None:
    """End an approval with its refresh token and all its access tokens."""
    with org.store.write() as connection:
        connection.execute("UPDATE _oauth_grant SET revoked = 1 WHERE grant_id = ?", (grant_id,))
    org.sessions.end_of_grant(grant_id)


def revoke_of_user(org: "DemoOrg", user_id: str) -> int:
    """End every approval of a user, as an administrator can; how many there were."""
    living = (
        org.store.read().execute("SELECT grant_id FROM _oauth_grant WHERE user_id = ? AND revoked = 0", (user_id,)).fetchall()
    )
    for (grant_id,) in living:
        revoke_grant(org, grant_id)
    return len(living)


def has_approved(org: "DemoOrg", *, client_id: str, user_id: str, scopes: tuple[str, ...]) -> bool:
    """Whether the user approved this app before with at least these scopes, so that no consent page is needed."""
    rows = org.store.read().execute(
        "SELECT scopes FROM _oauth_grant WHERE user_id = ? AND client_id = ? AND revoked = 0", (user_id, client_id)
    )
    return any(set(scopes) <= set(row[0].split()) for row in rows)
