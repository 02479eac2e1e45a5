"""I-05 against an org that never holds still: random changes before, after and in the midst of reads; then everything is equal.

Records are created, changed, moved, deleted, restored, purged and merged, some of it committed late and much of it between two
calls of a read. After one more read and a reconciliation the mirror holds what the org holds, and the domains know of exactly
the records that are gone.
"""

import contextlib
import os
import urllib.error
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from integrations.models import LakeTable, MirrorObject, RecordMerge, Run, SalesforceOrg
from integrations.orgs.connect import OrgClient
from integrations.orgs.lifecycle import connect_demo_org
from integrations.sync import verifying
from integrations.sync.mirror import hooks, merges
from tests.demo import DemoOrgHandle, running_demo_org
from tests.mirror.reads import ask, read, rows, truth
from tests.mirror.test_truth_reconcile import reconcile

pytestmark = pytest.mark.django_db
EXAMPLES = int(os.environ.get("MIRROR_STORIES", "6"))  # more, when somebody has the time
FIELDS = {"Account": "Name, Industry", "Contact": "LastName, AccountId"}
NOISE = ("create", "create_contact", "rename", "move", "delete", "delete_contact", "undelete", "purge", "hard_delete", "merge")
LATE = ("create", "create_contact", "rename")
change = st.tuples(st.sampled_from(NOISE), st.integers(0, 50), st.sampled_from([0, 0, 0, 300, 900]))
step = st.one_of(
    change,
    st.tuples(st.just("lose"), st.tuples(st.sampled_from(LATE), st.integers(0, 50), st.just(900)), st.just(0)),
    st.tuples(st.just("wait"), st.sampled_from([1, 60, 599, 1200]), st.just(0)),
    st.tuples(st.just("read"), st.lists(change, max_size=4), st.just(0)),
    st.tuples(st.just("reconcile"), st.lists(change, max_size=4), st.just(0)),
)


@pytest.fixture(scope="module")
def tiny_org(tmp_path_factory) -> Iterator[DemoOrgHandle]:
    with running_demo_org(tmp_path_factory.mktemp("tiny_org"), size=8) as handle:
        yield handle


class Story:
    """One org and its mirror, and what a domain heard."""

    def __init__(self, org: DemoOrgHandle, connection: SalesforceOrg) -> None:
        self.org, self.connection = org, connection
        self.ids: dict[str, list[str]] = {name: sorted(rows_of(connection, name)) for name in FIELDS}
        self.binned: dict[str, list[str]] = {name: [] for name in FIELDS}
        self.dead: set[str] = set()
        self.ever_live: set[str] = set()

    def act(self, what: str, number: int, late: int) -> None:
        """Somebody else does something; what Salesforce refuses is left."""
        if late and what in LATE:
            self.org.settings(late_commit_seconds=late)
        try:
            with contextlib.suppress(urllib.error.HTTPError):
                getattr(self, f"do_{what}")(number)
        finally:
            if late:
                self.org.settings(late_commit_seconds=0)

    def _of(self, name: str, number: int) -> str:
        known = self.ids[name]
        return known[number % len(known)]

    def _make(self, name: str, **fields: Any) -> None:
        self.ids[name].append(self.org.control("create", {"object": name, "fields": fields})["id"])

    def do_create(self, number: int) -> None:
        self._make("Account", Name=f"New {number}")

    def do_create_contact(self, number: int) -> None:
        self._make("Contact", LastName=f"Person {number}", AccountId=self._of("Account", number))

    def do_rename(self, number: int) -> None:
        about = {"object": "Account", "id": self._of("Account", number)}
        self.org.control("update", {**about, "fields": {"Name": f"Renamed {number}"}})

    def do_move(self, number: int) -> None:
        about = {"object": "Contact", "id": self._of("Contact", number)}
        self.org.control("update", {**about, "fields": {"AccountId": self._of("Account", number * 7)}})

    def do_delete(self, number: int, name: str = "Account") -> None:
        record = self._of(name, number)
        self.binned[name].append(record)
        self.org.control("delete", {"object": name, "id": record})

    def do_delete_contact(self, number: int) -> None:
        self.do_delete(number, "Contact")

    def do_undelete(self, number: int) -> None:
        name = ("Account", "Contact")[number % 2]
        if self.binned[name]:
            self.org.control("undelete", {"object": name, "id": self.binned[name][number % len(self.binned[name])]})

    def do_purge(self, number: int) -> None:
        self.org.control("purge", {"object": ("Account", "Contact")[number % 2]})

    def do_hard_delete(self, number: int) -> None:
        self.org.control("delete", {"object": "Contact", "id": self._of("Contact", number), "hard": True})

    def do_merge(self, number: int) -> None:
        master, loser = self._of("Account", number), self._of("Account", number // 2 + 1)
        if master != loser:
            self.org.control("merge", {"object": "Account", "master": master, "losers": [loser]})

    def hear(self, event: str) -> Callable[..., None]:
        """A hook that keeps the set of records that a domain takes for gone."""

        def told(org: SalesforceOrg, name: str, news: Any, /, *, run: Run, now: Any) -> None:
            ids = {each[0] if isinstance(each, tuple) else each for each in news}
            self.dead = self.dead - ids if event == "on_revived" else self.dead | ids

        return told


def rows_of(connection: SalesforceOrg, name: str) -> set[str]:
    return {each["Id"] for each in ask(connection, f"SELECT Id FROM {name} WHERE IsDeleted = false")}


@contextlib.contextmanager
def between_calls(story: Story, changes: list[tuple[str, int, int]], monkeypatch: Any) -> Iterator[None]:
    """One change after each call of whoever reads in this block, until there are none left."""
    waiting, count = list(changes), OrgClient._count

    def counted(self: OrgClient, call: Any) -> None:
        count(self, call)
        if waiting and call.counts:
            story.act(*waiting.pop(0))

    with monkeypatch.context() as patched:
        patched.setattr(OrgClient, "_count", counted)
        yield


def begin_anew(org: DemoOrgHandle) -> Story:
    """A fresh org, a fresh connection, an empty mirror."""
    org.reset()
    for model in (MirrorObject, LakeTable, RecordMerge, Run, SalesforceOrg):
        model.objects.all().delete()
    cache.clear()
    return Story(org, connect_demo_org(name="Demo", now=timezone.now()))


def go(story: Story, kind: str, changes: Any, monkeypatch: Any) -> None:
    with between_calls(story, changes, monkeypatch):
        run = read(story.connection) if kind == "read" else reconcile(story.connection)
    assert run.state == "success", (kind, run.sentence)
    for name in FIELDS:
        story.ever_live |= (
            set(rows(story.connection, name)) if MirrorObject.objects.filter(name=name, table=None).count() == 0 else set()
        )


@examples(
    max_examples=EXAMPLES, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(steps=st.lists(step, min_size=3, max_size=12))
def test_i_05_whatever_happens_the_mirror_equals_the_org_after_a_read_and_a_reconciliation(
    tiny_org,
    need,
    monkeypatch,
    settings,
    steps,
):
    settings.DEMO_ORG_URL = tiny_org.url
    story = begin_anew(tiny_org)
    monkeypatch.setattr(hooks, "_hooks", {})
    hooks.register("story", **{event: story.hear(event) for event in ("on_merged", "on_deleted", "on_revived")})
    need(Account=("Name", "Industry"), Contact=("LastName", "AccountId"), since_months=None)
    go(story, "read", [], monkeypatch)
    for what, value, late in steps:
        if what == "wait":
            tiny_org.clock(advance=value)
        elif what == "lose":  # committed so late that no read of changes will see it
            story.act(*value)
            tiny_org.clock(advance=700)
            go(story, "read", [], monkeypatch)
        elif what in ("read", "reconcile"):
            go(story, what, value, monkeypatch)
        else:
            story.act(what, value, late)
    tiny_org.clock(advance=3600)  # every late write is visible now
    go(story, "read", [], monkeypatch)
    go(story, "reconcile", [], monkeypatch)
    check(story)


def check(story: Story) -> None:
    """The mirror is the org; what the domains heard is what is gone; merges lead to who is left; the ledger adds up."""
    alive = set()
    for name, fields in FIELDS.items():
        theirs = truth(story.connection, fields, name)
        ours = rows(story.connection, name)
        assert {key: {each: row[each] for each in next(iter(theirs.values()), {})} for key, row in ours.items()} == theirs
        alive |= set(theirs)
    assert not story.dead & alive
    assert story.ever_live - alive <= story.dead
    bin_of = ask(story.connection, "SELECT Id, MasterRecordId FROM Account WHERE IsDeleted = true AND MasterRecordId != null")
    steps = {each["Id"]: each["MasterRecordId"] for each in bin_of}
    assert merges.follow(story.connection, steps).keys() >= merges.ends_of(steps, steps).keys()
    assert not list(verifying.breaches())
