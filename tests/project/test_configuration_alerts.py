"""Alerts in the configuration file, and the file over the API: the same verbs, the same digest, the same bytes elsewhere."""

import json

import pytest

from integrations import hooks
from integrations.api_keys import create_key
from integrations.models import AlertChannel, AlertRule, AppliedConfiguration, AuditEntry, RunWatch, SalesforceOrg
from okr.models import Department
from project.configuration.applying import apply_file, plan_file
from project.configuration.exporting import export_configuration
from provisioning.catalogue import yaml_text

FILE = """
causeway: 1
departments:
- {name: Sales, lead: jane, members: [ana]}
alerts:
  channels:
  - {name: Team, kind: email, mails: [team@acme.example], by_default: false}
  - {name: Pager, kind: webhook, warnings: true}
  rules:
  - name: Night
    domains: [connections]
    environments: [production]
    connections: [Production]
    channels: [Team]
    people: [olga]
    quiet_from: "22:00"
    quiet_to: "06:30"
    zone: Europe/Berlin
    repeat_hours: 4
    escalate_minutes: 30
    escalate_to: Pager
  watches:
  - {name: Late, what: late, number: 6, job: mirror.read, connection: Production}
connections:
- {name: Production}
"""


def forget_everything() -> None:
    """An installation as it is on its first day."""
    for model in (AlertRule, AlertChannel, RunWatch, Department, AppliedConfiguration, SalesforceOrg):
        model.objects.all().delete()


def test_alerts_come_out_as_they_went_in_and_the_same_in_a_second_installation(cast, now):
    outcome = apply_file(FILE, actor=cast.ada, now=now)
    assert outcome.is_done, outcome.plan.problems or outcome.done.problems
    text = export_configuration(now=now)
    assert plan_file(text, actor=cast.ada, now=now).is_quiet
    assert yaml_text.read(text)["alerts"]["rules"][0]["quiet_to"] == "06:30"
    forget_everything()
    assert apply_file(text, actor=cast.ada, now=now).is_done
    assert export_configuration(now=now) == text
    rule = AlertRule.objects.get()
    assert (rule.escalate_to.name, rule.people.get(), rule.orgs.get().name) == ("Pager", cast.olga, "Production")


def test_s_001_addresses_and_secrets_are_never_in_the_file_and_survive_it(cast, now, settings):
    settings.ALERT_HOOK_INTERNAL_ORIGINS = ["http://127.0.0.1:9"]
    apply_file(FILE, actor=cast.ada, now=now)
    pager = AlertChannel.objects.get(name="Pager")
    assert not pager.is_ready
    hooks.set_address(pager, "http://127.0.0.1:9/hook/secret-path")
    secret = hooks.new_secret(pager)
    text = export_configuration(now=now)
    assert "secret-path" not in text
    assert secret not in text
    assert apply_file(text.replace("name: Pager", "name: Pager"), actor=cast.ada, now=now).is_done
    pager.refresh_from_db()
    assert pager.is_ready
    assert pager.secret


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("channels: [Team]", "channels: [Nowhere]", "alerts.rules[0].channels"),
        ("people: [olga]", "people: [nobody]", "alerts.rules[0].people"),
        ('"06:30"', '"26:30"', "alerts.rules[0].quiet_to"), ("zone: Europe/Berlin", "zone: Mars", "alerts.rules[0].zone"),
        ("domains: [connections]", "domains: [nonsense]", "alerts.rules[0].domains"),
        ("mails: [team@acme.example]", "mails: [team]", "alerts.channels[0].mails"),
        ("job: mirror.read", "job: nothing", "alerts.watches[0].job"), ("kind: webhook", "kind: fax", "alerts.channels[1].kind"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_at_its_place_and_nothing_is_changed(cast, now, old, new, path):
    plan = plan_file(FILE.replace(old, new), actor=cast.ada, now=now)
    assert path in [each.path for each in plan.problems], plan.problems
    assert not AlertChannel.objects.exists()


def test_prune_takes_away_what_the_file_does_not_name(cast, now):
    apply_file(FILE, actor=cast.ada, now=now)
    less = "causeway: 1\nalerts:\n  rules: []\n  watches: []\n  channels:\n  - {name: Pager}\n"
    assert apply_file(less, prune=True, actor=cast.ada, now=now).is_done
    assert (AlertRule.objects.count(), RunWatch.objects.count(), AlertChannel.objects.get().name) == (0, 0, "Pager")


# --- API ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def keyed(client, cast):
    def call(method, path="", body=None, scopes=("configuration:read", "configuration:write"), owner=None):
        _, secret = create_key(owner=owner or cast.ada, name="k", scopes=scopes, expires=None)
        options = {"data": json.dumps(body), "content_type": "application/json"} if body is not None else {}
        return getattr(client, method)(
            f"/api/v1/configuration/{path}", headers={"Authorization": f"Api-Key {secret}"}, **options
        )

    return call


def test_the_api_exports_plans_and_applies_what_was_planned(keyed, cast, now):
    planned = keyed("post", "plan/", {"file": FILE}).json()
    assert planned["counts"]["create"] == 6
    assert planned["problems"] == []
    assert not AlertRule.objects.exists()
    applied = keyed("post", "apply/", {"file": FILE, "digest": planned["digest"]})
    assert applied.status_code == 200, applied.content
    assert applied.json()["done"] is True
    assert AlertRule.objects.get().name == "Night"
    text = keyed("get").content.decode()
    assert text == export_configuration(now=now)
    as_json = keyed("get", "?as=json").json()
    assert as_json["alerts"]["rules"][0]["name"] == "Night"
    assert keyed("post", "plan/", {"file": json.dumps(as_json)}).json()["counts"]["unchanged"] > 5
    assert AuditEntry.objects.filter(action="configuration.exported").exists()
    assert AuditEntry.objects.get(action="configuration.applied").actor == cast.ada


def test_the_api_refuses_to_apply_what_was_not_planned(keyed, cast):
    planned = keyed("post", "plan/", {"file": FILE}).json()
    for body in ({"file": FILE}, {"file": FILE, "digest": ""}):
        assert keyed("post", "apply/", body).json()["error"]["fields"]["digest"]
    Department.objects.create(name="Sales")  # somebody was quicker
    answer = keyed("post", "apply/", {"file": FILE, "digest": planned["digest"]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "changed_meanwhile")
    assert not AlertRule.objects.exists()


def test_the_api_says_what_is_wrong_with_a_file(keyed, cast):
    planned = keyed("post", "plan/", {"file": "causeway: 1\nnonsense: 1\n"}).json()
    assert planned["problems"][0]["path"] == "nonsense"
    applied = keyed("post", "apply/", {"file": "causeway: 1\nnonsense: 1\n", "digest": "x"})
    assert applied.status_code == 400
    assert applied.json()["problems"][0]["path"] == "nonsense"
    assert keyed("get", "?org=Nowhere").status_code == 409
    assert keyed("get", "?as=xml").status_code == 400


def test_the_api_tells_drift(keyed, cast, now):
    assert keyed("get", "drift/").json() == {"applied_at": None, "entries": []}
    apply_file(FILE, actor=cast.ada, now=now)
    assert keyed("get", "drift/").json()["entries"] == []
    AlertRule.objects.update(repeat_hours=9)
    entry = keyed("get", "drift/").json()["entries"][0]
    assert (entry["name"], entry["action"], entry["changes"][0]) == (
        "alerts.rules: Night", "change", {"path": "repeat_hours", "before": "4", "after": "9"}
    )  # fmt: skip


def test_s_071_only_admins_with_the_scope_are_let_in(keyed, cast):
    assert keyed("get", scopes=["alerts:read"]).status_code == 403
    assert keyed("post", "plan/", {"file": FILE}, scopes=["configuration:read"]).status_code == 403
    assert keyed("get", owner=cast.olga).status_code == 403
