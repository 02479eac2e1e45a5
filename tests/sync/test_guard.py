"""No mass change without a person's yes (I-11)."""

from datetime import timedelta

import pytest
from django.core import mail
from hypothesis import given
from hypothesis import strategies as st

from integrations import audit
from integrations.models import Alert, AuditEntry, GuardRequest, Run, SalesforceOrg
from integrations.sync import guard

pytestmark = pytest.mark.django_db
ABOUT = {"subject": "mirror/Account", "effect": "delete"}


@pytest.fixture
def org(db) -> SalesforceOrg:
    return SalesforceOrg.objects.create(name="Acme", login_url="https://acme.my.salesforce.com", state="connected")


@pytest.mark.parametrize(
    ("rows", "of_rows", "asked"),
    [
        (49, 49, False),
        (50, 50, True),
        (50, 250, False),
        (51, 250, True),
        (50, 249, True),
        (200, 1000, False),
        (201, 1000, True),
    ],
)
def test_i_11_more_than_a_fifth_and_at_least_fifty_need_a_yes(org, now, rows, of_rows, asked):
    allowed = guard.ask(org, **ABOUT, rows=rows, of_rows=of_rows, digest="d", now=now)
    assert allowed is not asked
    assert guard.pending(org).count() == asked


def test_i_11_a_yes_counts_for_this_change_only_and_is_remembered(org, cast, now):
    change = {**ABOUT, "rows": 90, "of_rows": 100}
    assert not guard.ask(org, **change, digest="first", examples=["001A"], now=now)
    request = guard.pending(org).get()
    assert request.examples == ["001A"]
    guard.answer(request, yes=True, user=cast.olga, now=now)
    assert guard.ask(org, **change, digest="first", now=now), "the run that comes again may do it"
    assert not guard.ask(org, **change, digest="second", now=now), "another change is another question"
    assert not guard.ask(org, **change, digest="first", now=now + guard.YES_LASTS), "a yes of last week is asked for again"
    assert GuardRequest.objects.filter(digest="first", answer=None).exists()


def test_i_11_a_no_stays_a_no(org, cast, now):
    change = {**ABOUT, "rows": 90, "of_rows": 100, "digest": "d"}
    guard.ask(org, **change, now=now)
    assert guard.answer(guard.pending(org).get(), yes=False, user=cast.olga, now=now) is None
    assert not guard.ask(org, **change, now=now)
    assert not guard.pending(org).exists(), "nobody is asked the same again"


def test_i_11_only_one_question_stands_about_one_subject(org, now):
    for digest in ("monday", "tuesday", "tuesday"):
        guard.ask(org, **ABOUT, rows=90, of_rows=100, digest=digest, now=now)
    guard.ask(org, subject="mirror/Contact", effect="delete", rows=90, of_rows=100, digest="other", now=now)
    assert sorted(guard.pending(org).values_list("digest", flat=True)) == ["other", "tuesday"]


def test_i_11_a_change_that_became_small_withdraws_the_question(org, cast, now, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        guard.ask(org, **ABOUT, rows=90, of_rows=100, digest="d", now=now)
        guard.ask(org, **ABOUT, rows=90, of_rows=100, digest="d", now=now)
    assert len(mail.outbox) == 1, "one message a question, not one a run"
    assert guard.ask(org, **ABOUT, rows=3, of_rows=100, digest="e", now=now)
    assert not guard.pending(org).exists()
    assert not Alert.objects.filter(recovered_at=None).exists()


def test_i_24_answers_are_audited_once_and_bring_the_job_back(org, cast, now, job):
    made = []
    job(lambda recorder: made.append(recorder.run.arguments))
    run = Run.objects.create(job="test.job", org=org, state="success", arguments={"object": "Account"}, finished_at=now)
    guard.ask(org, **ABOUT, rows=90, of_rows=100, digest="d", run=run, now=now)
    request = guard.pending(org).get()
    again = guard.answer(request, yes=True, user=cast.olga, now=now)
    assert again is not None
    assert again.requested_by == cast.olga
    assert made == [{"object": "Account"}]
    assert guard.answer(request, yes=False, user=cast.ada, now=now) is None, "the first answer counts"
    entry = AuditEntry.objects.get(action__startswith="guard.")
    assert (entry.action, entry.actor_name, entry.after["rows"]) == ("guard.allowed", "olga", 90)
    assert audit.verify().holds


def test_a_yes_for_a_job_that_no_longer_exists_asks_for_nothing(org, cast, now):
    run = Run.objects.create(job="gone.job", org=org, state="success", finished_at=now)
    guard.ask(org, **ABOUT, rows=90, of_rows=100, digest="d", run=run, now=now)
    assert guard.answer(guard.pending(org).get(), yes=True, user=cast.olga, now=now) is None
    assert not Run.objects.filter(state__in=Run.ACTIVE).exists()


def test_an_unknown_effect_is_refused(org, now):
    with pytest.raises(ValueError, match="clear, unlink, delete"):
        guard.ask(org, subject="x", effect="explode", rows=1, of_rows=1, digest="d", now=now)


@given(st.lists(st.text(max_size=8), max_size=20), st.randoms())
def test_a_change_has_one_name_whatever_the_order(parts, chance):
    shuffled = list(parts)
    chance.shuffle(shuffled)
    assert guard.digest_of(parts) == guard.digest_of(iter(shuffled))
    assert guard.digest_of(parts) != guard.digest_of([*parts, "one more"])
    assert guard.digest_of(parts + parts) != guard.digest_of(parts) or not parts


def test_open_questions_of_all_connections(org, now):
    other = SalesforceOrg.objects.create(name="Other", login_url="https://other.my.salesforce.com")
    for each in (org, other):
        guard.ask(each, **ABOUT, rows=90, of_rows=100, digest="d", now=now - timedelta(minutes=1))
    assert guard.pending().count() == 2
