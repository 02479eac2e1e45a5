"""The table of causes: what each refusal means now and for the next runs. Pure."""

from itertools import accumulate, pairwise

import pytest

from integrations.salesforce.ids import to_18
from integrations.salesforce.loads import row_error
from integrations.salesforce.meaning import Reason, explain
from integrations.sync.outbox import causes, planning
from integrations.sync.outbox.causes import Later, Now, cause_of, state_after

IDS = "0015e00000ABCDE, 0015e00000ABCDF"


def refused(code, message="", fields=(), *, by_id=False):
    return cause_of(explain(400, [Reason(code, message, tuple(fields))]), by_id=by_id)


@pytest.mark.parametrize(
    ("code", "message", "fields", "now", "later"),
    [
        ("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access", (), Now.AGAIN, Later.EACH_RUN),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "T: System.DmlException: UNABLE_TO_LOCK_ROW", (), Now.AGAIN, Later.EACH_RUN),
        (
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
            "T: System.LimitException: Apex CPU time limit exceeded",
            (),
            Now.SMALLER,
            Later.EACH_RUN,
        ),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "T: no", (), Now.LEAVE, Later.PARK),
        ("STORAGE_LIMIT_EXCEEDED", "storage limit exceeded", (), Now.NO_MORE_CREATES, Later.EACH_RUN),
        ("INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: X__c", ("X__c",), Now.WITHOUT_FIELD, Later.PARK),
        ("INVALID_FIELD", "No such column 'X__c' on sobject of type Account", (), Now.WITHOUT_FIELD, Later.PARK),
        ("INVALID_FIELD", "Foreign key external ID: 0116 not found for field F in entity E", (), Now.LEAVE, Later.WAIT_PARENT),
        (
            "DUPLICATE_EXTERNAL_ID",
            f"F: more than one record found for external id field: [{IDS}]",
            (),
            Now.LEAVE,
            Later.CONFLICT,
        ),
        ("ENTITY_IS_DELETED", "entity is deleted", (), Now.LEAVE, Later.GONE),
        ("ENTITY_IS_DELETED", "entity is deleted", ("AccountId",), Now.LEAVE, Later.PARK),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "too early", (), Now.LEAVE, Later.PARK),
        ("DUPLICATES_DETECTED", "Use one of these records?", (), Now.LEAVE, Later.PARK),
        ("REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]", ("Name",), Now.LEAVE, Later.PARK),
        ("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights", (), Now.LEAVE, Later.EACH_RUN),
        ("ENTITY_IS_LOCKED", "locked for approval", (), Now.LEAVE, Later.EACH_RUN),
        ("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", (), Now.LEAVE, Later.PARK_NOW),
        ("SERVER_UNAVAILABLE", "try later", (), Now.AGAIN, Later.EACH_RUN),
        ("SOMETHING_NEW", "who knows", (), Now.LEAVE, Later.PARK),
    ],
)
def test_each_refusal_has_its_consequence(code, message, fields, now, later):
    cause = refused(code, message, fields)
    assert (cause.now, cause.later) == (now, later)


def test_r_138_an_unknown_id_means_a_purged_record_only_where_rows_name_ids():
    assert refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", by_id=True).later is Later.GONE
    assert refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ["OwnerId"], by_id=True).later is Later.PARK
    assert refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id").later is Later.PARK


def test_r_139_a_refused_row_is_parked_after_five_runs_without_change():
    states = [state_after(causes.REFUSED, tries) for tries in range(1, 7)]
    assert states == ["retrying"] * 4 + ["parked"] * 2
    assert {state_after(causes.LOCK, tries) for tries in (1, 5, 500)} == {"retrying"}


def test_r_137_all_records_that_share_a_key_are_named():
    error = explain(400, [Reason("DUPLICATE_EXTERNAL_ID", f"K: more than one record found for external id field: [{IDS}]")])
    sentence = causes.sentence_of(causes.SEVERAL, error)
    assert sentence.startswith(f"2 records share this key: {', '.join(map(to_18, IDS.split(', ')))}. Nothing was written.")
    assert causes.records_named(explain(300, [Reason("", "more than one record found")])) == []


def test_r_111_a_missing_required_field_is_skipped_and_named():
    error = row_error("REQUIRED_FIELD_MISSING:Required fields are missing: [Name, Stage__c]:Name,Stage__c --")
    cause = cause_of(error, by_id=False)
    assert cause.skipped
    assert causes.sentence_of(cause, error).startswith("Required Name, Stage__c missing.")


def test_every_code_gets_a_fix_in_words_that_names_the_fields():
    assert "Stage__c" in causes.suggest_fix("STRING_TOO_LONG", "data value too large", ["Stage__c"])
    assert "Name" in causes.suggest_fix("REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]")
    for code in (*causes.FIXES, "", "SOMETHING_NEW"):
        text = causes.suggest_fix(code, "said", [])
        assert text
        assert "{" not in text
        assert text.endswith((".", "!"))


# --- planning -----------------------------------------------------------------------------------------------------------


def test_collections_carry_small_pushes_and_bulk_large_ones():
    assert planning.choose_way(1) == planning.choose_way(200) == planning.choose_way(1_500) == "composite"
    assert planning.choose_way(3_000) == planning.choose_way(1_000_000) == "bulk"
    assert planning.calls_of("composite", 2_000) == 10
    assert planning.calls_of("bulk", 100_000, 250_000_000) == 18


def test_calls_are_cut_by_rows_and_by_bytes():
    rows = list(range(450))
    assert [len(call) for call in planning.in_calls(rows, [10] * 450)] == [200, 200, 50]
    assert [len(call) for call in planning.in_calls(rows[:5], [4, 4, 9, 1, 1], most_bytes=8)] == [2, 1, 2]
    assert planning.halves([1, 2, 3]) == [[1, 2], [3]]
    assert planning.halves([1]) == [[1]]


def test_r_149_which_failures_deserve_a_message():
    assert planning.is_alarming(20_000, 3_000)
    assert planning.is_alarming(1_000_000, 101)
    assert planning.is_alarming(10, 2)
    assert planning.is_alarming(1, 1)
    assert not planning.is_alarming(20_000, 100)
    assert not planning.is_alarming(100, 10)
    assert not planning.is_alarming(5, 0)


def test_an_unusual_share_is_seen_against_the_last_runs():
    usual = [planning.Share(10, 1000)] * 5
    assert planning.is_unusual(planning.Share(300, 1000), usual)
    assert not planning.is_unusual(planning.Share(40, 1000), usual), "small in number"
    assert not planning.is_unusual(planning.Share(90, 1000), usual), "within ten points"
    assert not planning.is_unusual(planning.Share(900, 1000), usual[:2]), "nothing is usual yet"


def test_i_09_polls_grow_and_are_bounded():
    assert planning.first_poll(100, None) == planning.FIRST_POLL
    assert planning.first_poll(10**9, 1.0) == planning.LONGEST_POLL
    pauses = [1.0]
    for looks in range(1, 50):
        pauses.append(planning.next_poll(pauses[-1], looks=looks))
    assert pauses[1] < pauses[0], "an org that is quick once is mostly quick"
    assert all(later >= earlier for earlier, later in pairwise(pauses[1:]))
    assert pauses[-1] == planning.LONGEST_POLL
    assert len([pause for pause in accumulate(pauses) if pause < 20]) <= 7, "few looks before the worker is given back"


def test_i_09_a_first_look_comes_when_a_quick_org_could_be_done_and_then_when_this_one_usually_is():
    assert planning.first_poll(100_000, None) == pytest.approx(100_000 * planning.QUICK_PACE)
    assert planning.first_poll(100_000, 0.0001) == pytest.approx(9.0), "a little early, so that a quicker org is noticed"
    assert planning.first_poll(100, 1 / 70_000) == planning.FIRST_POLL


def test_i_09_further_looks_follow_what_the_job_says():
    assert planning.next_poll(5.0, looks=1, rows=100, processed=50, seconds=10.0) == pytest.approx(11.1)
    assert planning.next_poll(5.0, looks=1, rows=100, processed=99, seconds=0.99) == pytest.approx(0.111)
    assert planning.next_poll(9.0, looks=3, rows=100, processed=100, seconds=20.0) == 2.0, "all read, not yet complete"
    assert planning.next_poll(1.0, rows=1_000_000, processed=1, seconds=10.0) == planning.LONGEST_POLL


def watched(rows, needed, *, pace=None, step=10_000):
    """How often a job that takes `needed` seconds is looked at, and after how many seconds it is seen to be done."""
    at, looks = planning.first_poll(rows, pace), 1
    pause = at
    while at < needed:
        processed = int(rows * at / needed) // step * step
        pause = planning.next_poll(pause, looks=looks, rows=rows, processed=processed, seconds=at)
        at, looks = at + pause, looks + 1
    return looks, at


@pytest.mark.parametrize(
    ("rows", "needed", "pace", "most_looks", "seen_by"),
    [
        (100_000, 1.15, None, 1, 1.2),  # as quick as an org can be
        (100_000, 1.6, None, 2, 1.9),
        (100_000, 4.0, None, 3, 4.6),
        (5_000, 0.09, 1 / 70_000, 1, 0.15),
        (5_000, 0.2, 1 / 70_000, 3, 0.4),
        (100_000, 60.0, None, 8, 75.0),  # a real org, met for the first time
        (100_000, 60.0, 0.0006, 2, 65.0),  # and again
        (100_000, 40.0, 0.0006, 2, 50.0),  # it became quicker
        (100_000, 120.0, 0.0006, 4, 140.0),  # or slower
    ],
)
def test_i_09_few_looks_find_a_job_soon_after_it_is_done(rows, needed, pace, most_looks, seen_by, monkeypatch):
    monkeypatch.setattr(planning, "FIRST_POLL", 0.1)
    looks, at = watched(rows, needed, pace=pace)
    assert looks <= most_looks
    assert at <= seen_by


def test_r_036_a_slow_job_is_looked_at_ever_more_rarely():
    assert planning.rest_of(1000, 0, 20.0, least=30.0) == 30.0
    assert planning.rest_of(1000, 0, 200.0, least=30.0) == 100.0
    assert planning.rest_of(1000, 500, 100.0, least=30.0) == 100.0, "when it should be done"
    assert planning.rest_of(1000, 1, 100.0, least=30.0) == planning.LONGEST_REST
    at, looks = 20.0, 0
    while at < 7200:
        at, looks = at + planning.rest_of(1000, 0, at, least=30.0), looks + 1
    assert looks < 35, "two hours of a job that tells nothing"
