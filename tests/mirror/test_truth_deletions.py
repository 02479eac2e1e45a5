"""Deleted, restored, purged, merged, converted: what the mirror and the domains make of it (R-046, R-048, R-049)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from integrations.models import LakeTable, MirrorObject, RecordMerge, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce.describe import FieldInfo
from integrations.sync.mirror import deletions, fetching, hooks, merges, news
from integrations.sync.mirror.describing import describe_object
from tests.mirror.reads import counts, mirror, read, rows
from tests.mirror.test_truth_reconcile import make, reconcile, removed, same
from tests.mirror.truth import described_object, ledger

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 10, 12, 0, 30, tzinfo=UTC)


# --- windows of the list of deletions (pure) ---------------------------------------------------------------------------------


def test_r_046_the_first_look_at_deletions_has_nothing_to_ask_and_knows_that():
    assert deletions.window_of(covered=None, server_now=NOON) == (None, True)


def test_r_046_a_window_begins_where_the_last_one_ended_and_a_little_before():
    window, gap = deletions.window_of(covered=NOON - timedelta(hours=3), server_now=NOON)
    assert window == (datetime(2026, 3, 10, 8, 50, tzinfo=UTC), datetime(2026, 3, 10, 12, 0, tzinfo=UTC))
    assert not gap


def test_r_046_what_is_older_than_fifteen_days_is_a_gap():
    window, gap = deletions.window_of(covered=NOON - timedelta(days=20), server_now=NOON)
    assert gap
    assert window is not None
    assert NOON - timedelta(days=15) < window[0] <= NOON - timedelta(days=15) + timedelta(hours=1)


@given(st.integers(0, 100_000), st.integers(0, 40_000))
def test_r_046_windows_are_whole_minutes_in_order_and_halves_cover_them(minutes_ago, seconds):
    now = NOON + timedelta(seconds=seconds)
    window, _ = deletions.window_of(covered=now - timedelta(minutes=minutes_ago), server_now=now)
    assert window is not None, "the overlap alone is longer than a minute"
    start, end = window
    assert start < end <= now
    assert start.second == end.second == 0
    parts = deletions.halves(window)
    if not parts:
        assert end - start < timedelta(minutes=2)
        return
    (first, middle), (again, last) = parts
    assert (first, middle, last) == (start, again, end)
    assert first < middle < last


# --- through the read --------------------------------------------------------------------------------------------------------


class Ears:
    """What the domains were told, in order."""

    def __init__(self, monkeypatch) -> None:
        monkeypatch.setattr(hooks, "_hooks", {})
        self.heard: list[tuple[str, str, tuple[Any, ...]]] = []
        self.deaf = False
        events = ("on_merged", "on_deleted", "on_revived", "on_converted")
        hooks.register("ears", **{event: self._hook(event) for event in events})

    def _hook(self, event: str) -> Any:
        def hear(org, name, told, /, *, run, now) -> None:
            if self.deaf:
                raise ValueError
            self.heard.append((event.removeprefix("on_"), name, tuple(told)))

        return hear

    def take(self) -> list[tuple[str, str, tuple[Any, ...]]]:
        found, self.heard = self.heard, []
        return found


@pytest.fixture
def ears(monkeypatch) -> Ears:
    return Ears(monkeypatch)


@pytest.fixture
def sales(connected_org, need, ears) -> SalesforceOrg:
    """Accounts with their contacts and deals, read once; the news of the first read is heard."""
    need(
        Account=("Name",),
        Contact=("LastName", "AccountId"),
        Opportunity=("Name", "AccountId", "Amount"),
        Lead=("LastName", "Company"),
        since_months=None,
    )
    assert read(connected_org).state == "success"
    ears.take()
    return connected_org


def test_r_046_a_soft_deleted_record_is_marked_told_once_and_its_values_stay(sales, demo_org, ears):
    gone = make(demo_org, Name="Soon gone")
    read(sales)
    demo_org.control("delete", {"object": "Account", "id": gone})
    read(sales)
    assert gone not in rows(sales)
    assert removed(sales)[gone]["Name"] == "Soon gone"
    assert ears.take() == [("deleted", "Account", (gone,))]
    read(sales)
    reconcile(sales)
    assert ears.take() == [], "told once, although the windows overlap"


def test_r_048_an_undeleted_record_is_the_same_row_again(sales, demo_org, ears):
    record = make(demo_org, Name="Back soon")
    demo_org.control("delete", {"object": "Account", "id": record})
    read(sales)
    assert ears.take() == [("deleted", "Account", (record,))]
    demo_org.control("undelete", {"object": "Account", "id": record})
    read(sales)
    assert rows(sales)[record]["Name"] == "Back soon"
    assert record not in removed(sales)
    assert ears.take() == [("revived", "Account", (record,))]
    demo_org.control("delete", {"object": "Account", "id": record})
    read(sales)
    assert ears.take() == [("deleted", "Account", (record,))], "news again"


def test_r_048_deleted_and_restored_between_two_reads_is_no_news(sales, demo_org, ears):
    record = make(demo_org, Name="Blink")
    read(sales)
    demo_org.control("delete", {"object": "Account", "id": record})
    demo_org.control("undelete", {"object": "Account", "id": record})
    read(sales)
    assert record in rows(sales)
    assert ears.take() == []


def test_r_046_a_hard_deleted_record_is_named_by_the_list_of_deletions_and_told(sales, demo_org, ears):
    record = make(demo_org, Name="Hard")
    read(sales)
    reconcile(sales)
    demo_org.control("delete", {"object": "Account", "id": record, "hard": True})
    demo_org.clock(advance=120)
    demo_org.forget_calls()
    reconcile(sales, objects=["Account"])
    assert len(demo_org.calls("/sobjects/Account/deleted")) == 1
    assert removed(sales)[record]["Name"] == "Hard"
    assert ears.take() == [("deleted", "Account", (record,))]
    same(sales)


def test_r_049_the_children_of_a_merge_hang_on_the_winner_and_totals_are_the_same(sales, demo_org, ears):
    winner, loser = make(demo_org, Name="Winner"), make(demo_org, Name="Loser")
    for account, amount in ((winner, 100), (loser, 70), (loser, 7)):
        make(
            demo_org,
            "Opportunity",
            Name="Deal",
            StageName="Prospecting",
            CloseDate="2030-01-01",
            AccountId=account,
            Amount=amount,
        )
    person = make(demo_org, "Contact", LastName="Person", AccountId=loser)
    read(sales)
    ears.take()
    demo_org.control("merge", {"object": "Account", "master": winner, "losers": [loser]})
    assert read(sales, objects=["Account"]).state == "success", "the children were not even read in this run"
    deals = [row["Amount"] for row in rows(sales, "Opportunity").values() if row["AccountId"] == winner]
    assert sum(deals) == 177
    assert rows(sales, "Contact")[person]["AccountId"] == winner
    assert merges.follow(sales, [loser]) == {loser: winner}
    assert ears.take() == [("merged", "Account", ((loser, winner),))]
    read(sales)
    reconcile(sales)
    assert ears.take() == []
    same(sales)
    same(sales, "Contact", "LastName, AccountId")


def test_r_049_a_chain_of_merges_is_told_with_its_last_record(sales, demo_org, ears):
    first, second, last = (make(demo_org, Name=name) for name in ("First", "Second", "Last"))
    read(sales)
    demo_org.control("merge", {"object": "Account", "master": second, "losers": [first]})
    demo_org.control("merge", {"object": "Account", "master": last, "losers": [second]})
    read(sales)
    assert ears.take() == [("merged", "Account", ((first, last), (second, last)))]
    assert merges.losers_of(sales, last) == [second, first] or set(merges.losers_of(sales, last)) == {first, second}


def test_r_049_a_merge_that_only_reconciliation_sees_is_followed(sales, demo_org, ears):
    winner, loser = make(demo_org, Name="Winner"), make(demo_org, Name="Loser")
    read(sales)
    demo_org.control("merge", {"object": "Account", "master": winner, "losers": [loser]})
    MirrorObject.objects.update(watermark=timezone.now() + timedelta(hours=2))
    reconcile(sales, objects=["Account"])
    assert merges.follow(sales, [loser]) == {loser: winner}
    assert ears.take() == [("merged", "Account", ((loser, winner),))]


def test_i_10_news_that_a_domain_could_not_take_are_told_again(sales, demo_org, ears):
    record = make(demo_org, Name="Gone")
    read(sales)
    demo_org.control("delete", {"object": "Account", "id": record})
    ears.deaf = True
    run = read(sales)
    assert run.state == "partial"
    assert counts(run)["failed"] == 1
    assert record not in rows(sales), "the mirror itself is right"
    ears.deaf = False
    assert read(sales).state == "success"
    assert ears.take() == [("deleted", "Account", (record,))]


def test_i_02_news_that_a_kill_kept_from_being_told_are_told_by_the_next_read(sales, demo_org, ears, monkeypatch):
    record = make(demo_org, Name="Gone")
    read(sales)
    demo_org.control("delete", {"object": "Account", "id": record})
    with monkeypatch.context() as patched:
        patched.setattr(news, "tell_news", lambda *args, **more: None)
        read(sales)
    assert ears.take() == []
    read(sales)
    assert ears.take() == [("deleted", "Account", (record,))]


def test_converted_leads_are_told_with_what_they_became(sales, demo_org, ears):
    lead = make(demo_org, "Lead", LastName="Lee", Company="Leeds", Status="Open - Not Contacted")
    account = make(demo_org, Name="Leeds")
    read(sales)
    ears.take()
    table = fetching.table_of(mirror(sales, "Lead"))
    converted = {name for name, _ in table.columns} >= set(news.CONVERTED)
    assert converted, "a lead's mirror has what it became"
    with ledger(sales, "test.convert") as recorder, client_for(sales, domain="test") as client:
        _convert(recorder, sales, table, lead, account)
        news.tell_news(recorder, client, mirror(sales, "Lead"), now=timezone.now())
        MirrorObject.objects.update(told_number=0)  # as after a compaction, which gives everything a new file
        news.tell_news(recorder, client, mirror(sales, "Lead"), now=timezone.now())
    assert ears.take() == [("converted", "Lead", (hooks.Conversion(lead, account, "", ""),))]


def _convert(recorder: Any, org: SalesforceOrg, table: LakeTable, lead: str, account: str) -> None:
    """What a read brings of a lead that was converted."""
    stamp = (timezone.now() + timedelta(seconds=5)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    with client_for(org, domain="test") as client:
        info = describe_object(org, client, "Lead")
    columns = fetching.columns_to_read(mirror(org, "Lead"), info)
    record = {column.name: None for column in columns} | {
        "Id": lead, "SystemModstamp": stamp, "CreatedDate": stamp, "IsDeleted": False, "IsConverted": True,
        "ConvertedAccountId": account,
    }  # fmt: skip
    staged = fetching.stage_records(table, [record], columns, object_="Lead")
    assert not staged.bad
    recorder.save(also=lambda: fetching._register(table, staged.files, recorder, timezone.now()))


# --- objects without IsDeleted -----------------------------------------------------------------------------------------------


def test_r_046_only_objects_that_do_not_say_it_themselves_need_the_list_in_every_read():
    described = described_object()
    assert not deletions.needs_list(MirrorObject(watermark_field="SystemModstamp"), described)
    assert deletions.needs_list(MirrorObject(watermark_field=""), described)
    bare = described_object(name="Thing")
    object.__setattr__(bare, "fields", tuple(each for each in bare.fields if each.name != "IsDeleted"))
    assert isinstance(bare.fields[0], FieldInfo)
    assert deletions.needs_list(MirrorObject(watermark_field="SystemModstamp"), bare)


def test_r_046_more_deletions_than_one_answer_holds_are_asked_for_in_halves(sales, demo_org):
    records = [make(demo_org, Name=f"Gone {number}") for number in range(3)]
    read(sales)
    reconcile(sales)
    for each in records:
        demo_org.control("delete", {"object": "Account", "id": each, "hard": True})
    demo_org.clock(advance=3600)
    body = [{"errorCode": "EXCEEDED_ID_LIMIT", "message": "exceeded the maximum number of ids"}]
    demo_org.fault(path="/sobjects/Account/deleted", status=400, body=body, times=2)
    demo_org.forget_calls()
    run = reconcile(sales, objects=["Account"])
    assert run.state == "success"
    assert len(demo_org.calls("/sobjects/Account/deleted")) == 5, "the whole, a half of it, two quarters, the other half"
    assert not set(records) & set(rows(sales))


def test_r_046_a_list_that_begins_after_our_last_look_leads_to_a_comparison_of_ids(sales, demo_org):
    reconcile(sales)
    record = next(iter(rows(sales)))
    demo_org.control("delete", {"object": "Account", "id": record, "hard": True})
    demo_org.clock(advance=600)
    now = mirror(sales).deleted_watermark + timedelta(minutes=10)
    empty = {
        "deletedRecords": [],
        "earliestDateAvailable": (now - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
        "latestDateCovered": now.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
    }
    demo_org.fault(path="/sobjects/Account/deleted", status=200, body=empty)
    before = mirror(sales).ids_at
    reconcile(sales, objects=["Account"])
    assert record not in rows(sales)
    assert mirror(sales).ids_at > before


def test_i_03_the_instant_until_which_deletions_are_known_never_moves_back(sales, demo_org):
    reconcile(sales)
    known = mirror(sales).deleted_watermark
    assert known is not None
    demo_org.clock(advance=-3600)
    reconcile(sales)
    assert mirror(sales).deleted_watermark >= known


def test_merges_that_were_heard_of_leave_a_journal_of_their_run(sales, demo_org):
    winner, loser = make(demo_org, Name="Winner"), make(demo_org, Name="Loser")
    demo_org.control("merge", {"object": "Account", "master": winner, "losers": [loser]})
    run = read(sales)
    found = RecordMerge.objects.get(org=sales, loser=loser)
    assert (found.winner, found.object, found.run) == (winner, "Account", run)
