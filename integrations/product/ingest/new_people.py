"""How many unknown people and companies a write key may bring in a day: a hard bound, with a clear answer and an alert.

A write key stands in web pages, so anybody can send events with invented ids. Names that are known (end users, customers and
their aliases) never count; unknown ones count once a UTC day, whether or not the flush has stored them yet. Beyond the bound
their events are refused in the answer, and those of known people are taken. Servers with an API key have no bound.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import F

from integrations import alerts
from integrations.models import Customer, CustomerAlias, EndUser
from integrations.product.ingest.checking import Checked, Rejection
from integrations.product.models import KeyDay, NewName, WriteKey

CODE = "too_many_new_people"
USER, ACCOUNT = "user", "account"
Name = tuple[str, str]  # field of the event, the product's id


def bound(
    key: WriteKey, good: Sequence[Checked], places: Sequence[int], *, now: datetime
) -> tuple[list[Checked], list[Rejection]]:
    """Which events may be stored, and the others with the reason; `places` are their places in the request. Call it in the
    transaction that stores them: what is counted and what is stored is one."""
    allowed = _allowed(key, {name for each in good for name in _names(each)}, now=now)
    if allowed is None:
        return list(good), []
    kept: list[Checked] = []
    refused: list[Rejection] = []
    for place, each in zip(places, good, strict=True):
        over = next((field for field, name in _names(each) if (field, name) not in allowed), "")
        if over:
            refused.append(Rejection(place, over, CODE, message_of(key)))
        else:
            kept.append(each)
    return kept, refused


def message_of(key: WriteKey) -> str:
    """What a sender reads."""
    return (
        f"This write key may bring at most {key.most_new_people:,} people and companies a day (UTC) that are not known yet. "
        "Send this one from a server with an API key, or raise the bound of the key."
    )


def seconds_left(now: datetime) -> int:
    """Until the next UTC day, when the count begins anew."""
    tomorrow = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)
    return max(1, int((tomorrow - now).total_seconds()))


def _names(event: Checked) -> list[Name]:
    """What an event would make if it is unknown; an event that was put aside makes nothing."""
    if event.reason:
        return []
    return [(field, name) for field, name in ((USER, event.user), (ACCOUNT, event.account)) if name]


def _allowed(key: WriteKey, names: set[Name], *, now: datetime) -> set[Name] | None:
    """The names that may be stored; None when all may. Unknown ones are counted, in the order of their texts."""
    unknown = sorted(names - _known(names))
    if not unknown:
        return None
    day = now.astimezone(UTC).date()
    KeyDay.objects.get_or_create(write_key=key, day=day)
    counted = KeyDay.objects.select_for_update().get(write_key=key, day=day)
    digests = {_digest(each): each for each in unknown}
    seen = set(NewName.objects.filter(write_key=key, day=day, digest__in=digests).values_list("digest", flat=True))
    fresh = [digest for digest in digests if digest not in seen]
    room = max(0, key.most_new_people - counted.named)
    taken, over = fresh[:room], fresh[room:]
    NewName.objects.bulk_create([NewName(write_key=key, day=day, digest=each) for each in taken])
    KeyDay.objects.filter(pk=counted.pk).update(named=F("named") + len(taken), refused=F("refused") + len(over))
    if not over:
        return None
    if not counted.refused:
        _alarm(key, now=now)
    return names - {digests[each] for each in over}


def _known(names: Iterable[Name]) -> set[Name]:
    users = [name for field, name in names if field == USER]
    accounts = [name for field, name in names if field == ACCOUNT]
    found = {(USER, each) for each in EndUser.objects.filter(external_id__in=users).values_list("external_id", flat=True)}
    customers = set(Customer.objects.filter(external_id__in=accounts).values_list("external_id", flat=True))
    missing = [each for each in accounts if each not in customers]
    aliases = CustomerAlias.objects.filter(kind="external_id", value__in=missing).values_list("value", flat=True)
    return found | {(ACCOUNT, each) for each in (*customers, *aliases)}


def _digest(name: Name) -> str:
    """No id of a person is kept here."""
    return hashlib.sha256("\n".join(name).encode()).hexdigest()[:40]


# --- alerts and upkeep ------------------------------------------------------------------------------------------------------


def _alarm(key: WriteKey, *, now: datetime) -> None:
    alerts.raise_alert(
        _alert_key(key), code="write_key_bound",
        title=f"The write key {key.name} brought {key.most_new_people:,} unknown people and companies today",
        body="Events of further unknown ones are refused until the next UTC day. If your product really grew so much, raise "
        "the bound of the key; otherwise somebody invents ids: require signed users, or revoke the key.",
        url="/product/data/", now=now,
    )  # fmt: skip


def _alert_key(key: WriteKey) -> str:
    return f"product.write_key:{key.pk}"


def settle(*, now: datetime) -> int:
    """Forget the names of earlier days, and end the alerts of keys that refused nobody since; how many names were forgotten."""
    today = now.astimezone(UTC).date()
    forgotten, _ = NewName.objects.filter(day__lt=today).delete()
    for key in WriteKey.objects.filter(days__day__lt=today, days__refused__gt=0, days__settled=False).distinct():
        if not KeyDay.objects.filter(write_key=key, day=today, refused__gt=0).exists():
            alerts.recover_alert(_alert_key(key), now=now)
    KeyDay.objects.filter(day__lt=today, settled=False).update(settled=True)
    return forgotten


def today_of(keys: Iterable[WriteKey], *, day: date) -> dict[int, KeyDay]:
    """What each key brought on a day."""
    return {each.write_key_id: each for each in KeyDay.objects.filter(day=day, write_key__in=list(keys))}
