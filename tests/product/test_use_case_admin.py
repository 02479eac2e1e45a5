"""The back office of scores, rules and tasks: read-only, with the actions that stop and start."""

import pytest
from django.urls import reverse
from django.utils import timezone

from integrations.models import Customer, SalesforceOrg
from integrations.product.health import definitions
from integrations.product.health.definitions import Draft
from integrations.product.models import CsmTask, HealthDay, HealthScore, TaskRule
from integrations.product.task_rules import definitions as tasks

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(cast, client) -> TaskRule:
    now, org = timezone.now(), SalesforceOrg.objects.create(name="Acme", state=SalesforceOrg.State.CONNECTED)
    parts = [{"signal": "days_since_seen", "worst": 30, "best": 0}]
    score = definitions.save_score(None, Draft("Health", parts=parts), user=None, now=now)
    HealthDay.objects.create(score=score, day=now.date())
    quiet = [{"signal": "days_since_seen", "op": "at_least", "value": "14"}]
    rule = tasks.save_rule(None, tasks.Draft(org, "Quiet", "Call", conditions=quiet), user=None, now=now)
    customer = Customer.objects.create(external_id="c", name="Company")
    CsmTask.objects.create(rule=rule, customer=customer, episode=1, key="k-1", opened_at=now)
    client.force_login(cast.ada)
    return rule


@pytest.mark.parametrize("model", [HealthScore, HealthDay, TaskRule, CsmTask])
def test_lists_and_records_can_be_read_but_not_written(client, world, model) -> None:
    name = model._meta.model_name
    assert client.get(reverse(f"admin:product_{name}_changelist")).status_code == 200
    pk = model.objects.get().pk
    assert client.get(reverse(f"admin:product_{name}_change", args=[pk])).status_code == 200
    assert client.get(reverse(f"admin:product_{name}_add")).status_code == 403
    assert client.post(reverse(f"admin:product_{name}_delete", args=[pk]), {"post": "yes"}).status_code == 403


def test_actions_switch_on_and_pause_by_the_same_verbs(client, world) -> None:
    for model, action, state in ((TaskRule, "switch_on", "active"), (TaskRule, "pause", "paused"), (HealthScore, "pause", "paused"),
                                 (HealthScore, "resume", "active")):  # fmt: skip
        form = {"action": action, "_selected_action": [model.objects.get().pk]}
        client.post(reverse(f"admin:product_{model._meta.model_name}_changelist"), form)
        assert model.objects.get().state == state, action
