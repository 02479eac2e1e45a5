"""Logins: who may sign in, with which password and from where, and the lock after wrong passwords."""

import ipaddress
import secrets
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson

from integrations.demo_org.oauth.tables import create_tables

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

WRONG_PASSWORDS_BEFORE_LOCK = 10
WRONG_FROM_ONE_ADDRESS = 200
LOCK_TIME = timedelta(minutes=15)
COLUMNS = "user_id, username, password, security_token, frozen, active, password_expired, ip_ranges, wrong_count, locked_until"
CHANGEABLE = ("password", "security_token", "frozen", "active", "password_expired", "ip_ranges", "wrong_count", "locked_until")


@dataclass(frozen=True, slots=True)
class Login:
    """One row of the side table. `ip_ranges` empty = from anywhere; `locked_until` is epoch seconds of the org's clock."""

    user_id: str
    username: str
    password: str
    security_token: str
    frozen: bool
    active: bool
    password_expired: bool
    ip_ranges: tuple[str, ...]
    wrong_count: int
    locked_until: float


class LoginRefused(Exception):
    """The sign-in was understood and refused. `reason` is one of wrong, token_needed, inactive, address."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def create_login(org: "DemoOrg", user_id: str, username: str, password: str, security_token: str) -> None:
    """Let the user sign in. Calling it again for the same user replaces the password and the token."""
    with org.store.write() as connection:
        create_tables(connection)
        connection.execute(
            "INSERT INTO _login (user_id, username, password, security_token) VALUES (?, ?, ?, ?) ON CONFLICT (user_id) "
            "DO UPDATE SET username = excluded.username, password = excluded.password, "
            "security_token = excluded.security_token",
            (user_id, username, password, security_token),
        )


def change_login(org: "DemoOrg", username: str, changes: dict[str, Any]) -> Login | None:
    """Apply a partial update (frozen, active, ip_ranges, ...), as the control plane does. None if there is no such user."""
    known = {name: value for name, value in changes.items() if name in CHANGEABLE}
    if "ip_ranges" in known:
        known["ip_ranges"] = orjson.dumps(list(known["ip_ranges"])).decode()
    with org.store.write() as connection:
        for name, value in known.items():
            connection.execute(f"UPDATE _login SET {name} = ? WHERE username = ?", (value, username))  # noqa: S608
    return find_login(org, username=username)


def find_login(org: "DemoOrg", *, username: str = "", user_id: str = "") -> Login | None:
    """The login by name (any case) or by user id."""
    where, value = ("username = ?", username) if username else ("user_id = ?", user_id)
    row = org.store.read().execute(f"SELECT {COLUMNS} FROM _login WHERE {where}", (value,)).fetchone()  # noqa: S608
    return _from_row(tuple(row)) if row else None


def first_login(org: "DemoOrg") -> Login | None:
    """The login that was created first: the administrator of a seeded org."""
    row = org.store.read().execute(f"SELECT {COLUMNS} FROM _login ORDER BY rowid LIMIT 1").fetchone()  # noqa: S608
    return _from_row(tuple(row)) if row else None


def describe_logins(org: "DemoOrg") -> list[dict[str, Any]]:
    """Every login for `GET /__demo__/info`, with password, security token, profile and time zone."""
    rows = org.store.read().execute(f"SELECT {COLUMNS} FROM _login ORDER BY rowid").fetchall()  # noqa: S608
    return [_describe(org, _from_row(tuple(row))) for row in rows]


def check_password(org: "DemoOrg", username: str, password: str, *, address: str, needs_token: bool) -> Login:
    """The login if user and password fit and nothing stands against it; raises LoginRefused otherwise.

    With `needs_token` the security token must follow the password (API logins from an address that is not trusted).
    Ten wrong passwords lock the account for 15 minutes; a locked account answers like a wrong password (S-056).
    """
    now = org.clock.now().timestamp()
    login = find_login(org, username=username)
    if login is None or login.locked_until > now or not org.sessions.addresses.may_try(address, now):
        org.sessions.addresses.count(address, now)
        raise LoginRefused("wrong")
    with_token = secrets.compare_digest(password.encode(), (login.password + login.security_token).encode())
    bare = secrets.compare_digest(password.encode(), login.password.encode())
    if not with_token and not bare:
        _count_wrong(org, login, address=address, now=now)
        raise LoginRefused("wrong")
    if bare and needs_token:
        raise LoginRefused("token_needed")
    check_usable(org, login, address=address)
    if login.wrong_count:
        change_login(org, login.username, {"wrong_count": 0})
    return login


def check_usable(org: "DemoOrg", login: Login, *, address: str) -> None:
    """Raise LoginRefused if the user is frozen, inactive or calls from an address outside the ranges."""
    if login.frozen or not login.active or not user_row(org, login.user_id).get("IsActive", True):
        raise LoginRefused("inactive")
    if login.ip_ranges and not in_ranges(address, login.ip_ranges):
        raise LoginRefused("address")


def in_ranges(address: str, ranges: tuple[str, ...] | list[str]) -> bool:
    """Whether the address lies in one of the networks (`10.0.0.0/8`) or ranges (`10.0.0.1-10.0.0.9`)."""
    try:
        wanted = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(_in_range(wanted, each) for each in ranges)


def user_row(org: "DemoOrg", user_id: str) -> dict[str, Any]:
    """The columns of the User record, empty if the org has no such record."""
    if org.schema.find("User") is None:
        return {}
    cursor = org.store.read().execute('SELECT * FROM "User" WHERE Id = ?', (user_id,))
    row = cursor.fetchone()
    return dict(zip([each[0] for each in cursor.description], row, strict=True)) if row else {}


def profile_name(org: "DemoOrg", row: dict[str, Any]) -> str:
    """The name of the user's profile, empty if unknown."""
    if not row.get("ProfileId") or org.schema.find("Profile") is None:
        return ""
    found = org.store.read().execute("SELECT Name FROM Profile WHERE Id = ?", (row["ProfileId"],)).fetchone()
    return found[0] if found else ""


class Addresses:
    """Counts wrong passwords by address, in memory: guessing many accounts from one place ends too."""

    def __init__(self) -> None:
        self.wrong: dict[str, list[float]] = defaultdict(list)

    def count(self, address: str, now: float) -> None:
        """Note one wrong password."""
        kept = [at for at in self.wrong[address] if now - LOCK_TIME.total_seconds() < at <= now]
        self.wrong[address] = [*kept, now][-WRONG_FROM_ONE_ADDRESS:]

    def may_try(self, address: str, now: float) -> bool:
        """Whether the address has guesses left in this quarter of an hour."""
        recent = [at for at in self.wrong.get(address, ()) if now - LOCK_TIME.total_seconds() < at <= now]
        return len(recent) < WRONG_FROM_ONE_ADDRESS

    def clear(self) -> None:
        """Forget everything, as a reset of the org does."""
        self.wrong.clear()


def _in_range(wanted: ipaddress.IPv4Address | ipaddress.IPv6Address, text: str) -> bool:
    if "-" in text:
        low, high = (ipaddress.ip_address(part.strip()) for part in text.split("-", 1))
        return wanted.version == low.version == high.version and int(low) <= int(wanted) <= int(high)
    return wanted in ipaddress.ip_network(text, strict=False)


def _count_wrong(org: "DemoOrg", login: Login, *, address: str, now: float) -> None:
    org.sessions.addresses.count(address, now)
    count = login.wrong_count + 1
    locked = count >= WRONG_PASSWORDS_BEFORE_LOCK
    until = now + LOCK_TIME.total_seconds() if locked else 0
    change_login(org, login.username, {"wrong_count": 0 if locked else count, "locked_until": until})


def _from_row(row: tuple[Any, ...]) -> Login:
    user_id, username, password, token, frozen, active, expired, ranges, wrong, locked = row
    return Login(
        user_id,
        username,
        password,
        token,
        bool(frozen),
        bool(active),
        bool(expired),
        tuple(orjson.loads(ranges)),
        wrong,
        locked,
    )


def _describe(org: "DemoOrg", login: Login) -> dict[str, Any]:
    row = user_row(org, login.user_id)
    return {
        "username": login.username,
        "password": login.password,
        "security_token": login.security_token,
        "user_id": login.user_id,
        "name": row.get("Name") or login.username,
        "profile": profile_name(org, row),
        "time_zone": row.get("TimeZoneSidKey") or "UTC",
        "active": login.active and bool(row.get("IsActive", True)),
        "frozen": login.frozen,
    }
