"""From the events of one flush to customers and end users: unknown ones are made, traits are set, last seen moves (R-237).

Everything here can be done twice with the same result, so a flush that was killed simply does it again (I-02). Only what
changes is saved. Those who were erased stay away (I-23).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations.models import Customer, EndUser, Entity
from integrations.product.ingest.checking import Checked, milliseconds_of, moment_of
from integrations.product.ingest.seen import Seen, make_way, move_seen
from integrations.product.ingest.traits import newest_of, read_times, write_times
from integrations.sync.matching.incoming import MOST_ATTRIBUTES, TEXT_LENGTHS, new_attributes
from integrations.sync.matching.saving import (
    RowResult,
    attribute_types,
    customers_called,
    save_customers,
    save_end_users,
    was_erased,
)  # fmt: skip

SAVED = 200  # rows saved at once: everybody who sends events to an SQLite database waits for it
PIECE = 5_000  # ids in one statement
MEMBERS = ("identify", "group")  # these say where an end user belongs; others only where nobody said anything


@dataclass(slots=True)
class Wish:
    """What the events of one flush say about one customer or end user."""

    traits: dict[str, tuple[int, Any]] = field(default_factory=dict)  # by name: when it was said, and its value
    first: int | None = None
    last: int | None = None
    account: str = ""
    is_member: bool = False

    def say(self, event: Checked) -> None:
        """Take over the traits of an event; events come in the order of their times."""
        self.traits |= {name: (event.at, value) for name, value in (event.traits or {}).items()}

    def see(self, at: int) -> None:
        """Something that the person did, in milliseconds since 1970."""
        self.first = at if self.first is None else min(self.first, at)
        self.last = at if self.last is None else max(self.last, at)


@dataclass
class People:
    """Our numbers for the product's ids. Ids that are missing cannot be stored: they were erased."""

    users: dict[str, int] = field(default_factory=dict)
    customers: dict[str, int] = field(default_factory=dict)
    customer_of: dict[int, int] = field(default_factory=dict)
    refused: list[tuple[str, str, str]] = field(default_factory=list)  # entity, the product's id, which traits and why

    def customer(self, event: Checked) -> int | None:
        """Customer of an event: the one that it names, else its user's."""
        if event.account:
            return self.customers.get(event.account)
        return self.customer_of.get(self.users[event.user])

    def may_store(self, event: Checked) -> bool:
        """Whether neither its user nor its account was erased."""
        return (not event.user or event.user in self.users) and (not event.account or event.account in self.customers)


@dataclass(frozen=True, slots=True)
class _Known:
    """An end user as stored, with the customer that stands for theirs."""

    id: int
    customer: Customer | None
    first: datetime | None
    last: datetime | None


def bring_up_to_date(events: Sequence[Checked], *, now: datetime) -> People:
    """Make and change the customers and end users of new events, customers first; gives our numbers for them."""
    people = People()
    gone = was_erased(Entity.END_USER, {event.user for event in events} - {""})
    closed = was_erased(Entity.CUSTOMER, {event.account for event in events} - {""})
    events = [event for event in events if event.user not in gone and event.account not in closed]
    users, accounts = _wishes(events)
    known = _known_users(users)
    _save_customers(people, events, accounts, known, now=now)
    _save_users(people, users, known, now=now)
    return people


def _wishes(events: Sequence[Checked]) -> tuple[dict[str, Wish], dict[str, Wish]]:
    """By the product's ids; later traits win, by the time of the event."""
    users: dict[str, Wish] = {}
    accounts: dict[str, Wish] = {}
    for event in sorted(events, key=_at):
        if event.user:
            _note_user(users.setdefault(event.user, Wish()), event)
        if event.account:
            account = accounts.setdefault(event.account, Wish())
            if event.type == "group":
                account.say(event)
            if not event.automatic:
                account.see(event.at)
    return users, accounts


def _at(event: Checked) -> int:
    return event.at


def _note_user(user: Wish, event: Checked) -> None:
    if event.type == "identify":
        user.say(event)
    if not event.automatic:
        user.see(event.at)
    if event.account and (event.type in MEMBERS or not user.is_member):
        user.account, user.is_member = event.account, event.type in MEMBERS


def _pieces(names: Iterable[str]) -> Iterator[list[str]]:
    ids = list(names)
    for start in range(0, len(ids), PIECE):
        yield ids[start : start + PIECE]


def _known_users(names: Iterable[str]) -> dict[str, _Known]:
    """Past the ORM's objects: their attributes are not needed and cost most."""
    rows: list[tuple[str, int, int | None, datetime | None, datetime | None]] = []
    for piece in _pieces(names):
        found = EndUser.objects.filter(external_id__in=piece, erased_at=None)
        rows += found.values_list("external_id", "pk", "customer", "first_seen_at", "last_seen_at")
    customers = _customers_standing_for({row[2] for row in rows if row[2] is not None})
    return {name: _Known(pk, customers.get(customer or 0), first, last) for name, pk, customer, first, last in rows}


def _customers_standing_for(numbers: Iterable[int]) -> dict[int, Customer]:
    """By our number; merged ones replaced, erased ones missing."""
    ids, found = list(numbers), dict[int, Customer]()
    for start in range(0, len(ids), PIECE):
        found |= Customer.objects.filter(erased_at=None).in_bulk(ids[start : start + PIECE])
    stand_ins = customers_called(each.external_id for each in found.values() if each.merged_into_id)
    return {pk: stand_ins.get(each.external_id, each) if each.merged_into_id else each for pk, each in found.items()}


def _save_customers(
    people: People, events: Sequence[Checked], accounts: Mapping[str, Wish], users: Mapping[str, _Known], *, now: datetime
) -> None:
    known: dict[str, Customer] = {}
    for piece in _pieces(accounts):
        known |= customers_called(piece)
    times = read_times(Entity.CUSTOMER, {known[name].pk for name, wish in accounts.items() if wish.traits and name in known})
    rows, moves = [], _Moves()
    for name, wish in accounts.items():
        customer = known.get(name)
        row = _row(Entity.CUSTOMER, name, wish, times.get(customer.pk, {}) if customer else None)
        if customer is None or len(row) > 1:
            rows.append(row)
        if customer is not None:
            people.customers[name] = customer.pk
            moves.add(customer.pk, wish, customer.first_seen_at, customer.last_seen_at)
    for event in events:  # a customer was seen when its end users did something, whether or not they named it
        user = users.get(event.user) if event.user and not event.account and not event.automatic else None
        if user is not None and (customer := user.customer) is not None:
            moves.add(customer.pk, Wish(first=event.at, last=event.at), customer.first_seen_at, customer.last_seen_at)
    people.customers |= _save(people, Entity.CUSTOMER, rows, now=now)
    write_times(Entity.CUSTOMER, _said(accounts, people.customers), times)
    move_seen(Entity.CUSTOMER, moves.seen(), now=now)


def _save_users(people: People, users: Mapping[str, Wish], known: Mapping[str, _Known], *, now: datetime) -> None:
    times = read_times(Entity.END_USER, {known[name].id for name, wish in users.items() if wish.traits and name in known})
    rows, moves = [], _Moves()
    for name, wish in users.items():
        user = known.get(name)
        row = _row(Entity.END_USER, name, wish, times.get(user.id, {}) if user else None)
        account = people.customers.get(wish.account) if wish.account else None
        customer = user.customer.pk if user is not None and user.customer is not None else None
        if account is not None and (customer is None or (wish.is_member and customer != account)):
            row["customer"], customer = wish.account, account
        if user is None or len(row) > 1:
            rows.append(row)
        if user is not None:
            people.users[name] = user.id
            moves.add(user.id, wish, user.first, user.last)
            if customer is not None:
                people.customer_of[user.id] = customer
    for name, number in _save(people, Entity.END_USER, rows, now=now).items():
        people.users[name] = number
        account = people.customers.get(users[name].account) if users[name].account else None
        if account is not None:
            people.customer_of.setdefault(number, account)
    write_times(Entity.END_USER, _said(users, people.users), times)
    move_seen(Entity.END_USER, moves.seen(), now=now)


def _said(wishes: Mapping[str, Wish], numbers: Mapping[str, int]) -> dict[int, dict[str, tuple[int, Any]]]:
    """Traits by our number; a record that is named in several ways has the latest of each."""
    said: dict[int, dict[str, tuple[int, Any]]] = {}
    for name, wish in wishes.items():
        if wish.traits and name in numbers:
            traits = said.setdefault(numbers[name], {})
            traits |= {key: each for key, each in wish.traits.items() if key not in traits or each[0] >= traits[key][0]}
    return said


def _row(entity: str, name: str, wish: Wish, times: Mapping[str, int] | None) -> dict[str, Any]:
    """A row for the saver: traits that are not older than the stored ones, and for a new record (`times` is None) when it
    was seen."""
    columns, traits = TEXT_LENGTHS[entity], newest_of(wish.traits, times or {})
    row: dict[str, Any] = {"external_id": name} | {key: traits[key] for key in columns if key in traits}
    attributes = {key: value for key, value in traits.items() if key not in columns}
    if attributes:
        row["attributes"] = attributes
    if times is None and wish.first is not None and wish.last is not None:
        row |= {"first_seen_at": moment_of(wish.first), "last_seen_at": moment_of(wish.last)}
    return row


class _Moves:
    """Known records whose times these events widen; a record that is named in several ways once."""

    def __init__(self) -> None:
        self._wider: dict[int, Wish] = {}

    def add(self, number: int, wish: Wish, first: datetime | None, last: datetime | None) -> None:
        """Take note if the stored times would change."""
        if wish.first is None or wish.last is None:
            return
        if first is None or last is None or wish.first < milliseconds_of(first) or wish.last > milliseconds_of(last):
            wider = self._wider.setdefault(number, Wish())
            wider.see(wish.first)
            wider.see(wish.last)

    def seen(self) -> list[Seen]:
        """For the database."""
        return [
            (number, moment_of(wish.first), moment_of(wish.last))
            for number, wish in self._wider.items()
            if wish.first is not None and wish.last is not None
        ]


def _save(people: People, entity: Entity, rows: list[dict[str, Any]], *, now: datetime) -> dict[str, int]:
    """Save rows; those with a value that does not fit are saved without it, and the ledger says so (R-104)."""
    rows = [_within_room(people, entity, row) for row in rows] if _too_many_new(entity, rows) else rows
    again, numbers = [], dict[str, int]()
    for row, result in zip(rows, _saver(entity, rows, now), strict=True):
        if result.id is not None:
            numbers[result.external_id] = result.id
        elif (kept := _without_refused(people, entity, row, result)) is not None:
            again.append(kept)
    for result in _saver(entity, again, now):
        if result.id is not None:
            numbers[result.external_id] = result.id
    return numbers


def _saver(entity: str, rows: Sequence[dict[str, Any]], now: datetime) -> list[RowResult]:
    save = save_customers if entity == Entity.CUSTOMER else save_end_users
    results: list[RowResult] = []
    for start in range(0, len(rows), SAVED):
        results += save(rows[start : start + SAVED], now=now, create_attributes=True).rows
        make_way()
    return results


def _too_many_new(entity: str, rows: Sequence[dict[str, Any]]) -> bool:
    types = attribute_types(entity)
    return len(types) + len(new_attributes(rows, types)) > MOST_ATTRIBUTES


def _within_room(people: People, entity: str, row: dict[str, Any]) -> dict[str, Any]:
    """The row with attributes that exist: a public key must not make attributes without end."""
    types = attribute_types(entity)
    given = row.get("attributes", {})
    if extra := [key for key in given if key not in types]:
        sentence = f"There are {MOST_ATTRIBUTES} attributes already; make {extra[0]} by hand in the place of another."
        people.refused.append((entity, row["external_id"], f"{extra[0]}: {sentence}"))
    return {**row, "attributes": {key: value for key, value in given.items() if key in types}}


def _without_refused(people: People, entity: str, row: dict[str, Any], result: RowResult) -> dict[str, Any] | None:
    """The row without the fields that were refused; None when it is the id itself (an erasure that came in between)."""
    if "external_id" in result.errors or "row" in result.errors:
        return None
    kept = {**row, "attributes": dict(row.get("attributes", {}))}
    said = " ".join(f"{name}: {' '.join(sentences)}" for name, sentences in result.errors.items())
    people.refused.append((entity, row["external_id"], said))
    for name in result.errors:
        if name.startswith("attributes."):
            kept["attributes"].pop(name.removeprefix("attributes."), None)
        else:
            kept.pop(name, None)
    return kept
