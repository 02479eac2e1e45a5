"""The only place where secrets of a connection are clear text (I-14).

Authenticated encryption with keys from `FIELD_ENCRYPTION_KEYS` (newest first), which live outside the database. The text
carries the row's identity, so a ciphertext copied to another connection or kind does not decrypt there.
"""

import functools
import hmac
from collections.abc import Callable, Iterable

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from integrations.access import Refusal
from integrations.models import AlertChannel, OrgSecret, SalesforceOrg

Kind = OrgSecret.Kind
# Long random texts whose end says nothing; the end of a password would.
_TAIL_SHOWN = frozenset({Kind.ACCESS_TOKEN, Kind.REFRESH_TOKEN, Kind.CLIENT_SECRET})
_TAIL_NEEDS = 16
_rotators: dict[str, Callable[[], tuple[int, int]]] = {}


class VaultLocked(Refusal):
    """The key is missing or wrong: nothing can be read, nothing is lost (R-019)."""

    def __init__(self, why: str) -> None:
        super().__init__("locked", f"{why} Put the right key into FIELD_ENCRYPTION_KEYS and restart.")


@functools.lru_cache(maxsize=4)
def _box_of(keys: tuple[str, ...]) -> MultiFernet:
    if not keys:
        raise VaultLocked("There is no encryption key.")
    try:
        return MultiFernet([Fernet(key.encode()) for key in keys])
    except ValueError:
        # The library's own message may repeat the key.
        raise VaultLocked("An encryption key is not 32 url-safe base64 bytes.") from None


def _box() -> MultiFernet:
    return _box_of(tuple(settings.FIELD_ENCRYPTION_KEYS))


def _label(org_id: int, kind: str) -> bytes:
    return f"{org_id}:{kind}:".encode()


def _open(secret: OrgSecret) -> str:
    """Clear text of `secret`; `VaultLocked` for a wrong key and for a row that was moved."""
    try:
        clear = _box().decrypt(bytes(secret.ciphertext))
    except InvalidToken:
        raise VaultLocked("The secrets of this connection were encrypted with another key.") from None
    label = _label(secret.org_id, secret.kind)
    if not hmac.compare_digest(clear[: len(label)], label):
        raise VaultLocked("A secret was found in the wrong row.")
    return clear[len(label) :].decode()


def store(org: SalesforceOrg, kind: str, text: str) -> None:
    """Encrypt `text` as the `kind` secret of `org`, replacing the old one. Raises `VaultLocked` without a key."""
    tail = text[-4:] if kind in _TAIL_SHOWN and len(text) >= _TAIL_NEEDS else ""
    ciphertext = _box().encrypt(_label(org.pk, kind) + text.encode())
    OrgSecret.objects.update_or_create(org=org, kind=kind, defaults={"ciphertext": ciphertext, "last_four": tail})


def read(org: SalesforceOrg, kind: str) -> str | None:
    """Clear text of the `kind` secret, None when there is none. Raises `VaultLocked`."""
    secret = OrgSecret.objects.filter(org=org, kind=kind).first()
    return None if secret is None else _open(secret)


def seal(label: str, text: str) -> bytes:
    """Encrypt `text` for a row that is not a connection's; `label` names the row, so that it opens nowhere else."""
    return _box().encrypt(f"{label}:".encode() + text.encode())


def unseal(label: str, ciphertext: bytes) -> str:
    """Clear text of what `seal` made for the same `label`. Raises `VaultLocked`."""
    try:
        clear = _box().decrypt(ciphertext)
    except InvalidToken:
        raise VaultLocked("A secret was encrypted with another key.") from None
    expected = f"{label}:".encode()
    if not hmac.compare_digest(clear[: len(expected)], expected):
        raise VaultLocked("A secret was found in the wrong row.")
    return clear[len(expected) :].decode()


def erase(org: SalesforceOrg, kinds: Iterable[str] | None = None) -> int:
    """Delete the given kinds (all when None); returns how many there were. Needs no key."""
    secrets = OrgSecret.objects.filter(org=org)
    if kinds is not None:
        secrets = secrets.filter(kind__in=list(kinds))
    return secrets.delete()[0]


def kinds_of(org: SalesforceOrg) -> dict[str, str]:
    """Which secrets there are, with the last four characters where those may be shown."""
    return dict(OrgSecret.objects.filter(org=org).values_list("kind", "last_four"))


def is_locked(org: SalesforceOrg) -> bool:
    """Whether `org` has secrets that the present keys cannot open."""
    secret = OrgSecret.objects.filter(org=org).first()
    if secret is None:
        return False
    try:
        _open(secret)
    except VaultLocked:
        return True
    return False


def locked_orgs() -> set[int]:
    """Primary keys of all connections that the present keys cannot open; one query, for lists."""
    found: set[int] = set()
    for secret in OrgSecret.objects.order_by("org_id", "-id"):
        if secret.org_id in found:
            continue
        try:
            _open(secret)
        except VaultLocked:
            found.add(secret.org_id)
    return found


def behind_newest_key() -> int:
    """Secrets of connections that only an older key opens: `rotate_vault` must run before that key may go. 0 without a key."""
    keys = tuple(settings.FIELD_ENCRYPTION_KEYS)
    if not keys:
        return 0
    newest, behind = _box_of(keys[:1]), 0
    for ciphertext in OrgSecret.objects.values_list("ciphertext", flat=True).iterator(chunk_size=500):
        try:
            newest.decrypt(bytes(ciphertext))
        except InvalidToken:
            behind += 1
    return behind


def register_rotation(name: str, rotate: Callable[[], tuple[int, int]]) -> None:
    """Let a domain that keeps sealed values of its own take part in a rotation; `rotate` gives (re-encrypted, unreadable)."""
    _rotators[name] = rotate


def rotate_all() -> tuple[int, int]:
    """Encrypt every secret with the newest key; returns (re-encrypted, unreadable). Safe beside running refreshes (S-007)."""
    box, done, unreadable = _box(), 0, 0
    for secret in OrgSecret.objects.iterator(chunk_size=500):
        old = bytes(secret.ciphertext)
        try:
            new = box.rotate(old)
        except InvalidToken:
            unreadable += 1
            continue
        # Only if nobody replaced the secret meanwhile; theirs is encrypted with the newest key already.
        done += OrgSecret.objects.filter(pk=secret.pk, ciphertext=old).update(ciphertext=new)
    for rotate in (lambda: _rotate_channels(box), *_rotators.values()):
        more_done, more_unreadable = rotate()
        done, unreadable = done + more_done, unreadable + more_unreadable
    return done, unreadable


def _rotate_channels(box: MultiFernet) -> tuple[int, int]:
    """The same for addresses and signing secrets of alert channels."""
    done, unreadable = 0, 0
    for channel in AlertChannel.objects.iterator(chunk_size=500):
        for field in ("address", "secret"):
            old = bytes(getattr(channel, field))
            if not old:
                continue
            try:
                new = box.rotate(old)
            except InvalidToken:
                unreadable += 1
                continue
            done += AlertChannel.objects.filter(**{"pk": channel.pk, field: old}).update(**{field: new})
    return done, unreadable
