"""Sessions: what an access token (session id) means, how long it lives, how it ends."""

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from integrations.demo_org.oauth import accounts, policy, tokens
from integrations.demo_org.oauth.tables import create_tables
from integrations.demo_org.org import Caller

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

FLUSH_SHARE = 10
REMEMBERED = 10_000
ADMINISTRATOR = "System Administrator"
OWN_COLUMNS = "s.session_id, s.user_id, s.scopes, s.last_used, s.kind, l.username, l.frozen, l.active"
OWN_TABLES = "_session s JOIN _login l ON l.user_id = s.user_id"


@dataclass(frozen=True, slots=True)
class Found:
    """One session with what decides about its use; the last three come from the User record and its profile."""

    session_id: str
    user_id: str
    scopes: str
    last_used: float
    kind: str
    username: str
    frozen: int
    active: int
    is_active: int | None
    time_zone: str | None
    profile: str | None


class Sessions:
    """Opens, finds and ends sessions. Their life is extended by use; a restart keeps them."""

    def __init__(self, org: "DemoOrg") -> None:
        """Use (and if need be create) the side tables of the org's store."""
        self.org = org
        self.addresses = accounts.Addresses()
        self._used: dict[str, float] = {}
        with org.store.write() as connection:
            create_tables(connection)
        org.on_reset(self.forget)

    def forget(self) -> None:
        """Drop what is only in memory, after the org was reset."""
        self._used.clear()
        self.addresses.clear()

    def open(self, user_id: str, *, scopes: tuple[str, ...], client_id: str = "", grant_id: str = "", kind: str = "api") -> str:
        """Start a session and return its token. `kind` is api, soap or browser (a browser session is no API token)."""
        now = self.org.clock.now().timestamp()
        token = tokens.new_access_token(self.org.info.org_id)
        row = (tokens.digest(token), secrets.token_hex(9), user_id, client_id, grant_id, " ".join(scopes), kind, now, now)
        with self.org.store.write() as connection:
            connection.execute("INSERT INTO _session VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        return token

    def caller_for(self, token: str, *, kind: str = "") -> Caller | None:
        """Who holds this token, or None if it is unknown, expired, ended, or its user may not sign in any more.

        Each use extends the session's life by the session timeout.
        """
        key = tokens.digest(token)
        found = self._find(key)
        if found is None or found.frozen or not found.active or found.is_active == 0:
            return None
        if (found.kind == "browser") != (kind == "browser"):
            return None
        now, last_used = self.org.clock.now().timestamp(), max(found.last_used, self._used.get(key, 0.0))
        timeout = float(policy.setting(self.org, "session_seconds"))
        if now - last_used > timeout:
            self.end(token)
            return None
        self._extend(key, now, stored=found.last_used, timeout=timeout)
        return Caller(
            user_id=found.user_id,
            username=found.username,
            session_id=found.session_id,
            scopes=tuple(found.scopes.split()),
            time_zone=found.time_zone or "UTC",
            is_admin=found.profile in {None, ADMINISTRATOR},
        )

    def address_allowed(self, token: str, address: str) -> bool:
        """Whether the session may be used from this address (the org's networks and the user's ranges)."""
        allowed = tuple(policy.setting(self.org, "login_addresses"))
        if allowed and not accounts.in_ranges(address, allowed):
            return False
        found = self._find(tokens.digest(token))
        login = accounts.find_login(self.org, user_id=found.user_id) if found else None
        return login is None or not login.ip_ranges or accounts.in_ranges(address, login.ip_ranges)

    def details(self, token: str) -> dict[str, object] | None:
        """The stored facts of a session (client, grant, scopes, times in epoch seconds), or None."""
        names = ("session_id", "user_id", "client_id", "grant_id", "scopes", "created", "last_used")
        cursor = self.org.store.read().execute(
            f"SELECT {', '.join(names)} FROM _session WHERE hash = ?",  # noqa: S608
            (tokens.digest(token),),
        )
        row = cursor.fetchone()
        return dict(zip(names, row, strict=True)) if row else None

    def last_used(self, token: str) -> float:
        """When this process last saw the token, epoch seconds of the org's clock; 0 if never."""
        return self._used.get(tokens.digest(token), 0.0)

    def end(self, token: str) -> bool:
        """End one session. Whether there was one."""
        with self.org.store.write() as connection:
            return connection.execute("DELETE FROM _session WHERE hash = ?", (tokens.digest(token),)).rowcount > 0

    def expire(self, token: str) -> bool:
        """What the fault `expire_token` does: the session is over although its time is not."""
        return self.end(token)

    def expire_all(self) -> int:
        """End every API session, as when the org's session settings are reset. How many there were."""
        with self.org.store.write() as connection:
            return connection.execute("DELETE FROM _session WHERE kind <> 'browser'").rowcount

    def end_of_user(self, user_id: str) -> int:
        """End all sessions of a user, as freezing does."""
        with self.org.store.write() as connection:
            return connection.execute("DELETE FROM _session WHERE user_id = ?", (user_id,)).rowcount

    def end_of_grant(self, grant_id: str) -> int:
        """End the sessions that came from one approval."""
        with self.org.store.write() as connection:
            return connection.execute("DELETE FROM _session WHERE grant_id = ?", (grant_id,)).rowcount

    def _extend(self, key: str, now: float, *, stored: float, timeout: float) -> None:
        """Remember the use in memory; write it only now and then, so that reading does not wait for the writer."""
        if len(self._used) > REMEMBERED:
            self._used.clear()
        self._used[key] = now
        if now - stored > timeout / FLUSH_SHARE:
            with self.org.store.write() as connection:
                connection.execute("UPDATE _session SET last_used = ? WHERE hash = ?", (now, key))

    def _find(self, key: str) -> Found | None:
        """The session with that digest, joined with its user: one look-up, because every request makes it."""
        known = all(self.org.schema.find(each) for each in ("User", "Profile"))
        columns = "u.IsActive, u.TimeZoneSidKey, coalesce(p.Name, '')" if known else "1, NULL, NULL"
        joins = ' LEFT JOIN "User" u ON u.Id = s.user_id LEFT JOIN Profile p ON p.Id = u.ProfileId' if known else ""
        sql = f"SELECT {OWN_COLUMNS}, {columns} FROM {OWN_TABLES}{joins} WHERE s.hash = ?"  # noqa: S608
        row = self.org.store.read().execute(sql, (key,)).fetchone()
        return Found(*row) if row else None
