"""Tasks for customer success in a real org: made once, whatever breaks in between, and never written over what people change."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from integrations.access import Refusal
from integrations.models import AuditEntry, Customer, Lease, OutboxBatch, OutboxRow, RecordLink, RowOutcome, Run, SalesforceOrg
from integrations.orgs.connect import OrgClient, client_for
from integrations.product.health.scoring import BadParts
from integrations.product.models import CsmTask, Segment, TaskRule
from integrations.product.task_rules import checking, definitions, forgetting, key_field, kind, making
from integrations.product.task_rules.definitions import Draft
from integrations.salesforce import metadata
from integrations.sync import runs
from integrations.sync.matching.forgetting import erase
from integrations.sync.matching.saving import save_customers
from integrations.sync.outbox import planning
from integrations.sync.outbox.targets import forget_accepted

pytestmark = pytest.mark.django_db
QUIET = [{"signal": "days_since_seen", "op": "at_least", "value": "14"}]
TASKS = f"SELECT Id, {kind.KEY_FIELD}, Subject, WhatId, OwnerId, ActivityDate, Priority, Status, Description FROM Task"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch) -> None:
    cache.clear()
    monkeypatch.setattr(planning, "LOCK_WAITS", (0.0, 0.0, 0.0))


class Desk:
    """Customers here, their accounts and tasks there."""

    def __init__(self, org: SalesforceOrg, demo: Any) -> None:
        self.org, self.demo, self.client = org, demo, client_for(org, domain="test")
        self.accounts = self.client.query_all(
            "SELECT Id, OwnerId FROM Account WHERE Owner.IsActive = true ORDER BY Id LIMIT 40"
        )

    def customer(self, n: int, *, days: int, link: bool = True) -> Customer:
        seen = (timezone.now() - timedelta(days=days, minutes=5)).isoformat()
        save_customers([{"external_id": f"pa-{n}", "name": f"Company {n}", "last_seen_at": seen}], now=timezone.now())
        customer = Customer.objects.get(external_id=f"pa-{n}")
        if link:
            RecordLink.objects.get_or_create(
                org=self.org, customer=customer, entity="customer", object="Account", rule="manual",
                salesforce_id=self.accounts[n]["Id"],
            )  # fmt: skip
        return customer

    def rule(self, **changes: Any) -> TaskRule:
        draft = Draft(org=self.org, name="Quiet", subject="Call {{customer}}", conditions=QUIET)
        rule = definitions.save_rule(None, replace(draft, **changes), user=None, now=timezone.now())
        definitions.set_state(rule, "active", user=None, now=timezone.now())
        return rule

    def prepare(self) -> Run:
        run = runs.request_run(key_field.JOB, org=self.org, now=timezone.now())
        run.refresh_from_db()
        return run

    def run(self) -> Run:
        run = runs.request_run(making.JOB, org=self.org, now=timezone.now())
        run.refresh_from_db()
        return run

    def run_killed_at(self, call: int, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> bool:
        """A run whose worker dies at its call number `call` (from 0), before or after Salesforce did it; False: it ended."""
        real, seen = OrgClient.request, []

        def request(client: OrgClient, method: str, path: str, **options: Any) -> Any:
            seen.append(path)
            if len(seen) - 1 == call and not after:
                raise KeyboardInterrupt
            answer = real(client, method, path, **options)
            if len(seen) - 1 == call:
                raise KeyboardInterrupt
            return answer

        with monkeypatch.context() as patched:
            patched.setattr(OrgClient, "request", request)
            try:
                self.run()
            except KeyboardInterrupt:
                return True
        return False

    def resumed(self) -> Run:
        """What the sweeper and the next worker do after a kill."""
        back = timezone.now() - timedelta(minutes=10)
        Run.objects.filter(state="running").update(heartbeat_at=back)
        Lease.objects.update(expires_at=back)
        runs.sweep(now=timezone.now())
        run = Run.objects.filter(job=making.JOB).latest("pk")
        return self.again(run) if run.is_active else run

    def again(self, run: Run) -> Run:
        """The next turn of a run that waits."""
        Run.objects.filter(pk=run.pk).update(not_before=None)
        runs.perform_run(run.pk)
        run.refresh_from_db()
        return run

    def tasks(self) -> list[dict[str, Any]]:
        return self.client.query_all(f"{TASKS} WHERE {kind.KEY_FIELD} != null ORDER BY {kind.KEY_FIELD}")

    def writes(self) -> int:
        return len([call for call in self.demo.calls("composite/sobjects") if call["method"] in ("PATCH", "POST")])


@pytest.fixture
def desk(connected_org, demo_org) -> Desk:
    return Desk(connected_org, demo_org)


def test_px_41_a_task_for_each_customer_that_needs_attention_with_owner_due_day_and_reason(desk) -> None:
    quiet, _, unlinked = desk.customer(0, days=20), desk.customer(1, days=2), desk.customer(2, days=40, link=False)
    assert desk.prepare().state == "success"
    rule = desk.rule(priority="High", due_in_days=5, description="Ask {{customer}} how it goes.")
    run = desk.run()
    assert run.state == "success", run.sentence
    (task,) = desk.tasks()
    stored = CsmTask.objects.get(customer=quiet)
    assert (stored.state, stored.salesforce_id, stored.key) == ("created", task["Id"], task[kind.KEY_FIELD])
    assert task["Subject"] == "Call Company 0"
    assert (task["WhatId"], task["OwnerId"]) == (desk.accounts[0]["Id"], desk.accounts[0]["OwnerId"])
    assert task["ActivityDate"] == (timezone.now() + timedelta(days=5)).date().isoformat()
    assert (task["Priority"], task["Status"]) == ("High", "Not Started")
    assert "Ask Company 0 how it goes." in task["Description"]
    assert "Days since last seen: 20 (at least 14)" in task["Description"]
    assert f"/customers/{quiet.pk}/" in task["Description"]
    waiting = CsmTask.objects.get(customer=unlinked)
    assert (waiting.state, waiting.code) == ("waiting", "not_linked")
    rule.refresh_from_db()
    assert (rule.matching, rule.held_back) == (2, 0)
    counts = {each.name: (each.written, each.unchanged, each.skipped) for each in run.objects_touched.all()}
    assert counts == {"Rule: Quiet": (2, 1, 0), "Task": (1, 0, 1)}


def test_i_04_checking_again_makes_no_second_task_and_sends_nothing(desk) -> None:
    desk.customer(0, days=20)
    desk.prepare()
    desk.rule()
    desk.run()
    desk.demo.forget_calls()
    for _ in range(3):
        assert desk.run().state == "success"
    assert len(desk.tasks()) == 1
    assert desk.writes() == 0


def test_px_41_the_next_episode_makes_the_next_task_after_the_cool_down(desk) -> None:
    customer = desk.customer(0, days=20)
    desk.prepare()
    rule = desk.rule(cooldown_days=10)
    desk.run()
    desk.customer(0, days=0)
    desk.run()
    first = CsmTask.objects.get(customer=customer)
    assert first.ended_at is not None
    Customer.objects.filter(pk=customer.pk).update(last_seen_at=timezone.now() - timedelta(days=15))
    desk.run()
    assert len(desk.tasks()) == 1, "too soon"
    CsmTask.objects.update(opened_at=timezone.now() - timedelta(days=11))
    desk.run()
    assert [task[kind.KEY_FIELD] for task in desk.tasks()] == [f"{rule.key}-{customer.pk}-{n}" for n in (1, 2)]


def test_px_35_tasks_wait_until_their_customer_is_linked_and_are_dropped_when_nobody_needs_them_any_more(desk) -> None:
    late, calm = desk.customer(0, days=20, link=False), desk.customer(1, days=20, link=False)
    desk.prepare()
    desk.rule()
    desk.run()
    assert desk.tasks() == []
    desk.customer(0, days=20, link=True)
    desk.customer(1, days=0, link=False)
    desk.run()
    assert len(desk.tasks()) == 1
    assert CsmTask.objects.get(customer=late).state == "created"
    assert CsmTask.objects.get(customer=calm).state == "dropped"


def test_without_the_key_field_nothing_is_sent_and_the_run_says_what_to_do(desk) -> None:
    desk.customer(0, days=20)
    desk.rule()
    desk.demo.forget_calls()
    run = desk.run()
    assert run.state == "partial"
    task = CsmTask.objects.get()
    assert (task.state, task.code) == ("waiting", "key_field_missing")
    assert kind.KEY_FIELD in task.message
    assert desk.writes() == 0
    assert desk.prepare().state == "success"
    assert desk.prepare().objects_touched.get().unchanged == 1, "creating it again changes nothing"
    names = [f"{each}.{kind.KEY_FIELD}" for each in ("Activity", "Task", "Event")]
    there = metadata.read_components(desk.client, "CustomField", names)
    assert {each["externalId"] for each in there.values()} in ({True}, {"true"}), "tasks and events share their fields"
    assert len(there) >= 2
    assert AuditEntry.objects.filter(action="fields.created").count() == 1
    assert desk.run().state == "success"
    assert len(desk.tasks()) == 1


@pytest.mark.parametrize("way", ["answer lost", "call lost", "server error"])
def test_i_02_i_04_a_call_that_breaks_in_the_middle_makes_each_task_once(desk, way) -> None:
    for n in range(4):
        desk.customer(n, days=20)
    desk.prepare()
    desk.rule()
    fault = {"answer lost": {"cut": 10}, "call lost": {"action": "close"}, "server error": {"status": 500, "body": ""}}[way]
    desk.demo.fault(path="composite/sobjects", method="PATCH", times=1, **fault)
    run = desk.run()
    assert run.state == "success", run.sentence
    tasks = desk.tasks()
    assert len(tasks) == 4
    assert len({task["WhatId"] for task in tasks}) == 4
    assert CsmTask.objects.filter(state="created").count() == 4
    assert desk.writes() == 2, "it was tried again"


def test_i_02_a_worker_killed_after_salesforce_took_the_tasks_makes_none_twice(desk, monkeypatch) -> None:
    for n in range(3):
        desk.customer(n, days=20)
    desk.prepare()
    desk.rule()
    monkeypatch.setattr("integrations.sync.outbox.composite_way._end", _die)
    with pytest.raises(KeyboardInterrupt):
        runs.request_run(making.JOB, org=desk.org, now=timezone.now())
    monkeypatch.undo()
    cache.clear()
    assert len(desk.tasks()) == 3, "Salesforce has them, we never heard of it"
    assert CsmTask.objects.filter(state="created").count() == 0
    assert OutboxBatch.objects.get().state == "sent"
    first = desk.tasks()[0]
    desk.client.request("PATCH", f"sobjects/Task/{first['Id']}", json={"Status": "Completed"})
    desk.demo.forget_calls()
    run = desk.resumed()
    assert run.state == "success", run.sentence
    assert len(desk.tasks()) == 3
    assert desk.writes() == 0, "they are found by their keys"
    assert desk.tasks()[0]["Status"] == "Completed"
    assert CsmTask.objects.filter(state="created").count() == 3


@pytest.mark.parametrize("heard", [False, True], ids=["call lost", "answer lost"])
def test_i_02_killed_at_each_call_and_resumed_every_task_is_there_once(desk, monkeypatch, heard) -> None:
    desk.prepare()
    desk.rule()
    made = 0
    for call in range(12):
        for n in (made, made + 1):
            desk.customer(n, days=20)
        killed = desk.run_killed_at(call, monkeypatch, after=heard)
        run = desk.resumed() if killed else Run.objects.latest("pk")
        made += 2
        assert run.state == "success", (call, run.sentence)
        tasks = desk.tasks()
        assert len(tasks) == len({task["WhatId"] for task in tasks}) == made, f"killed at call {call}"
        assert CsmTask.objects.filter(state="created").count() == made
        if not killed:
            assert call >= 3, "owners, users, and the tasks themselves"
            return
    pytest.fail("a run of two tasks makes fewer calls")


def _die(*_: Any) -> None:
    """What `kill -9` leaves: nothing more is written."""
    raise KeyboardInterrupt


def test_l_13_after_a_backup_is_put_back_the_tasks_are_found_and_not_made_again(desk) -> None:
    desk.customer(0, days=20)
    desk.prepare()
    desk.rule()
    desk.run()
    made = CsmTask.objects.get()
    forget_accepted(kind.task_target(desk.org))
    CsmTask.objects.all().delete()
    desk.demo.forget_calls()
    assert desk.run().state == "success"
    again = CsmTask.objects.get()
    assert (again.key, again.salesforce_id, again.state) == (made.key, made.salesforce_id, "created")
    assert desk.writes() == 0
    assert len(desk.tasks()) == 1


def test_r_139_a_refused_task_says_why_and_is_made_once_the_cause_is_gone(desk) -> None:
    desk.customer(0, days=20)
    desk.customer(1, days=20)
    desk.prepare()
    rule_there = {"name": "No_Highs", "object": "Task", "field": "Subject", "op": "=", "value": "Call Company 0",
                  "message": "Not like this.", "error_field": "Subject"}  # fmt: skip
    desk.demo.control("rules", rule_there)
    desk.rule()
    run = desk.run()
    assert run.state == "partial"
    refused = CsmTask.objects.get(customer__external_id="pa-0")
    assert (refused.state, refused.code, refused.message) == ("waiting", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Not like this.")
    assert CsmTask.objects.get(customer__external_id="pa-1").state == "created"
    desk.demo.control("rules", method="DELETE")
    assert desk.run().state == "success"
    assert len(desk.tasks()) == 2
    assert not OutboxRow.objects.exists()


def test_r_154_what_people_change_in_a_task_stays_and_a_deleted_task_does_not_come_back(desk) -> None:
    for n in range(2):
        desk.customer(n, days=20)
    desk.prepare()
    desk.rule()
    desk.run()
    first, second = desk.tasks()
    desk.client.request("PATCH", f"sobjects/Task/{first['Id']}", json={"Status": "Completed", "Subject": "Done"})
    desk.client.request("DELETE", f"sobjects/Task/{second['Id']}")
    for job in (making.JOB, "outbox.verify", making.JOB):
        run = runs.request_run(job, org=desk.org, now=timezone.now())
        run.refresh_from_db()
        assert run.state in ("success", "partial"), run.sentence
    (left,) = desk.tasks()
    assert (left["Status"], left["Subject"]) == ("Completed", "Done")


def test_i_23_s_112_the_task_of_an_erased_customer_loses_its_texts_and_does_not_come_back(desk, cast) -> None:
    customer, _ = desk.customer(0, days=20), desk.customer(1, days=20)
    desk.prepare()
    desk.rule(description="Company 0 is loud")
    desk.run()
    task = CsmTask.objects.get(customer=customer)
    erase(customer, actor=cast.ada, now=timezone.now())
    assert forgetting.forget(now=timezone.now()) == 1
    assert forgetting.forget(now=timezone.now()) == 0, "safe to repeat"
    told = CsmTask.objects.get(pk=task.pk)
    assert (told.reason, told.values, told.state, told.salesforce_id) == ("", {}, "created", task.salesforce_id)
    target = kind.task_target(desk.org)
    assert [each.key for each in making.accepted_of(target)] == [CsmTask.objects.exclude(pk=task.pk).get().key]
    assert not RowOutcome.objects.filter(label__contains="Company 0").exists()
    desk.run()
    assert len(desk.tasks()) == 2
    assert CsmTask.objects.count() == 2


def test_owners_who_cannot_take_a_task_are_left_out_and_a_certain_user_may_get_all(desk) -> None:
    desk.customer(0, days=20)
    desk.customer(1, days=20)
    desk.prepare()
    owner = desk.accounts[0]["OwnerId"]
    desk.client.request("PATCH", f"sobjects/User/{owner}", json={"IsActive": False})
    me = desk.org.user_id
    desk.rule(name="By account", cooldown_days=0)
    desk.rule(name="By user", owner="user", owner_id=me, subject="For me: {{customer}}")
    assert desk.run().state == "success"
    tasks = desk.tasks()
    own = {task["Subject"]: task["OwnerId"] for task in tasks}
    assert own["Call Company 0"] == me, "the owner is inactive"
    assert own["For me: Company 0"] == own["For me: Company 1"] == me


def test_i_10_an_object_whose_owners_cannot_be_read_gives_its_tasks_to_the_integration_user(desk) -> None:
    desk.customer(0, days=20)
    desk.customer(1, days=20)
    RecordLink.objects.filter(customer__external_id="pa-0").update(object="Gone__c")
    desk.prepare()
    desk.rule()
    assert desk.run().state == "success"
    assert {task["WhatId"]: task["OwnerId"] for task in desk.tasks()} == {
        desk.accounts[0]["Id"]: desk.org.user_id, desk.accounts[1]["Id"]: desk.accounts[1]["OwnerId"]}  # fmt: skip


def test_px_07_customers_that_claim_one_account_wait_until_it_is_clear_which_one_wins(desk) -> None:
    one, two = desk.customer(0, days=20), desk.customer(1, days=20, link=False)
    RecordLink.objects.create(org=desk.org, customer=two, entity="customer", object="Account", rule="manual",
                              salesforce_id=desk.accounts[0]["Id"])  # fmt: skip
    desk.prepare()
    desk.rule()
    desk.run()
    assert desk.tasks() == []
    assert {task.code for task in CsmTask.objects.all()} == {"duplicate_link"}
    RecordLink.objects.filter(customer=two).delete()
    desk.run()
    assert [task["WhatId"] for task in desk.tasks()] == [desk.accounts[0]["Id"]]
    assert CsmTask.objects.get(customer=one).state == "created"


def test_the_daily_limit_bounds_a_rule_that_fits_too_many(desk) -> None:
    for n in range(4):
        desk.customer(n, days=20)
    desk.prepare()
    rule = desk.rule(most_a_day=3)
    run = desk.run()
    rule.refresh_from_db()
    assert len(desk.tasks()) == 3
    assert rule.held_back == 1
    assert run.objects_touched.get(name="Rule: Quiet").not_attempted == 1
    desk.run()
    assert len(desk.tasks()) == 3, "the limit counts the whole day"
    CsmTask.objects.update(opened_at=timezone.now() - timedelta(days=1))
    desk.run()
    assert len(desk.tasks()) == 4


def test_i_10_a_rule_that_no_longer_fits_fails_alone_and_a_paused_one_sends_nothing(desk) -> None:
    desk.customer(0, days=20)
    desk.prepare()
    broken, paused, good = desk.rule(name="Broken"), desk.rule(name="Paused"), desk.rule(name="Good")
    TaskRule.objects.filter(pk=broken.pk).update(conditions=[{"signal": "attributes.gone", "op": "is", "value": "x"}])
    definitions.set_state(paused, "paused", user=None, now=timezone.now())
    run = desk.run()
    assert run.state == "partial"
    assert [task.rule_id for task in CsmTask.objects.all()] == [good.pk]
    assert "no signal" in run.objects_touched.get(name="Rule: Broken").rows.get().message
    assert len(desk.tasks()) == 1


def test_a_segment_bounds_who_is_looked_at(desk) -> None:
    desk.customer(0, days=20)
    desk.customer(1, days=20)
    tree = {"all": [{"field": "external_id", "op": "is", "value": "pa-1"}]}
    segment = Segment.objects.create(name="One", entity="customer", conditions=tree)
    rule = definitions.save_rule(None, Draft(desk.org, "In it", "Hello", segment=segment), user=None, now=timezone.now())
    trial = checking.try_rule(rule, now=timezone.now())
    assert [(str(customer), reason, fresh) for customer, reason, fresh in trial.rows] == [
        ("Company 1", "In the segment One.", True)]  # fmt: skip
    assert not CsmTask.objects.exists(), "a dry run stores nothing"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"name": ""}, "name"), ({"subject": "x" * 201}, "subject"), ({"conditions": []}, "conditions"),
        ({"conditions": [{"signal": "x", "op": "is"}]}, "conditions[1]"), ({"due_in_days": -1}, "due_in_days"),
        ({"most_a_day": True}, "most_a_day"), ({"owner": "user", "owner_id": "001000000000001AAA"}, "owner_id"),
        ({"match": "none"}, "match"), ({"owner": "me"}, "owner"),
    ],
)  # fmt: skip
def test_rules_that_cannot_be_used_are_refused_by_field(change, where, db) -> None:
    org = SalesforceOrg.objects.create(name="Acme", state=SalesforceOrg.State.CONNECTED)
    draft = replace(Draft(org, "Quiet", "Call", conditions=QUIET), **change)
    with pytest.raises(BadParts) as caught:
        definitions.save_rule(None, draft, user=None, now=timezone.now())
    assert where in caught.value.errors
    assert not TaskRule.objects.exists()


def test_rules_are_audited_and_archived_for_good(cast) -> None:
    org = SalesforceOrg.objects.create(name="Acme", state=SalesforceOrg.State.CONNECTED)
    now, draft = timezone.now(), Draft(org, "Quiet", "Call", conditions=QUIET)
    rule = definitions.save_rule(None, draft, user=cast.olga, now=now)
    with pytest.raises(BadParts):
        definitions.save_rule(None, draft, user=cast.olga, now=now)
    definitions.set_state(rule, "archived", user=cast.olga, now=now)
    for refused in (lambda: definitions.set_state(rule, "active", user=cast.olga, now=now),
                    lambda: definitions.save_rule(rule, draft, user=cast.olga, now=now),
                    lambda: definitions.set_state(rule, "draft", user=cast.olga, now=now)):  # fmt: skip
        with pytest.raises(Refusal):
            refused()
    assert definitions.save_rule(None, draft, user=cast.olga, now=now).key != rule.key
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == [
        "task_rule.saved", "task_rule.archived", "task_rule.saved"]  # fmt: skip
