"""Signing in: OAuth, identity, sessions and logins of the demo org."""
