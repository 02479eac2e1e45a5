"""The shapes of tokens, and how they are kept: only their SHA-256 digest is stored."""

import base64
import hashlib
import hmac
import re
import secrets
from urllib.parse import quote

ACCESS_SHAPE = re.compile(r"00D\w{12,15}![\w.]{20,2000}")


def new_access_token(org_id: str) -> str:
    """`00D<12>!<opaque>`: the 15-character org id, an exclamation mark and 96 random characters."""
    return f"{org_id[:15]}!AQ{_opaque(94)}"


def new_refresh_token() -> str:
    """A refresh token: `5Aep` and 83 random characters."""
    return f"5Aep{_opaque(83)}"


def new_code() -> str:
    """An authorization code; its `=` must be URL-encoded by whoever passes it on, as with the real ones."""
    return f"aPrx{_opaque(90)}=="


def digest(token: str) -> str:
    """What is stored instead of the token."""
    return hashlib.sha256(token.encode()).hexdigest()


def sign(identity: str, issued_at: str, client_secret: str) -> str:
    """`signature` of a token answer: base64 HMAC-SHA256 of the identity URL and `issued_at` with the consumer secret."""
    return base64.b64encode(hmac.digest(client_secret.encode(), (identity + issued_at).encode(), "sha256")).decode()


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def verifier_fits(verifier: str, challenge: str) -> bool:
    """Whether the verifier is well-formed (43-128 characters) and belongs to the challenge."""
    well_formed = re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", verifier) is not None
    return well_formed and secrets.compare_digest(challenge_of(verifier), challenge.rstrip("="))


def url_text(value: str) -> str:
    """A value ready for a query string."""
    return quote(value, safe="")


def _opaque(length: int) -> str:
    return secrets.token_urlsafe(length).replace("-", ".")[:length]
