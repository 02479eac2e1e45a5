"""The set-based statements of the mirror's truth say the same on DuckDB and on ClickHouse's engine."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from integrations.lake.engine import open_engine
from integrations.lake.reading import newest
from integrations.lake.tables import ensure_table
from integrations.lake.types import arrow_schema
from integrations.lake.writing import StagedFile, open_writer, register
from integrations.models import LakeTable, MirrorField, MirrorObject, SalesforceOrg
from integrations.salesforce.ids import to_18
from integrations.sync.mirror import comparing, deletions, fetching, formulas, hooks, news
from integrations.sync.mirror.comparing import Scope
from tests.mirror.truth import ledger

pytestmark = pytest.mark.django_db
DAY = datetime(2026, 3, 1, tzinfo=UTC)
COLUMNS = [
    ("Id", "text"), ("SystemModstamp", "moment"), ("CreatedDate", "moment"), ("IsDeleted", "flag"), ("MasterRecordId", "text"),
    ("Name", "text"), ("ParentId", "text"), ("Score", "number"),
]  # fmt: skip


@pytest.fixture(params=["duckdb", "chdb"], autouse=True)
def engine_of_choice(request, settings) -> None:
    if request.param == "chdb":
        pytest.importorskip("chdb", reason="The chdb package stands in for a ClickHouse server.")
    settings.LAKE_ENGINE_URL = f"{request.param}://"


@pytest.fixture
def mirror() -> MirrorObject:
    """An object with an empty table."""
    org = SalesforceOrg.objects.create(name="Acme", login_url="https://acme.my.salesforce.com", state="connected")
    table = ensure_table(
        f"mirror/{org.pk}/Account", columns=COLUMNS, key="Id", version="SystemModstamp", removed="IsDeleted", org=org
    )
    made = MirrorObject.objects.create(org=org, name="Account", table=table)
    MirrorField.objects.create(object=made, name="ParentId", type="reference")
    return made


def account(number: int) -> str:
    return to_18(f"001{number:012d}")


A, B, C, D, E = (account(number) for number in range(5))


def row(record_id: str, day: int = 0, **values: Any) -> dict[str, Any]:
    """A record that was saved so many days after the first of March."""
    usual = {"CreatedDate": DAY, "IsDeleted": False, "MasterRecordId": None, "Name": "x", "ParentId": None, "Score": None}
    return {"Id": record_id, "SystemModstamp": DAY + timedelta(days=day), **usual, **values}


def stage(table: LakeTable, rows: Sequence[dict[str, Any]], columns: Sequence[str] = ()) -> StagedFile:
    import pyarrow as pa

    chosen = [column for column in COLUMNS if not columns or column[0] in columns]
    with open_writer(table, columns=[name for name, _ in chosen]) as writer:
        names = [name for name, _ in chosen]
        writer.write(pa.Table.from_pylist([{name: each[name] for name in names} for each in rows], arrow_schema(chosen)))
    return writer.staged


def put(table: LakeTable, *rows: dict[str, Any], now: datetime) -> None:
    with transaction.atomic():
        register(table, stage(table, rows), now=now)


def everything(table: LakeTable) -> dict[str, dict[str, Any]]:
    with open_engine() as engine:
        engine.bind("rows", newest(table, include_removed=True))
        return {each["Id"]: each for each in engine.table("SELECT * FROM rows").to_pylist()}


LISTED = ("Id", "SystemModstamp", "IsDeleted", "CreatedDate")


def test_i_05_what_is_missing_stale_and_orphaned(mirror, now):
    table = mirror.table
    put(table, row(A), row(B), row(C, IsDeleted=True), row(D, 5), row(E, CreatedDate=DAY + timedelta(days=9)), now=now)
    listed = stage(table, [row(A), row(A, 1), row(B, 0, IsDeleted=True), row(C, 2), row(account(9), 3)], LISTED)
    scope = Scope("SystemModstamp", DAY - timedelta(days=1), DAY + timedelta(days=8))
    found = comparing.compare_ids(table, [listed], scope, read_until=DAY + timedelta(days=4))
    assert found.missing == [C, account(9)], "restored there; never seen here"
    assert found.stale == [A]
    assert found.orphans == [B, D], "in the bin there; nowhere there"
    assert (found.theirs, found.ours) == (3, 3), "E is newer than what both sides are compared on"
    assert comparing.compare_ids(table, [listed], scope, read_until=DAY).stale == [], "the next read brings it"


def test_i_05_records_before_the_window_are_no_orphans(mirror, now):
    put(mirror.table, row(A), row(B, 3), now=now)
    scope = Scope("SystemModstamp", DAY + timedelta(days=2))
    found = comparing.compare_ids(mirror.table, [], scope, read_until=None)
    assert (found.orphans, found.ours, found.theirs) == ([B], 1, 0)
    assert comparing.count_ours(mirror.table, scope) == 1


def test_i_05_records_that_came_since_are_not_missing(mirror, now):
    put(mirror.table, row(A), now=now)
    fresh = stage(mirror.table, [row(A), row(B, 4, CreatedDate=DAY + timedelta(days=4))], LISTED)
    found = comparing.compare_ids(mirror.table, [fresh], Scope(until=DAY + timedelta(days=3)), read_until=None)
    assert found.is_none
    assert comparing.compare_ids(mirror.table, [fresh], Scope(), read_until=None).missing == [B]


def test_r_046_a_mark_keeps_the_last_values_and_yields_to_the_record_itself(mirror, now):
    table = mirror.table
    put(table, row(A, 2, Name="Kept"), row(B), now=now)
    with open_engine() as engine:
        staged = fetching.bury(engine, table, [A, C])
    assert staged.rows == 1
    with transaction.atomic():
        register(table, staged, now=now)
    assert everything(table)[A] == {**row(A, 2, Name="Kept"), "IsDeleted": True}
    assert deletions.live_among(mirror, [A, B, C]) == [B]
    with open_engine() as engine:
        assert fetching.bury(engine, table, [A]).rows == 0, "once is enough"
    put(table, row(A, 2, Name="Kept"), now=now)
    assert not everything(table)[A]["IsDeleted"], "of equal versions the later file counts"


def test_r_049_news_are_what_was_not_told_yet(mirror, now):
    table, told = mirror.table, news.ensure_told_table(mirror)
    put(table, row(A), row(B, IsDeleted=True), row(C, IsDeleted=True, MasterRecordId=A), now=now)
    with open_engine() as engine:
        found = news.find_news(engine, mirror, table, told)
    assert (found.deleted, found.merged, found.revived) == ([B], [(C, A)], [])
    with transaction.atomic():
        register(told, news._stage_told(told, found, now), now=now)
    put(table, row(B, 1), row(A, 1, IsDeleted=True), now=now)
    with open_engine() as engine:
        again = news.find_news(engine, mirror, table, told)
    assert (again.deleted, again.merged, again.revived) == ([A], [], [B])
    assert not news.News([], [], [], [])
    assert hooks.BATCH > 0


def test_r_049_children_are_found_by_any_reference(mirror, now):
    put(mirror.table, row(A), row(B, ParentId=A), row(C, ParentId=D), row(E, ParentId=A, IsDeleted=True), now=now)
    assert news.children_of(mirror, [A]) == [B]
    assert news.children_of(mirror, [A, D]) == [B, C]


def test_formulas_change_only_what_differs_in_the_same_version(mirror, now):
    table = mirror.table
    put(table, row(A, Score=1), row(B, Score=None), row(C, Score=3), row(D, Score=4), row(E, Score=5, IsDeleted=True), now=now)
    seen = [row(A, Score=1), row(B, Score=2), row(C, 1, Score=9), row(D, Score=None), row(E, Score=6)]
    listed = stage(table, seen, ("Id", "SystemModstamp", "IsDeleted", "Score"))
    with open_engine() as engine:
        theirs, equal, staged = formulas._compare(engine, table, [listed], ["Score"])
    assert (theirs, equal, staged.rows) == (5, 3, 2)
    with transaction.atomic():
        register(table, staged, now=now)
    scores = {key: each["Score"] for key, each in everything(table).items()}
    assert scores == {A: 1, B: 2, C: 3, D: None, E: 5}
    assert everything(table)[B]["Name"] == "x"


def test_i_07_rewritten_rows_do_not_undo_what_another_file_brought_meanwhile(mirror, now):
    table, tries = mirror.table, []
    put(table, row(A, Score=1), row(B), now=now)

    def rewrite() -> StagedFile:
        with open_engine() as engine:
            staged = fetching.bury(engine, table, [A])
        tries.append(staged.rows)
        if len(tries) == 1:
            put(table, row(A, Score=2), now=now)
        return staged

    with ledger(mirror.org, "test.rewrite") as recorder:
        assert fetching.put_rewritten(recorder, table, rewrite, now=now) == 1
    assert tries == [1, 1], "made anew"
    assert everything(table)[A] == row(A, Score=2, IsDeleted=True)
