"""Exports: large ones stream at once, hold no formulas, ask who is there, and show people only to those who repair rows."""

import csv
import io
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from integrations.models import AuditEntry, RowOutcome, Run, RunObject
from tests.effort import at_most
from tests.faults.house import body_of, furnish_run

pytestmark = pytest.mark.django_db
MANY = 100_000


def many_rows(n: int) -> Run:
    """A run with n written rows, made by the database itself."""
    run = Run.objects.create(job="okr.refresh", domain="okr", state="success")
    counted = RunObject.objects.create(run=run, name="links", read=n, written=n)
    columns = "run_object_id, key, label, salesforce_id, outcome, code, message, detail, at"
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %s) "
            f"INSERT INTO integrations_rowoutcome ({columns}) "
            f"SELECT %s, 'key ' || i, 'Label ' || i, '', 'written', '', '', '{{}}', %s FROM n",
            [n, counted.pk, timezone.now()],
        )
    return run


def test_r_280_100_000_rows_are_streamed_and_the_first_byte_is_quick(client, cast):
    run = many_rows(MANY)
    client.force_login(cast.ada)
    with at_most(2):
        answer = client.get(f"/runs/{run.pk}/rows.csv")
        parts = iter(answer.streaming_content)
        assert next(parts).startswith(b"object,key,")
        next(parts)
    assert answer.streaming
    text = b"".join(parts)
    assert text.count(b"\r\n") == MANY - 1
    assert text.endswith(b"\r\n")


def test_r_280_s_034_every_cell_comes_back_as_it_was_and_no_formula_runs(client, cast):
    nasty = {"key": "=HYPERLINK(1)", "label": 'a "quoted", cell', "message": "two\r\nlines\u2028 and ü 🚀"}
    run = furnish_run(None, **nasty)
    RowOutcome.objects.create(
        run_object=run.objects_touched.get(), key="-12.5", label="@SUM(A1)", outcome="skipped", message="\tx"
    )
    client.force_login(cast.ada)
    lines = list(csv.reader(io.StringIO(body_of(client.get(f"/runs/{run.pk}/rows.csv")).decode(), newline="")))
    assert [len(line) for line in lines] == [11, 11, 11]
    by_outcome = {line[4]: line for line in lines[1:]}
    assert by_outcome["failed"][1] == "'=HYPERLINK(1)"
    assert by_outcome["failed"][2] == nasty["label"]
    assert by_outcome["failed"][6] == nasty["message"]
    assert by_outcome["skipped"][1:3] == ["-12.5", "'@SUM(A1)"]
    assert by_outcome["skipped"][6] == "'\tx"


def test_s_060_a_large_export_asks_for_a_fresh_sign_in(client, cast):
    small, large = many_rows(10_000), many_rows(10_001)
    client.force_login(cast.ada)
    session = client.session
    session["signed_in_at"] = (timezone.now() - timedelta(minutes=16)).isoformat()
    session.save()
    assert client.get(f"/runs/{small.pk}/rows.csv").status_code == 200
    refused = client.get(f"/runs/{large.pk}/rows.csv")
    assert refused.status_code == 302
    assert refused["Location"].startswith("/accounts/confirm/")
    assert AuditEntry.objects.filter(action="export.rows").count() == 1
    assert (
        client.post(
            "/accounts/confirm/", {"password": "correct-horse-battery", "next": f"/runs/{large.pk}/rows.csv"}
        ).status_code
        == 302
    )
    assert client.get(f"/runs/{large.pk}/rows.csv").status_code == 200


def test_s_100_exports_are_not_stored(client, cast):
    run = furnish_run(None)
    client.force_login(cast.ada)
    for path in (f"/runs/{run.pk}/rows.csv", "/okr/export.csv"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "no-store" in answer["Cache-Control"]


PERSON = {
    "name": "Contact",
    "key": "jane.roe@acme.example",
    "label": "Jane Roe",
    "message": "Call +49 170 1234567 or jane.roe@acme.example",
}
HIDDEN = ("jane.roe", "Jane Roe", "acme.example", "170 12345")


@pytest.mark.parametrize("path", ["/runs/{pk}/", "/runs/{pk}/rows.csv", "/api/v1/runs/{pk}/rows/", "/runs/{pk}/progress/"])
def test_s_115_people_in_row_samples_are_for_operators(client, cast, path):
    run = furnish_run(None, **PERSON)
    client.force_login(cast.olga)
    shown = body_of(client.get(path.format(pk=run.pk))).decode()
    assert "jane.roe@acme.example" in shown
    client.force_login(cast.ana)
    masked = body_of(client.get(path.format(pk=run.pk))).decode()
    assert not [word for word in HIDDEN if word in masked]
    assert "***" in masked
    assert RowOutcome.objects.get().key == PERSON["key"], "the ledger itself is not changed by looking"


@pytest.mark.parametrize(
    "text", ["2026-11-22 04:53:28", "00D5g000004ABCDEAA", "1,234,567.89", "error 1234567890", "+3.5%", "v65.0"]
)
def test_s_115_numbers_dates_and_ids_stay(text):
    from integrations.masking import hide_people

    assert hide_people(text) == text
