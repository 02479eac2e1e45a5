"""Seats of a connection: who may link key results to its reports (BW-02, BW-25, BW-D1..D3).

Only seats of active people count, so a deactivated person's seat is free at once; its row goes at the next grant or pass.
Every verb first takes the connection's row lock by updating it: on SQLite that makes this the one writer, on PostgreSQL
it queues the others behind us, so two grants of the last seat can never both win (I-20).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, QuerySet

from integrations import audit
from integrations.access import Refusal, has_role
from integrations.models import SalesforceOrg
from integrations.undo import kept_row, row_of
from okr.models import License, LicenseEvent
from okr.rights import NotAllowed

GRANTED, RELEASED, FREED, POOL_CHANGED = "granted", "released", "freed", "pool_changed"
MOST_SEATS = 100_000


@dataclass(frozen=True, slots=True)
class Seats:
    """Use of a pool: `free` is never negative; the pool cannot be made smaller than its use."""

    used: int
    total: int

    @property
    def free(self) -> int:
        return max(self.total - self.used, 0)


def seats_of(org: SalesforceOrg) -> Seats:
    """How many seats active people hold, of how many."""
    return Seats(used=_held(org).count(), total=org.seats)


def has_seat(user: Any, org: SalesforceOrg) -> bool:
    """Whether `user` may link key results to reports of `org`."""
    return bool(user.is_active) and License.objects.filter(org=org, user=user).exists()


def check_seat(user: Any, org: SalesforceOrg) -> None:
    """Refuse people without a seat (BW-25); the sentence says who can give one."""
    if not has_seat(user, org):
        raise NotAllowed(
            "no_license",
            f"Linking key results to reports of {org.name} needs a Salesforce license. An operator can assign you one.",
        )


def grant_license(org: SalesforceOrg, *, user: Any, actor: Any, now: datetime) -> License:
    """Give `user` a seat. Granting it again changes nothing; without a free seat it is refused (BW-D1)."""
    _check_role(actor, "operator", "Only operators and admins assign licenses.")
    if not user.is_active:
        raise Refusal("user_inactive", f"{user.get_username()} is deactivated and cannot hold a license.")
    with transaction.atomic():
        pool = _lock(org)
        _free_inactive(org, now=now)
        existing = License.objects.filter(org=org, user=user).first()
        if existing:
            return existing
        used = _held(org).count()
        if used >= pool.seats:
            raise Refusal(
                "no_seat_left",
                f"All {pool.seats} licenses of {org.name} are in use. Release one or ask an admin to enlarge the pool.",
            )
        license_ = License.objects.create(org=org, user=user, granted_by=actor, granted_at=now)
        _note(org, user, actor, GRANTED, now)
        audit.record("license.granted", actor=actor, target=f"{org.name}: {user.get_username()}", after={"used": used + 1})
    return license_


def release_licenses(org: SalesforceOrg, *, users: Iterable[Any], actor: Any, now: datetime) -> int:
    """Take the seats of `users` back; their links stay and keep refreshing (BW-D3). Returns how many seats became free."""
    _check_role(actor, "operator", "Only operators and admins release licenses.")
    wanted = [user.pk for user in users]
    with transaction.atomic():
        _lock(org)
        held = list(License.objects.filter(org=org, user_id__in=wanted).select_related("user"))
        License.objects.filter(pk__in=[each.pk for each in held]).delete()
        for each in held:
            _note(org, each.user, actor, RELEASED, now)
            audit.record("license.released", actor=actor, target=f"{org.name}: {each.user.get_username()}")
    return len(held)


def release_license(org: SalesforceOrg, *, user: Any, actor: Any, now: datetime) -> bool:
    """Take one seat back; False when the person held none."""
    return release_licenses(org, users=[user], actor=actor, now=now) == 1


def kept_seats(org: SalesforceOrg, *, users: Iterable[Any]) -> list[dict[str, Any]]:
    """The seats of `users` as plain data, to be given back by `give_back_seats`."""
    return [kept_row(seat) for seat in License.objects.filter(org=org, user_id__in=[user.pk for user in users])]


def give_back_seats(org: SalesforceOrg, kept: Iterable[dict[str, Any]], *, actor: Any, now: datetime) -> int:
    """Give seats back that were released a moment ago, with their history; all or none. Returns how many.

    Refusals: `no_seat_left` when they were given to others or the pool was made smaller meanwhile.
    """
    _check_role(actor, "operator", "Only operators and admins assign licenses.")
    rows = [row_of(License, each) for each in kept]
    known = get_user_model().objects.in_bulk([pk for row in rows for pk in (row.user_id, row.granted_by_id) if pk])
    with transaction.atomic():
        pool = _lock(org)
        holding = set(License.objects.filter(org=org).values_list("user_id", flat=True))
        wanted = [
            row for row in rows if row.org_id == org.pk and _can_hold(known.get(row.user_id)) and row.user_id not in holding
        ]
        if _held(org).count() + len(wanted) > pool.seats:
            raise Refusal("no_seat_left", f"All {pool.seats} licenses of {org.name} are in use again.")
        for row in wanted:
            row.granted_by = known.get(row.granted_by_id)
            row.pk = None
            row.save(force_insert=True)
            _note(org, known[row.user_id], actor, GRANTED, now, note="Release undone")
            audit.record("license.granted", actor=actor, target=f"{org.name}: {known[row.user_id].get_username()}")
    return len(wanted)


def change_pool(org: SalesforceOrg, *, seats: int, actor: Any, now: datetime) -> Seats:
    """Set the size of the pool; only an admin may, and never below its use (BW-D1)."""
    _check_role(actor, "admin", "Only an admin changes the number of licenses.")
    if not 0 <= seats <= MOST_SEATS:
        raise Refusal("seats_out_of_range", f"The number of licenses is 0 to {MOST_SEATS:,}.")
    with transaction.atomic():
        pool = _lock(org)
        _free_inactive(org, now=now)
        used = _held(org).count()
        if seats < used:
            raise Refusal(
                "below_use", f"{used} licenses of {org.name} are in use; release {used - seats} before setting {seats}."
            )
        if seats != pool.seats:
            SalesforceOrg.objects.filter(pk=org.pk).update(seats=seats)
            _note(org, None, actor, POOL_CHANGED, now, note=f"{pool.seats} to {seats}")
            audit.record(
                "license.pool_changed", actor=actor, target=org.name, before={"seats": pool.seats}, after={"seats": seats}
            )
    org.seats = seats
    return Seats(used=used, total=seats)


def deactivate_person(user: Any, *, actor: Any, now: datetime) -> int:
    """Switch a person off and free their seats at once, everywhere (BW-D3). Returns the seats freed."""
    _check_role(actor, "admin", "Only an admin deactivates people.")
    if user.pk == actor.pk:
        raise Refusal("yourself", "You cannot deactivate yourself.")
    with transaction.atomic():
        get_user_model().objects.filter(pk=user.pk).update(is_active=False)
        user.is_active = False
        audit.record("user.deactivated", actor=actor, target=user.get_username())
        orgs = [each.org for each in License.objects.filter(user=user).select_related("org").order_by("org_id")]
        return sum(_free_one(org, user, actor=actor, now=now) for org in orgs)


def release_of_inactive(*, now: datetime, org: SalesforceOrg | None = None) -> int:
    """Take away the seats of people who were deactivated in any way; each pass calls this. Returns how many."""
    held = License.objects.filter(user__is_active=False)
    orgs = [org] if org else list(SalesforceOrg.objects.filter(pk__in=held.values("org_id")).order_by("pk"))
    freed = 0
    for each in orgs:
        if not held.filter(org=each).exists():
            continue
        with transaction.atomic():
            _lock(each)
            freed += _free_inactive(each, now=now)
    return freed


def note_use(user: Any, org: SalesforceOrg, *, now: datetime) -> None:
    """Remember that the seat was used to link, for the licenses page."""
    License.objects.filter(org=org, user=user).update(last_used_at=now)


# --- Inside ----------------------------------------------------------------------------------------------------------


def _can_hold(user: Any) -> bool:
    return user is not None and user.is_active


def _held(org: SalesforceOrg) -> QuerySet[License]:
    return License.objects.filter(org=org, user__is_active=True)


def _lock(org: SalesforceOrg) -> SalesforceOrg:
    """The connection's row, locked until the transaction ends, as it is now."""
    SalesforceOrg.objects.filter(pk=org.pk).update(seats=F("seats"))
    return SalesforceOrg.objects.select_for_update().get(pk=org.pk)


def _free_one(org: SalesforceOrg, user: Any, *, actor: Any, now: datetime) -> int:
    _lock(org)
    freed, _ = License.objects.filter(org=org, user=user).delete()
    if freed:
        _note(org, user, actor, FREED, now, note="Person deactivated")
    return freed


def _free_inactive(org: SalesforceOrg, *, now: datetime) -> int:
    """Inside the lock: delete seats of inactive people, so that switching one on again cannot exceed the pool."""
    gone = list(License.objects.filter(org=org, user__is_active=False).select_related("user"))
    License.objects.filter(pk__in=[each.pk for each in gone]).delete()
    for each in gone:
        _note(org, each.user, None, FREED, now, note="Person deactivated")
        audit.record("license.freed", target=f"{org.name}: {each.user.get_username()}", after={"reason": "deactivated"})
    return len(gone)


def _note(org: SalesforceOrg, user: Any, actor: Any, event: str, now: datetime, note: str = "") -> None:
    name = user.get_username() if user else ""
    LicenseEvent.objects.create(org=org, user=user, user_name=name, actor=actor, event=event, note=note, at=now)


def _check_role(actor: Any, role: str, sentence: str) -> None:
    if not has_role(actor, role, "okr"):
        raise NotAllowed("not_allowed", sentence)
