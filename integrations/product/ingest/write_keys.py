"""Write keys: public keys for browsers and apps, the origins that may use them, and signatures of users.

A signature is the hex HMAC-SHA256 of the user id with the key's secret; with an account, of `user`, a line feed and
`account`. The product's server makes it, so that nobody can speak for another user (S-080).
"""

import hmac
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings

from integrations import audit
from integrations.access import Person, Refusal
from integrations.orgs import vault
from integrations.product.models import WriteKey
from integrations.product.models.events import MOST_NEW_PEOPLE

PREFIX, ANY = "cwk_", "*"
MOST_ORIGINS = 50
USED_EVERY = timedelta(minutes=1)


def create_write_key(
    *,
    name: str,
    allowed_origins: Sequence[str] = (),
    require_signature: bool = False,
    actor: Person | None,
    now: datetime,
    most_new_people: int = MOST_NEW_PEOPLE,
) -> tuple[WriteKey, str]:
    """A new key and its signing secret, which nobody can read again. Raises `Refusal` for origins that are none."""
    name = name.strip()
    if not name or len(name) > 80:
        raise Refusal("name", "Give the key a name of at most 80 characters.")
    origins = read_origins(allowed_origins)
    key = WriteKey.objects.create(
        key=PREFIX + secrets.token_hex(16), name=name, allowed_origins=origins,
        require_signature=require_signature, created_at=now, most_new_people=most_new_people,
    )  # fmt: skip
    secret = secrets.token_urlsafe(32)
    key.secret = vault.seal(_label(key), secret)
    key.save(update_fields=["secret"])
    audit.record(
        "write_key.created",
        actor=actor,
        target=f"write key {key.pk}",
        after={"name": name, "origins": origins},
    )
    return key, secret


def change(
    key: WriteKey, *, name: str, allowed_origins: Sequence[str], require_signature: bool, actor: Person | None,
    most_new_people: int | None = None,
) -> None:  # fmt: skip
    """Rename a key, change where it may be used, whether users must be signed, and how many unknown people it may bring a day
    (None: as many as before)."""
    before = _told(key)
    key.name, key.allowed_origins, key.require_signature = name, read_origins(allowed_origins), require_signature
    key.most_new_people = key.most_new_people if most_new_people is None else most_new_people
    key.save(update_fields=["name", "allowed_origins", "require_signature", "most_new_people"])
    after = _told(key)
    audit.record("write_key.changed", actor=actor, target=f"write key {key.pk}", before=before, after=after)


def revoke(key: WriteKey, *, actor: Person | None, now: datetime) -> bool:
    """Refuse the key from now on; False when it was revoked already."""
    if not WriteKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now):
        return False
    audit.record("write_key.revoked", actor=actor, target=f"write key {key.pk}")
    return True


def find(text: str, *, now: datetime) -> WriteKey | None:
    """The key if it may be used now."""
    if not text.startswith(PREFIX) or len(text) > 40 or not text.isascii() or not text.isprintable():
        return None
    key = WriteKey.objects.filter(key=text, revoked_at=None).first()
    if key is not None and (key.last_used_at is None or now - key.last_used_at > USED_EVERY):
        WriteKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


def read_origins(given: Sequence[str]) -> list[str]:
    """Origins as browsers send them; `*` stays. Raises `Refusal` naming the one that is none."""
    origins = list(dict.fromkeys(read_origin(each) for each in given if each.strip()))
    if len(origins) > MOST_ORIGINS:
        raise Refusal("origin", f"At most {MOST_ORIGINS} origins a key.")
    return origins


def read_origin(text: str) -> str:
    """Such as https://app.example.com: scheme, host and port, nothing else."""
    text = text.strip()
    if text == ANY:
        return ANY
    try:
        parts = urlsplit(text)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise Refusal("origin", f"{text[:80]} is no origin; write it like https://app.example.com.") from None
    whole = parts.path in ("", "/") and not parts.query and not parts.fragment and "@" not in parts.netloc
    if parts.scheme not in ("http", "https") or not parts.hostname or not whole:
        raise Refusal("origin", f"{text[:80]} is no origin; write it like https://app.example.com.")
    usual = {"http": ":80", "https": ":443"}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{'' if port == usual else port}"


def may_use(key: WriteKey, origin: str) -> bool:
    """Whether a page of that origin may use the key: those named, our own pages, or any where the key says so."""
    return origin in key.allowed_origins or origin == own_origin() or (ANY in key.allowed_origins and origin != "null")


def is_known_origin(origin: str) -> bool:
    """Whether any key may be used from there: a browser asks before it sends its key."""
    keys = WriteKey.objects.filter(revoked_at=None)
    return any(may_use(each, origin) for each in keys) if origin else False


def own_origin() -> str:
    """The origin of this installation."""
    return read_origin(settings.BASE_URL)


def secret_of(key: WriteKey) -> str:
    """The signing secret. Raises `VaultLocked`."""
    return vault.unseal(_label(key), bytes(key.secret))


def new_secret(key: WriteKey, *, actor: Person | None) -> str:
    """Replace the signing secret; returned this once. Signatures made with the old one are refused from now on."""
    secret = secrets.token_urlsafe(32)
    key.secret = vault.seal(_label(key), secret)
    key.save(update_fields=["secret"])
    audit.record("write_key.secret_replaced", actor=actor, target=f"write key {key.pk}")
    return secret


def sign(secret: str, user: str, account: str = "") -> str:
    """The signature that a product's server makes for one of its users."""
    text = f"{user}\n{account}" if account else user
    return hmac.digest(secret.encode(), text.encode(), "sha256").hex()


def may_speak_for(key: WriteKey, user: str, account: str, signature: str) -> bool:
    """Whether a request with this key may speak for the user."""
    check = checker_of(key)
    return check is None or check(user, account, signature)


def checker_of(key: WriteKey | None) -> Callable[[str, str, str], bool] | None:
    """A check of user, account and signature that opens the secret once; None where none is needed."""
    if key is None or not key.require_signature:
        return None
    secret, known = secret_of(key), dict[tuple[str, str], str]()

    def check(user: str, account: str, signature: str) -> bool:
        wanted = known.get((user, account))
        if wanted is None:
            wanted = known[user, account] = sign(secret, user, account)
        return hmac.compare_digest(wanted.encode(), signature.encode())

    return check


def _told(key: WriteKey) -> dict[str, object]:
    return {"name": key.name, "origins": key.allowed_origins, "require_signature": key.require_signature,
            "most_new_people": key.most_new_people}  # fmt: skip


def _label(key: WriteKey) -> str:
    return f"write-key:{key.pk}"
