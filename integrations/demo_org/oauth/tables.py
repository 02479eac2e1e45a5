"""Side tables of the sign-in part: logins, apps, approvals, codes, sessions and keys.

They sit in the same SQLite file as the records, so that a restart keeps them and a reset takes them back. Tokens are
stored only as SHA-256 digests. Passwords and client secrets of this practice org are kept readable on purpose: the
control plane hands them out, and a digest beside the clear text would protect nothing.
"""

import sqlite3

STATEMENTS = (
    """CREATE TABLE IF NOT EXISTS _login (
        user_id TEXT PRIMARY KEY, username TEXT NOT NULL UNIQUE COLLATE NOCASE, password TEXT NOT NULL,
        security_token TEXT NOT NULL, frozen INTEGER NOT NULL DEFAULT 0, active INTEGER NOT NULL DEFAULT 1,
        password_expired INTEGER NOT NULL DEFAULT 0, ip_ranges TEXT NOT NULL DEFAULT '[]',
        wrong_count INTEGER NOT NULL DEFAULT 0, locked_until REAL NOT NULL DEFAULT 0)""",
    """CREATE TABLE IF NOT EXISTS _oauth_client (
        client_id TEXT PRIMARY KEY, client_secret TEXT NOT NULL, name TEXT NOT NULL, flows TEXT NOT NULL,
        scopes TEXT NOT NULL, redirect_uris TEXT NOT NULL, certificate TEXT NOT NULL DEFAULT '',
        private_key TEXT NOT NULL DEFAULT '', preauthorized INTEGER NOT NULL DEFAULT 0,
        policy TEXT NOT NULL DEFAULT 'self', run_as TEXT NOT NULL DEFAULT '', position INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE IF NOT EXISTS _oauth_grant (
        grant_id TEXT PRIMARY KEY, client_id TEXT NOT NULL, user_id TEXT NOT NULL, scopes TEXT NOT NULL,
        created REAL NOT NULL, refresh_hash TEXT, revoked INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX IF NOT EXISTS _oauth_grant_of ON _oauth_grant (user_id, client_id, created)",
    """CREATE TABLE IF NOT EXISTS _oauth_refresh (
        hash TEXT PRIMARY KEY, grant_id TEXT NOT NULL, spent INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE IF NOT EXISTS _oauth_code (
        hash TEXT PRIMARY KEY, client_id TEXT NOT NULL, user_id TEXT NOT NULL, redirect_uri TEXT NOT NULL,
        scopes TEXT NOT NULL, challenge TEXT NOT NULL, nonce TEXT NOT NULL, created REAL NOT NULL,
        used INTEGER NOT NULL DEFAULT 0, grant_id TEXT NOT NULL DEFAULT '')""",
    """CREATE TABLE IF NOT EXISTS _session (
        hash TEXT PRIMARY KEY, session_id TEXT NOT NULL, user_id TEXT NOT NULL, client_id TEXT NOT NULL,
        grant_id TEXT NOT NULL, scopes TEXT NOT NULL, kind TEXT NOT NULL, created REAL NOT NULL, last_used REAL NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS _session_of ON _session (grant_id)",
    "CREATE INDEX IF NOT EXISTS _session_user ON _session (user_id)",
    "CREATE TABLE IF NOT EXISTS _oauth_key (key_id TEXT PRIMARY KEY, private_key TEXT NOT NULL)",
)


def create_tables(connection: sqlite3.Connection) -> None:
    """Make every table of this room unless it exists. Safe to repeat."""
    for statement in STATEMENTS:
        connection.execute(statement)
