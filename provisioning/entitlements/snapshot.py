"""What customers may do, kept in the memory of a web process and dropped when it changes anywhere.

A process remembers the access of customers that were asked for, at most `MOST_CUSTOMERS`. One thread asks the database four
times a second what changed (`AccessChange`, `UsageWindow.updated_at`) and drops those customers, so that a change is visible to
every process within a second of its commit. Nothing here guesses: while the database does not say what changed, for more than
`TRUSTED` seconds, nothing is answered from memory.

Two facts make "what is new" more than "above the last number": ids become visible in another order than they were given (a
transaction that began earlier commits later), and a load may read just before a change that is noted just after.
"""

import gc
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, connections

from provisioning.entitlements.access import Shelf, find_customer, load_access
from provisioning.entitlements.deciding import CustomerAccess
from provisioning.models import AccessChange, Subscription, UsageWindow

log = structlog.get_logger(__name__)
MOST_CUSTOMERS = settings.ENTITLEMENT_CUSTOMERS
"""About 3 kB each."""
MOST_ANSWERS = 2 * MOST_CUSTOMERS
"""About 1 kB each."""
POLL = 0.25
"""Seconds between two looks."""
TRUSTED = 5.0
"""Seconds without a successful look after which memory answers nothing."""
OVERLAP = 30.0
"""Seconds that a transaction may take and still be noticed by its number; longer ones by the age of the entry."""
LONGEST = 300.0
"""Seconds after which a customer is read anew in any case."""
CHUNK = 500
EVERYBODY = 0


@dataclass(slots=True)
class Entry:
    """One customer in memory: since when, the names that led to it, and what was answered about it."""

    access: CustomerAccess
    loaded: float
    names: set[str] = field(default_factory=set)
    questions: list[str] = field(default_factory=list)


class Snapshot:
    """The memory of one process. `answers` maps a query string to what was answered; only `remember` writes it.

    Without `background` no thread is started: whoever uses it calls `look`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, background: bool = not settings.TESTING) -> None:
        self.clock, self.background = clock, background
        self.lock = threading.Lock()
        self.ids: dict[str, int] = {}
        self.entries: OrderedDict[int, Entry] = OrderedDict()
        self.answers: dict[str, Any] = {}
        self.trusted_until = 0.0
        self.dropped: OrderedDict[int, int] = OrderedDict()
        self.tick = 0
        self.seen: dict[int, float] = {}
        self.floor = 0
        self.usage_seen: dict[tuple[int, datetime], float] = {}
        self.listeners: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None
        self._process = 0
        self.loaded_all = False
        self.shelf, self.shelf_from = Shelf(), clock()

    # --- asking ---------------------------------------------------------------------------------------------------------

    def find(self, name: str) -> tuple[int, CustomerAccess] | None:
        """The customer of that id (or alias) and what it may do, from memory or the database; None when there is none."""
        number = self.ids.get(name)
        entry = self.entries.get(number) if number is not None else None
        if entry is not None and self.clock() - entry.loaded < LONGEST:
            return number, entry.access  # pyright: ignore[reportReturnType] - an entry has its number
        begun, shelf = self.tick, self._shelf_now()
        customer = find_customer(name)
        if customer is None:
            return None
        access = load_access([customer.pk], shelf=shelf).get(customer.pk)
        if access is None:
            return None
        self._keep(customer.pk, access, [name], begun)
        return customer.pk, access

    def _shelf_now(self) -> Shelf:
        """The catalogue as far as it was read; anew after `LONGEST`. A load that began before a change fills the old one."""
        now = self.clock()
        if now - self.shelf_from >= LONGEST:
            self.shelf, self.shelf_from = Shelf(), now
        return self.shelf

    def remember(self, customer: int, access: CustomerAccess, question: str, answer: Any) -> None:
        """Keep an answer until the customer changes; not when it changed since `access` was read."""
        with self.lock:
            entry = self.entries.get(customer)
            if entry is None or entry.access is not access:
                return
            if len(self.answers) >= MOST_ANSWERS:
                self._forget_oldest(CHUNK)
            if question not in self.answers:
                entry.questions.append(question)
            self.answers[question] = answer

    def _keep(self, customer: int, access: CustomerAccess, names: Iterable[str], begun: int) -> None:
        with self.lock:
            if self.dropped.get(customer, 0) > begun or self.dropped.get(EVERYBODY, 0) > begun:
                return  # it changed while it was read: the next question reads it again
            if len(self.entries) >= MOST_CUSTOMERS:
                self._forget_oldest(CHUNK)
            self._drop(customer)
            self.entries[customer] = Entry(access, self.clock(), set(names))
            self.ids.update(dict.fromkeys(names, customer))

    # --- forgetting -----------------------------------------------------------------------------------------------------

    def forget(self, customers: Iterable[int]) -> None:
        """Drop these customers; `EVERYBODY` drops all."""
        with self.lock:
            self.tick += 1
            for each in customers:
                self.dropped[each] = self.tick
                self.dropped.move_to_end(each)
                if each == EVERYBODY:
                    self.shelf, self.shelf_from = Shelf(), self.clock()
                    self.ids.clear()
                    self.entries.clear()
                    self.answers.clear()
                else:
                    self._drop(each)
            while len(self.dropped) > MOST_CUSTOMERS:
                self.dropped.popitem(last=False)

    def forget_answers(self) -> None:
        """Drop the answers only: what they are made of stays."""
        with self.lock:
            self.answers.clear()
            for entry in self.entries.values():
                entry.questions.clear()

    def _drop(self, customer: int) -> None:
        entry = self.entries.pop(customer, None)
        if entry is None:
            return
        for name in entry.names:
            self.ids.pop(name, None)
        for question in entry.questions:
            self.answers.pop(question, None)

    def _forget_oldest(self, many: int) -> None:
        for customer in list(self.entries)[:many]:
            self._drop(customer)

    # --- hearing what changed --------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Ask the database once what changed and drop it. DatabaseError when it does not answer."""
        started = self.clock()
        changed = self._changes(started) | self._usage(started)
        if changed:
            self.forget(changed)
        for listener in self.listeners:
            listener()
        self.trusted_until = started + TRUSTED

    def _changes(self, now: float) -> set[int]:
        rows = list(AccessChange.objects.filter(id__gt=self.floor).values_list("id", "customer_id"))
        fresh = {customer for number, customer in rows if number not in self.seen}
        for number, _ in rows:
            self.seen.setdefault(number, now)
        old = [number for number, at in self.seen.items() if now - at > OVERLAP]
        if old:
            self.floor = max(self.floor, *old)
            self.seen = {number: at for number, at in self.seen.items() if number > self.floor}
        return fresh

    def _usage(self, now: float) -> set[int]:
        since = datetime.now(UTC) - timedelta(seconds=OVERLAP)
        rows = UsageWindow.objects.filter(updated_at__gt=since).values_list("id", "updated_at", "customer_id")
        fresh = set()
        for number, at, customer in rows:
            if (number, at) not in self.usage_seen:
                self.usage_seen[number, at] = now
                fresh.add(customer)
        if len(self.usage_seen) > CHUNK:
            self.usage_seen = {key: at for key, at in self.usage_seen.items() if now - at <= 2 * OVERLAP}
        return fresh

    # --- the thread -----------------------------------------------------------------------------------------------------

    def start(self, *, load_all: bool = True) -> None:
        """Start the thread of this process once; after a fork the child starts its own."""
        if self._process == os.getpid():
            return
        with self.lock:
            if self._process == os.getpid():
                return
            self._process = os.getpid()
        newest = AccessChange.objects.order_by("-id").values_list("id", flat=True).first() or 0
        self.floor = max(0, newest - CHUNK)
        if not self.background:
            self.look()
            return
        self._thread = threading.Thread(target=self._keep_looking, args=(load_all,), name="entitlements", daemon=True)
        self._thread.start()

    def _keep_looking(self, load_all: bool) -> None:
        if load_all:
            threading.Thread(target=self._load_all, name="entitlements-load", daemon=True).start()
        while True:
            try:
                self.look()
            except DatabaseError:
                log.warning("entitlements.look_failed")
                connection.close()
            except Exception:
                log.exception("entitlements.look_failed")
                connection.close()
            time.sleep(POLL)

    def _load_all(self) -> None:
        """Read the customers with subscriptions once, newest first, so that a started process is soon quick."""
        try:
            numbers = list(
                Subscription.objects.order_by("-customer_id").values_list("customer_id", flat=True).distinct()[:MOST_CUSTOMERS]
            )
            for start in range(0, len(numbers), CHUNK):
                begun = self.tick
                for number, access in load_access(numbers[start : start + CHUNK], shelf=self._shelf_now()).items():
                    if number in self.entries:
                        continue  # somebody asked for it meanwhile: what was answered stays
                    self._keep(number, access, [access.external_id], begun)
                time.sleep(0)
            self.loaded_all = True
            gc.collect()
            gc.freeze()  # else each full collection walks through all of it, for a tenth of a second and more
        except DatabaseError:
            log.warning("entitlements.load_failed")
        finally:
            connections.close_all()


snapshot = Snapshot()
