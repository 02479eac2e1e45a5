"""The audit as a page, export, API and command; and that every way to tamper with it is noticed."""

import csv
import io
import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations import audit, audit_keeping
from integrations.access import Refusal
from integrations.api_keys import create_key
from integrations.audit_chain import Anchor, read_anchor
from integrations.models import Alert, AlertChannel, AlertDelivery, AuditCheck, AuditEntry, Customer
from project.audit_log import views
from project.audit_log.exporting import COLUMNS, check_export
from project.audit_log.showing import differences, page_of, words_of
from provisioning.models import Offer, OfferVersion, Product, Subscription, Term
from provisioning.subscriptions.naming import name_subscriptions

pytestmark = pytest.mark.django_db
TABLE = "integrations_auditentry"


@pytest.fixture
def ten(cast) -> list[AuditEntry]:
    return [
        audit.record(
            f"thing.done{n % 2}", actor=cast.ada if n % 3 else None, target=f"thing {n}", after={"n": n}, address="10.0.0.1"
        )
        for n in range(10)
    ]


@pytest.fixture
def ada(cast) -> Client:
    browser = Client()
    browser.force_login(cast.ada)
    return browser


def sql(text: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(text, values)


def set_at(entry: AuditEntry, at: datetime) -> None:
    """An entry of another day, signed as if it had been written then; for retention and day filters."""
    line = audit.line_of(entry)
    from dataclasses import replace

    from integrations.audit_chain import digest_of

    made = digest_of(replace(line, at=at.isoformat()), audit.keys()[0])
    AuditEntry.objects.filter(pk=entry.pk).update(at=at, digest=made)
    AuditEntry.objects.filter(previous_digest=line.digest).update(previous_digest=made)


def aged(days: int, count: int = 5) -> list[AuditEntry]:
    """Entries of `days` ago, each signed after its predecessor."""
    made = []
    for number in range(count):
        entry = audit.record("old.done", target=f"old {number}")
        set_at(entry, timezone.now() - timedelta(days=days))
        made.append(AuditEntry.objects.get(pk=entry.pk))
    return made


# --- tampering (I-24) --------------------------------------------------------------------------------------------------


def tamper_change(ten):
    sql(f"UPDATE {TABLE} SET target = 'other' WHERE id = %s", ten[4].pk)
    return ten[4].pk


def tamper_subject(ten):
    sql(f"UPDATE {TABLE} SET connection = 7 WHERE id = %s", ten[4].pk)
    return ten[4].pk


def tamper_middle(ten):
    sql(f"DELETE FROM {TABLE} WHERE id = %s", ten[4].pk)
    return ten[5].pk


def tamper_head(ten):
    sql(f"DELETE FROM {TABLE} WHERE id < %s", ten[3].pk)
    return ten[3].pk


def tamper_tail(ten):
    sql(f"DELETE FROM {TABLE} WHERE id > %s", ten[7].pk)
    return ten[9].pk


def tamper_all(ten):
    sql(f"DELETE FROM {TABLE}")
    return ten[9].pk


def tamper_order(ten):
    first, second = ten[4], ten[5]
    sql(f"UPDATE {TABLE} SET id = 1000000 WHERE id = %s", first.pk)
    sql(f"UPDATE {TABLE} SET id = %s WHERE id = %s", first.pk, second.pk)
    sql(f"UPDATE {TABLE} SET id = %s WHERE id = 1000000", second.pk)
    return first.pk


def tamper_without_key(ten):
    from integrations.audit_chain import digest_of

    last = audit.line_of(ten[9])
    sql(f"UPDATE {TABLE} SET digest = %s, target = 'other' WHERE id = %s", digest_of(last, "another key"), ten[9].pk)
    return ten[9].pk


@pytest.mark.parametrize(
    "tamper",
    [tamper_change, tamper_subject, tamper_middle, tamper_head, tamper_tail, tamper_all, tamper_order, tamper_without_key],
)
def test_i_24_every_way_to_tamper_is_found_and_told(ten, tamper, now):
    assert audit_keeping.verify_chain(now=now).broken_id is None
    expected = tamper(ten)
    found = audit_keeping.verify_chain(now=now)
    assert found.broken_id == expected, found.why
    alert = Alert.objects.get(key=audit_keeping.ALERT, recovered_at=None)
    assert str(expected) in alert.body


def test_i_24_a_chain_written_anew_with_the_key_shows_by_the_digests_of_earlier_checks(ten, cast, now):
    kept = audit_keeping.anchor_of(audit_keeping.verify_chain(now=now))
    sql(f"DELETE FROM {TABLE}")
    for number in range(20):
        audit.record("thing.invented", actor=cast.olga, target=f"thing {number}")
    assert not audit.verify().holds
    AuditCheck.objects.all().delete()  # whoever rewrites everything takes the notes along, too
    assert audit.verify().holds, "inside nothing is left to compare with"
    assert audit.find_anchor(kept) in ("other", "missing"), "the digest that was kept outside tells"


def test_i_24_notes_that_somebody_put_in_by_hand_are_not_believed(ten, now):
    AuditCheck.objects.create(at=now, checked=10, last_id=ten[9].pk, last_digest="0" * 64, signature="0" * 64)
    assert audit.verify().holds


def test_i_24_a_repaired_chain_closes_the_alert(ten, now):
    audit_keeping.verify_chain(now=now)
    sql(f"UPDATE {TABLE} SET target = 'other' WHERE id = %s", ten[4].pk)
    audit_keeping.verify_chain(now=now)
    assert audit_keeping.broken_since() == now
    sql(f"UPDATE {TABLE} SET target = 'thing 4' WHERE id = %s", ten[4].pk)
    audit_keeping.verify_chain(now=now)
    assert audit_keeping.broken_since() is None
    assert not Alert.objects.filter(key=audit_keeping.ALERT, recovered_at=None).exists()


def test_i_24_values_come_back_as_they_went_in(cast):
    values = {
        "nul": "a\0b",
        "back": "\\u0000",
        "large": 1e22,
        "small": 1e-7,
        "day": datetime(2026, 1, 1, tzinfo=UTC),
        "deep": {"x": [1.5]},
    }
    entry = audit.record("thing.done", target="x\0y", after=values)
    stored = AuditEntry.objects.get(pk=entry.pk)
    assert stored.target == "xy"
    assert stored.after == entry.after
    assert stored.after["back"] == "\\u0000"
    assert audit.verify().holds


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_i_24_many_writers_and_a_checker_at_once_make_one_chain():
    def write() -> None:
        done = 0
        for _ in range(3000):
            try:
                audit.record("thing.done", target=done)
            except OperationalError:
                continue
            done += 1
            if done == 8:
                break
        connection.close()

    threads = [threading.Thread(target=write) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert audit.verify() == audit.Verification(40)


# --- retention (S-114) ---------------------------------------------------------------------------------------------------


def test_s_114_old_entries_go_and_the_rest_still_verifies(settings, cast):
    settings.AUDIT_DAYS = 30
    aged(days=60)
    audit.record("thing.done", actor=cast.ada, target="new")
    assert audit_keeping.run_nightly()["removed"] == 5
    assert list(AuditEntry.objects.order_by("id").values_list("action", flat=True)) == ["thing.done", "audit.pruned"]
    assert audit.verify().holds
    assert AuditEntry.objects.get(action="audit.pruned").after["entries"] == 5
    assert audit_keeping.run_nightly()["removed"] == 0


def test_s_114_pruning_again_and_again_keeps_one_chain_and_cutting_more_shows(settings, cast, now):
    settings.AUDIT_DAYS = 30
    for age in (90, 60):
        aged(days=age)
        audit.record("thing.done", target="between")
        audit.prune(before=now - timedelta(days=age - 20), now=now)
    assert audit.verify().holds
    first = AuditEntry.objects.order_by("id").first()
    sql(f"DELETE FROM {TABLE} WHERE id = %s", first.pk)
    assert not audit.verify().holds


def test_s_114_nothing_is_removed_from_a_broken_chain(settings, now):
    old = aged(days=60)
    audit.record("thing.done", target="new")
    sql(f"UPDATE {TABLE} SET target = 'other' WHERE id = %s", old[2].pk)
    with pytest.raises(Refusal, match="does not fit"):
        audit.prune(before=now - timedelta(days=30), now=now)
    assert AuditEntry.objects.count() == 6


def test_s_114_everything_is_kept_without_a_setting_and_the_newest_always(settings, now):
    settings.AUDIT_DAYS = 0
    aged(days=900, count=2)
    assert audit_keeping.run_nightly()["removed"] == 0
    assert audit.prune(before=now + timedelta(days=1), now=now) == 1


# --- page ------------------------------------------------------------------------------------------------------------


def shown(client: Client, query: str = "") -> list[str]:
    return [row["entry"].target for row in client.get(f"/audit/?{query}").context["rows"]]


def test_s_110_the_page_shows_who_what_when_from_where_and_the_difference(ada, cast, connected_org):
    audit.record(
        "connection.changed", actor=cast.ada, target=connected_org, before={"name": "Old", "seats": 3}, after={"name": "Demo", "seats": 3},
        address="203.0.113.9",
    )  # fmt: skip
    page = ada.get("/audit/").content.decode()
    assert "203.0.113.9" in page
    assert "UTC" in page
    assert "Connection: changed" in page
    assert "<del>Old</del>" in page
    assert "<ins>Demo</ins>" in page
    assert reverse("integrations:connection", args=[connected_org.pk]) in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("person=system", [9, 6, 3, 0]),
        ("person=ada&kind=thing.done1", [7, 5, 1]),
        ("kind=thing", list(range(9, -1, -1))),
        ("kind=thin", []),
        ("object=thing+7", [7]),
        ("q=10.0.0.1+thing+8", [8]),
        ("q=nowhere", []),
        ("since=2030-01-01", []),
        ("until=2030-01-01&kind=thing.done0", [8, 6, 4, 2, 0]),
        ("since=yesterday&person=system", [9, 6, 3, 0]),
        ("org=77", []),
        ("page=abc&person=system", [9, 6, 3, 0]),
    ],
)
def test_s_110_filters_stand_in_the_address(ada, ten, query, expected):
    assert [name for name in shown(ada, query) if name.startswith("thing")] == [f"thing {n}" for n in expected]


def test_s_110_a_day_is_a_day_of_the_person(ada, cast):
    entry = audit.record("thing.done", target="late")
    set_at(entry, datetime(2026, 3, 1, 23, 30, tzinfo=UTC))
    ada.cookies["tz"] = "Asia/Tokyo"
    assert "late" in shown(ada, "since=2026-03-02&until=2026-03-02")
    assert "late" not in shown(ada, "since=2026-03-01&until=2026-03-01")
    ada.cookies["tz"] = "UTC"
    assert "late" in shown(ada, "since=2026-03-01&until=2026-03-01")


def test_s_110_the_connection_filter_follows_what_the_entry_is_about(ada, connected_org):
    audit.record("run.started", target=connected_org, after={})
    audit.record("run.started", target="elsewhere")
    assert shown(ada, f"org={connected_org.pk}&kind=run") == ["Demo"]


def test_s_110_names_from_outside_are_shown_as_text(ada, cast):
    audit.record("thing.done", target="<img src=x onerror=alert(1)>", after={"<b>": "<script>"})
    page = ada.get("/audit/").content.decode()
    assert "<img src=x" not in page
    assert "<script>" not in page.split("<main")[1]


@pytest.mark.parametrize("name", ["marsha", "ana", "olga"])
def test_s_071_only_admins_read_the_audit(cast, client, name):
    client.force_login(getattr(cast, name))
    for path in ("/audit/", "/audit/export.csv", "/api/v1/audit/", "/api/v1/audit/integrity/"):
        assert client.get(path).status_code == 403, path


@pytest.mark.parametrize(
    ("text", "said"),
    [("nonsense", "This is no digest"), ("causeway-audit:999999:" + "a" * 64, "There is no entry"), ("", None)],
)
def test_i_24_the_page_compares_a_digest_from_outside(ada, ten, text, said):
    compared = ada.get("/audit/", {"anchor": text}).context["compared"]
    assert said is None if compared is None else said in compared[1]
    anchor = Anchor(ten[5].pk, ten[5].digest)
    assert ada.get("/audit/", {"anchor": f" {anchor} "}).context["compared"][0] == "ok"
    assert ada.get("/audit/", {"anchor": str(Anchor(ten[5].pk, "0" * 64))}).context["compared"][0] == "bad"


def test_i_24_verify_now_notes_the_digest_and_can_send_it(ada, ten):
    AlertChannel.objects.create(name="Ops", host="hooks.example.com")
    assert ada.post("/audit/verify/", {"send": "1"}).status_code == 302
    check = AuditCheck.objects.get()
    assert read_anchor(str(audit_keeping.anchor_of(check))) == Anchor(ten[9].pk, ten[9].digest)
    assert ten[9].digest in json.loads(AlertDelivery.objects.get().body)["body"]
    assert b"Chain holds" in ada.get("/audit/").content


def test_s_110_revoking_one_or_all_is_one_entry_each_with_who_and_from_where(ada, connected_org):
    ada.post(reverse("integrations:connection_disconnect", args=[connected_org.pk]), {"confirm": connected_org.name})
    entry = AuditEntry.objects.get(action="connection.disconnected")
    assert (entry.actor_name, entry.address, entry.connection) == ("ada", "127.0.0.1", connected_org.pk)
    ada.post(reverse("integrations:revoke_all"), {"confirm": "revoke all"})
    assert AuditEntry.objects.get(action="connection.all_revoked").actor_name == "ada"


# --- exports -----------------------------------------------------------------------------------------------------------


def exported(client: Client, form: str, query: str = "") -> str:
    answer = client.get(f"/audit/export.{form}?{query}")
    assert answer.status_code == 200
    return b"".join(answer.streaming_content).decode()


def check(text: str):
    return check_export(io.StringIO(text, newline=""))


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_i_24_an_export_is_exactly_what_is_filtered_and_proves_itself(ada, ten, form, tmp_path, capsys):
    text = exported(ada, form, "person=system&kind=thing")
    found = check(text)
    assert (found.holds, found.lines, found.gaps) == (True, 4, 3)
    entry = AuditEntry.objects.get(action="export.audit")
    assert entry.after == {"entries": 4, "format": form, "filters": {"person": "system", "kind": "thing"}}
    path = tmp_path / f"audit.{form}"
    path.write_text(text, newline="")
    call_command("verify_audit", str(path))
    assert "4 entries" in capsys.readouterr().out
    assert check(exported(ada, form, "kind=thing")).gaps == 0


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("change", ["content", "line", "order", "tail", "seal", "more"])
def test_i_24_a_changed_export_is_found(ada, ten, form, change, tmp_path):
    lines = exported(ada, form, "kind=thing").splitlines(keepends=True)
    start = 1 if form == "csv" else 0
    if change == "content":
        lines[start + 2] = lines[start + 2].replace("thing 7", "thing 77")
    elif change == "line":
        del lines[start + 3]
    elif change == "order":
        lines[start + 1], lines[start + 2] = lines[start + 2], lines[start + 1]
    elif change == "tail":
        del lines[start + 8 : start + 10]
    elif change == "seal":
        del lines[-1]
    else:
        lines.append(lines[start])
    text = "".join(lines)
    assert not check(text).holds
    path = tmp_path / "audit.txt"
    path.write_text(text, newline="")
    with pytest.raises(CommandError):
        call_command("verify_audit", str(path))


def test_s_034_cells_that_a_spreadsheet_would_run_are_prefixed_and_still_verify(ada, cast):
    for target in ("=1+1", "@cmd", "-2+3", "'=quoted", "+49 30", 'plain, "quoted"\nline'):
        audit.record("thing.done", actor=cast.ada, target=target)
    text = exported(ada, "csv", "kind=thing")
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if len(row) == len(COLUMNS)]
    cells = [row[COLUMNS.index("target")] for row in rows[1:-1]]
    assert not [cell for cell in cells if cell.startswith(("=", "@", "+", "-"))]
    assert check(text).holds


@pytest.mark.parametrize("text", ["", "number,at\r\n1,2\r\n", "{}\n", "[1]\n", '{"number": "x"}\n', "\0"])
def test_i_24_a_file_that_is_no_export_says_so(text, tmp_path):
    path = tmp_path / "file"
    path.write_text(text, newline="")
    with pytest.raises(CommandError):
        call_command("verify_audit", str(path))


def test_s_060_a_large_export_asks_for_a_fresh_sign_in(ada, ten, monkeypatch):
    monkeypatch.setattr(views, "LARGE_EXPORT", 5)
    session = ada.session
    session["signed_in_at"] = (timezone.now() - timedelta(minutes=16)).isoformat()
    session.save()
    answer = ada.get("/audit/export.csv?kind=thing")
    assert answer.status_code == 302
    assert reverse("integrations:confirm_login") in answer["Location"]
    assert not AuditEntry.objects.filter(action="export.audit").exists()
    assert ada.get("/audit/export.csv?kind=thing&person=system").status_code == 200, "a small one does not"


def test_i_24_the_command_verifies_the_database_and_an_anchor(ten, capsys):
    call_command("verify_audit", anchor=str(Anchor(ten[3].pk, ten[3].digest)))
    out = capsys.readouterr().out
    assert "10 entries" in out
    assert "The anchor holds." in out
    with pytest.raises(CommandError, match="written anew"):
        call_command("verify_audit", anchor=str(Anchor(ten[3].pk, "f" * 64)))
    sql(f"DELETE FROM {TABLE} WHERE id = %s", ten[4].pk)
    with pytest.raises(CommandError, match=str(ten[5].pk)):
        call_command("verify_audit")


# --- API ---------------------------------------------------------------------------------------------------------------


def test_s_110_the_api_needs_the_scope_and_an_admin(cast, client, ten):
    _, secret = create_key(owner=cast.ada, name="SIEM", scopes=["audit:read"], expires=None)
    header = {"Authorization": f"Api-Key {secret}"}
    found = client.get("/api/v1/audit/?kind=thing.done1&person=ada&page_size=2", headers=header).json()
    assert found["count"] == 3
    assert [each["target"] for each in found["results"]] == ["thing 7", "thing 5"]
    assert found["results"][0]["digest"] == ten[7].digest
    assert client.get("/api/v1/audit/?since=today", headers=header).json()["error"]["fields"] == {
        "since": ["A day is written YYYY-MM-DD, such as 2026-11-22."]
    }
    assert client.post("/api/v1/audit/", headers=header).status_code in (403, 405)
    assert client.get("/api/v1/audit/integrity/", headers=header).json()["holds"] is None
    audit_keeping.verify_chain(now=timezone.now())
    assert client.get("/api/v1/audit/integrity/", headers=header).json()["holds"] is True
    _, weak = create_key(owner=cast.olga, name="Olga", scopes=["audit:read"], expires=None)
    assert client.get("/api/v1/audit/", headers={"Authorization": f"Api-Key {weak}"}).status_code == 403


# --- words -------------------------------------------------------------------------------------------------------------


def test_s_110_subscriptions_are_told_by_name_with_one_query(ada, now, django_assert_max_num_queries):
    plan = Offer.objects.create(key="plan-pro", kind="plan", name="Pro", product=Product.objects.create(key="crm", name="CRM"))
    version = OfferVersion.objects.create(offer=plan, number=1, published_at=now)
    for n in range(6):
        customer = Customer.objects.create(external_id=f"c{n}", name=f"Acme {n}", last_seen_at=now)
        made = Subscription.objects.create(key=f"sub-{n:040}", customer=customer, product=plan.product, starts_at=now)
        Term.objects.create(subscription=made, effective_at=now - timedelta(days=1), plan=version)
        audit.record("subscription.started", target=made.key)
    audit.record("subscription.started", target="sub-gone")
    page = ada.get("/audit/").content.decode()
    assert f'<a href="/provisioning/subscriptions/sub-{3:040}/" title="sub-{3:040}">CRM: Pro</a>' in page
    assert "Acme 3" in page
    assert ">sub-gone<" in page
    with django_assert_max_num_queries(1):
        assert len(name_subscriptions([f"sub-{n:040}" for n in range(6)], now=now)) == 6


def test_differences_are_told_by_value():
    found = differences({"a": 1, "b": {"c": True, "d": "x"}, "gone": "g"}, {"a": 1, "b": {"c": False, "d": "x"}, "new": [1, 2]})
    assert [(each.name, each.before, each.after, each.kind) for each in found] == [
        ("b.c", "yes", "no", "changed"), ("gone", "g", "", "removed"), ("new", "", "1, 2", "added"), ("a", "1", "1", "same"),
        ("b.d", "x", "x", "same"),
    ]  # fmt: skip
    assert differences({}, {"n": None})[0].kind == "fact"


def test_words_and_pages():
    assert words_of("api_key.created") == "API key: created"
    assert words_of("connection.credentials_changed") == "Connection: credentials changed"
    assert page_of("integrations.salesforceorg:3", "Demo") == ("integrations:connection", 3)
    assert page_of("", "run 12 as 13") == ("integrations:run", 12)
    assert page_of("", "provision 12") == ("provisioning:provision", 12)
    assert page_of("auth.user:1", "ada") is None
