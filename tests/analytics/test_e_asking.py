"""Asking: one question is one analysis, one result of the same facts; the job, the nightly ones, saving, purging."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from analytics.analyses import asking, computing, kinds, nightly, purging
from analytics.models import Analysis, Result
from integrations.access import Refusal
from integrations.models import Run
from integrations.sync import jobs, runs
from integrations.sync.mapping.problems import ProblemsFound
from tests.analytics.analysis_world import KIND, fill, known
from tests.analytics.cast import write_facts

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def kind():
    with known(KIND):
        yield


def test_the_same_question_is_one_analysis_with_a_seed_of_its_own(org, cast):
    fill(org)
    first = asking.ask(KIND, org, {"regions": ["US", "EMEA"]}, user=cast.ana, now=NOW)
    again = asking.ask(KIND, org, {"regions": ["EMEA", "US"], "by": "industry"}, user=cast.jane, now=NOW + timedelta(hours=1))
    other = asking.ask(KIND, org, {"by": "region"}, user=cast.ana, now=NOW)
    assert first.pk == again.pk != other.pk
    assert (again.owner, again.asked_at) == (cast.ana, NOW + timedelta(hours=1))
    assert first.seed == int(first.digest[:8], 16) & 0x7FFFFFFF != other.seed


def test_bad_values_are_named_all_at_once_and_nothing_is_stored(org, cast):
    fill(org)
    with pytest.raises(ProblemsFound) as caught:
        asking.ask(KIND, org, {"by": "weather", "least": "many"}, user=cast.ana, now=NOW)
    assert set(caught.value.by_path()) == {"by", "least"}
    assert not Analysis.objects.exists()


def test_a_question_that_lacks_an_attribute_is_refused_with_the_reason(org, cast):
    lacking = replace(KIND, name="lacking", lacks=lambda org: "Map the trial start first.")
    with pytest.raises(Refusal, match="Map the trial start first"):
        asking.ask(lacking, org, {}, user=cast.ana, now=NOW)


def test_the_job_computes_what_waits_and_the_same_facts_are_computed_once(org, cast):
    fill(org)
    found = asking.ask(KIND, org, {}, user=cast.ana, now=NOW)
    result = asking.request_result(found, user=cast.ana, now=NOW)
    assert result.state == Result.State.DONE
    assert result.run is not None
    assert (result.run.job, result.run.state) == ("analytics.analyze", Run.State.SUCCESS)
    assert result.document["population"] == 8
    assert asking.request_result(found, user=cast.ana, now=NOW + timedelta(hours=1)).pk == result.pk
    assert Run.objects.count() == 1
    assert asking.standing_of(found, org).is_current


def test_new_facts_need_a_new_result_and_the_old_one_stays_readable(org, cast):
    fill(org)
    found = asking.ask(KIND, org, {}, user=cast.ana, now=NOW)
    first = asking.request_result(found, user=cast.ana, now=NOW)
    write_facts(org, as_of=datetime(2026, 11, 2, tzinfo=UTC), subjects=[{"subject": "c1", "industry": "Retail", "mrr": 7}])
    standing = asking.standing_of(found, org)
    assert standing.needs_computing
    assert not standing.is_current
    assert standing.done == first
    second = asking.request_result(found, user=cast.ana, now=NOW)
    assert second.pk != first.pk
    assert asking.result_of(found) == second
    assert asking.result_before(second) == first
    assert asking.result_before(first) is None


def test_without_facts_it_is_refused_with_the_fix(org, cast):
    found = asking.ask(KIND, org, {}, user=cast.ana, now=NOW)
    with pytest.raises(Refusal, match="start the sync"):
        asking.request_result(found, user=cast.ana, now=NOW)


def test_many_questions_are_one_run_and_one_that_fails_says_why_in_words(org, cast):
    fill(org)
    asked = [asking.ask(KIND, org, {"least": n}, user=cast.ana, now=NOW) for n in (1, 2, 13)]
    state = asking.standing_of(asked[0], org).state
    assert state is not None
    for each in asked:
        Result.objects.create(analysis=each, facts=state.digest, as_of=state.as_of)
    run = runs.request_run(asking.JOB, org=org, now=timezone.now())
    assert (run.state, Run.objects.count()) == (Run.State.PARTIAL, 1)
    states = {each.parameters["least"]: each.results.get() for each in asked}
    assert [states[n].state for n in (1, 2, 13)] == ["done", "done", "failed"]
    assert states[13].problem == computing.UNEXPECTED
    assert "ZeroDivision" not in states[13].problem
    assert asking.standing_of(asked[2], org).failure


def test_a_failure_is_tried_again_by_hand_at_once_and_by_itself_later(org, cast):
    fill(org)
    found = asking.ask(KIND, org, {"least": 13}, user=cast.ana, now=NOW)
    first = asking.request_result(found, user=cast.ana, now=timezone.now())
    assert first.state == Result.State.FAILED
    assert asking.request_result(found, user=cast.ana, now=timezone.now()).computed_at == first.computed_at
    assert asking.request_result(found, user=cast.ana, now=timezone.now(), again=True).computed_at != first.computed_at


def test_a_question_whose_run_was_cancelled_can_be_asked_again(org, cast, settings):
    fill(org)
    found = asking.ask(KIND, org, {}, user=cast.ana, now=NOW)
    state = asking.standing_of(found, org).state
    assert state is not None
    lost = Result.objects.create(analysis=found, facts=state.digest, as_of=state.as_of)
    assert asking.standing_of(found, org).needs_computing, "nothing is at work on it"
    assert asking.request_result(found, user=cast.ana, now=NOW).state == Result.State.DONE
    assert Result.objects.get().pk == lost.pk


def test_a_question_that_waited_is_computed_on_the_facts_of_the_day(org, cast):
    fill(org)
    found = asking.ask(KIND, org, {}, user=cast.ana, now=NOW)
    Result.objects.create(analysis=found, facts="of-yesterday", as_of=NOW)
    runs.request_run(asking.JOB, org=org, now=timezone.now())
    state, only = asking.standing_of(found, org).state, Result.objects.get()
    assert state is not None
    assert (only.facts, only.as_of, only.state) == (state.digest, state.as_of, Result.State.DONE)


def test_too_many_waiting_questions_are_refused(org, cast, monkeypatch):
    fill(org)
    monkeypatch.setattr(asking, "MOST_WAITING", 2)
    for n in range(2):
        Result.objects.create(analysis=asking.ask(KIND, org, {"least": n}, user=None, now=NOW), facts="x")
    with pytest.raises(Refusal, match="wait already"):
        asking.request_result(asking.ask(KIND, org, {"least": 9}, user=cast.ana, now=NOW), user=cast.ana, now=NOW)


def test_every_night_the_nightly_and_the_saved_ones_are_computed(org, cast):
    fill(org)
    saved = asking.ask(KIND, org, {"by": "plan"}, user=cast.ana, now=NOW)
    asking.name_analysis(saved, "  Plans   of ours ", user=cast.ana, now=NOW)
    asking.ask(KIND, org, {"by": "region"}, user=cast.ana, now=NOW)
    assert nightly.queue_nightly(org, now=NOW) == 2
    assert nightly.queue_nightly(org, now=NOW) == 0
    runs.request_run(asking.JOB, org=org, now=timezone.now())
    done = Result.objects.filter(state=Result.State.DONE).values_list("analysis__name", "analysis__is_nightly")
    assert set(done) == {("Plans of ours", False), ("", True)}


def test_compute_all_within_the_run_of_the_sync(org, monkeypatch):
    fill(org)
    computed = []
    job = jobs.Job("test.sync", "Sync", "analytics", lambda recorder: computed.append(nightly.compute_all(recorder, org)))
    monkeypatch.setitem(jobs._jobs, "test.sync", job)
    run = runs.request_run("test.sync", org=org, now=timezone.now())
    assert (run.state, computed) == (Run.State.SUCCESS, [1])
    assert Result.objects.get().run == run


def test_a_kind_that_lacks_something_does_not_stop_the_others_of_the_night(org):
    fill(org)
    kinds.register(replace(KIND, name="lacking", lacks=lambda org: "Map it."))
    assert nightly.queue_nightly(org, now=NOW) == 1


def test_names_are_unique_in_a_connection_and_members_see_saved_ones(org, cast):
    fill(org)
    one, two = (asking.ask(KIND, org, {"by": by}, user=cast.ana, now=NOW) for by in ("plan", "region"))
    asking.name_analysis(one, "Ours", user=cast.ana, now=NOW)
    with pytest.raises(Refusal, match="another analysis"):
        asking.name_analysis(two, "ours", user=cast.ana, now=NOW)
    assert list(asking.shown_to(cast.jane)) == [one]
    assert asking.shown_to(cast.ana).count() == 2


def test_unnamed_questions_are_forgotten_and_old_results_but_the_newest(org, cast):
    fill(org)
    old, kept, young = (asking.ask(KIND, org, {"least": n}, user=cast.ana, now=NOW) for n in (1, 2, 3))
    asking.name_analysis(kept, "Kept", user=cast.ana, now=NOW)
    later = NOW + timedelta(days=31)
    asking.ask(KIND, org, {"least": 3}, user=cast.ana, now=later)
    for number in range(3):
        Result.objects.create(analysis=kept, facts=str(number), state="done", queued_at=NOW - timedelta(days=900 - number))
    assert purging.purge(now=later) == {"analyses": 1, "results": 2}
    assert set(Analysis.objects.values_list("pk", flat=True)) == {kept.pk, young.pk}
    assert kept.results.get().facts == "2"
    assert not Analysis.objects.filter(pk=old.pk).exists()


def test_a_cancelled_computation_stays_cancelled_until_somebody_asks_again(org, cast):
    def cancelled(engine, asked):
        Run.objects.filter(state=Run.State.RUNNING).update(cancel_requested=True)
        asked.breathe()
        raise AssertionError("not reached")

    fill(org)
    slow = replace(KIND, name="slow", compute=cancelled)
    kinds.register(slow)
    found = asking.ask(slow, org, {}, user=cast.ana, now=NOW)
    result = asking.request_result(found, user=cast.ana, now=timezone.now())
    assert (result.state, result.problem) == (Result.State.FAILED, "Cancelled by a person.")
    assert Run.objects.get().state == Run.State.CANCELLED
    assert not asking.standing_of(found, org).needs_computing
