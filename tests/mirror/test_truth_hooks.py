"""Who hears of what happened in the mirror, and what a listener's failure costs (I-10)."""

import pytest
from django.db import OperationalError

from integrations.models import Run, RunObject, SalesforceOrg
from integrations.sync.endings import RunStopped
from integrations.sync.mirror import hooks
from tests.mirror.truth import ledger

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_hooks(monkeypatch):
    monkeypatch.setattr(hooks, "_hooks", {})


@pytest.fixture
def org() -> SalesforceOrg:
    return SalesforceOrg.objects.create(name="Acme", login_url="https://acme.my.salesforce.com", state="connected")


class Listener:
    """Keeps what it is told; raises `problem` instead when there is one."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.heard: list[tuple[str, list[object]]] = []
        self.problem = problem

    def __call__(self, org, name, news, /, *, run, now) -> None:
        assert run.state == Run.State.RUNNING
        self.heard.append((name, list(news)))
        if self.problem is not None:
            raise self.problem


def test_i_10_a_failing_listener_stops_neither_the_others_nor_the_run(org, now):
    bad, good = Listener(ValueError("a record's secret")), Listener()
    hooks.register("a bad one", on_deleted=bad)
    hooks.register("b good one", on_deleted=good)
    with ledger(org) as recorder:
        assert hooks.tell(recorder, "on_deleted", "Account", ["001"], now=now) is False
    assert good.heard == [("Account", ["001"])]
    run = Run.objects.get()
    row = RunObject.objects.get(run=run, name="Account").rows.get()
    assert (row.outcome, row.code) == ("failed", "hook_failed")
    assert "ValueError" in row.message
    assert "secret" not in row.message
    assert run.state == Run.State.FAILED


def test_only_those_who_listen_to_it_hear_it_in_batches(org, now, monkeypatch):
    monkeypatch.setattr(hooks, "BATCH", 2)
    merged, deleted = Listener(), Listener()
    hooks.register("one", on_merged=merged)
    hooks.register("two", on_deleted=deleted)
    with ledger(org) as recorder:
        assert hooks.tell(recorder, "on_deleted", "Contact", ["1", "2", "3"], now=now)
        assert hooks.tell(recorder, "on_merged", "Contact", [], now=now)
    assert merged.heard == []
    assert deleted.heard == [("Contact", ["1", "2"]), ("Contact", ["3"])]


@pytest.mark.parametrize("problem", [RunStopped("cancelled", "Cancelled."), OperationalError("database is locked")])
def test_what_concerns_the_run_is_not_taken_for_a_failing_listener(org, now, problem, monkeypatch, job):
    job(lambda recorder: None, "mirror.read")
    monkeypatch.setattr(hooks.retrying, "is_away", lambda error: isinstance(error, OperationalError))
    hooks.register("one", on_deleted=Listener(problem))
    with pytest.raises(type(problem)), ledger(org) as recorder:
        hooks.tell(recorder, "on_deleted", "Account", ["001"], now=now)
    assert not RunObject.objects.exists()


def test_a_name_belongs_to_one_domain():
    listener = Listener()
    hooks.register("one", on_deleted=listener)
    hooks.register("one", on_deleted=listener)
    with pytest.raises(ValueError, match="one has registered"):
        hooks.register("one", on_deleted=Listener())
