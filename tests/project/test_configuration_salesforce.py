"""Parts of the file that Salesforce has a say in, against the demo org: mappings, automations, maps, names in place of ids."""

import pytest
from django_q.conf import Conf

from analytics.attributes import authoring as authoring_of_maps
from analytics.attributes.body import as_json
from analytics.attributes.filling import fill_preset
from analytics.connecting.starting import choose_preset
from analytics.models import AttributeMap
from integrations.models import Mapping, Run, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.orgs.lifecycle import connect_demo_org
from integrations.product.models import TaskRule
from integrations.sync import runs
from integrations.sync.mapping import versions
from integrations.tasks import perform_run
from project.configuration.applying import apply_file, plan_file
from project.configuration.exporting import export_configuration
from provisioning.automations import authoring
from provisioning.catalogue import yaml_text
from provisioning.mapping import leads
from provisioning.models import Automation, ProductMapping
from provisioning.salesforce import checking
from tests.provisioning.conftest import catalogue, make_office, office  # noqa: F401  fixtures

FILE = """
causeway: 1
segments:
- {name: All, conditions: {all: []}}
connections:
- name: Demo
  environment: demo
  mappings:
    customer:
      rules: [{name: website_domain, active: true}]
      pairs: [{direction: pull, source: attributes.industry, target: Industry}]
  task_rules:
  - name: Call
    subject: Call them
    segment: All
    owner: user
    owner_user: {salesforce: User, name: OWNER}
    state: active
  provisioning:
    automations:
    - {name: "Proof of concept: trial", active: false}
    - name: Pilots
      trigger: trial
      trial_days: 20
      active: true
      conditions: [{field: RecordTypeId, operator: is, value: {salesforce: RecordType, name: RECORD}}]
"""


@pytest.fixture
def owner(connected_org):
    with client_for(connected_org, domain="other") as client:
        rows = client.query_all("SELECT Id, Name FROM User WHERE IsActive = true ORDER BY Name")
        names = [each["Name"] for each in rows]
        return next((each["Id"], each["Name"]) for each in rows if names.count(each["Name"]) == 1)


def problems(plan):
    return [f"{each.path}: {each.message}" for each in plan.problems]


@pytest.fixture
def file(connected_org, owner):
    """The file with names that the demo org has."""
    with client_for(connected_org, domain="other") as client:
        rows = client.query_all("SELECT DeveloperName FROM RecordType WHERE SobjectType = 'Opportunity' ORDER BY DeveloperName")
    return FILE.replace("OWNER", owner[1]).replace("RECORD", f"Opportunity.{rows[0]['DeveloperName']}")


def apply(text, cast, now, **more):
    outcome = apply_file(text, actor=cast.ada, now=now, **more)
    assert outcome.is_done, problems(outcome.plan) + problems(outcome.done)
    return outcome


def test_mappings_rules_and_automations_are_brought_about(connected_org, owner, file, cast, now):
    apply(file, cast, now)
    body = versions.body_of(Mapping.objects.get(org=connected_org, entity="customer"))
    assert [pair.target for pair in body.pairs] == ["Industry"]
    assert body.rule("website_domain") is not None
    assert TaskRule.objects.get().owner_id == owner[0]
    assert TaskRule.objects.get().state == "active"
    assert Automation.objects.get(name="Pilots").is_active
    assert not Automation.objects.get(name="Proof of concept: trial").is_active
    assert Automation.objects.get(name="Pilots").conditions[0]["value"].startswith("012")
    assert plan_file(file, actor=cast.ada, now=now).is_quiet
    first = export_configuration(now=now)
    assert owner[0] not in first
    assert "012" not in first.replace("2012", "")
    assert "salesforce: RecordType" in first
    assert "industry" in first
    assert plan_file(first, actor=cast.ada, now=now).is_quiet


def test_promotion_finds_records_of_the_other_org_by_name(connected_org, owner, file, cast, now):
    """A file of the sandbox is applied to production; names become the ids that are valid there, unknown ones are told."""
    other = connect_demo_org(name="Other", now=now)
    apply(file, cast, now, renames={"Demo": "Other"})
    assert TaskRule.objects.get().org == other
    assert not Mapping.objects.filter(org=connected_org, version__gt=0).exists()
    assert Mapping.objects.get(org=other).version == 1
    plan = plan_file(file.replace(owner[1], "Nobody At All"), renames={"Demo": "Other"}, actor=cast.ada, now=now)
    assert [each.path for each in plan.problems] == ["connections[0].task_rules[0].owner_user"]
    assert "no record of User called Nobody At All" in plan.problems[0].message


def test_all_problems_come_at_once_and_nothing_was_changed(connected_org, owner, file, cast, now):
    text = file.replace("Industry", "Nope__c").replace("{all: []}", "{all: [{field: x, op: is}]}")
    outcome = apply_file(text, actor=cast.ada, now=now)
    places = [each.path for each in outcome.plan.problems]
    assert "segments[0].conditions.all[0].field" in places
    assert any(each.startswith("connections[0].mappings.customer.pairs[0]") for each in places)
    assert "connections[0].task_rules[0].segment" in places
    assert not Mapping.objects.exists()
    assert not Automation.objects.exists()


def test_i_14_secrets_of_requests_stay_out_and_come_from_the_environment(connected_org, cast, now, monkeypatch):
    request = "callout: {url: 'https://example.com/x', method: POST, headers: [{name: X-Key, secret: true%s}]}"
    text = (
        "causeway: 1\nconnections:\n- name: Demo\n  environment: demo\n  provisioning:\n    automations:\n    - name: Own\n      "
        + request
    )
    missing = plan_file(text % "", actor=cast.ada, now=now)
    assert "enter its value" in missing.problems[0].message
    written = plan_file(text % ", value: hunter22", actor=cast.ada, now=now)
    assert written.problems[0].path == "connections[0].provisioning.automations[0].callout.headers[0].value"
    assert "hunter22" not in written.problems[0].message
    assert plan_file(text % ", from_environment: OUR_KEY", actor=cast.ada, now=now).problems
    monkeypatch.setenv("OUR_KEY", "hunter22")
    apply(text % ", from_environment: OUR_KEY", cast, now)
    row = Automation.objects.get(name="Own")
    assert authoring.read_secrets(row) == {"x-key": "hunter22"}
    exported = export_configuration(now=now)
    assert "hunter22" not in exported
    assert "X-Key" in exported
    assert plan_file(exported, actor=cast.ada, now=now).is_quiet
    assert plan_file(text % ", secret2: x, value: hunter22", actor=cast.ada, now=now).problems


def test_export_apply_to_a_fresh_connection_export_gives_the_same_bytes(connected_org, owner, file, cast, now):
    apply(file, cast, now)
    first = export_configuration(org="Demo", now=now)
    TaskRule.objects.all().delete()
    connected_org.delete()
    waiting = apply(first, cast, now)
    assert waiting.plan.count("wait") >= 2
    org = SalesforceOrg.objects.get(name="Demo")
    assert org.state == "new"
    assert export_configuration(org="Demo", now=now) != first
    org.delete()
    connect_demo_org(name="Demo", now=now)
    apply(first, cast, now)
    assert export_configuration(org="Demo", now=now) == first


def test_attribute_map_travels_without_what_an_org_has_of_its_own(connected_org, cast, now):
    authoring_of_maps.save_map(
        connected_org, fill_preset(connected_org, choose_preset(connected_org)).body, actor=None, now=now
    )
    before = as_json(authoring_of_maps.current_map(connected_org)[0])
    first = export_configuration(org="Demo", now=now)
    assert "reads" not in yaml_text.read(first)["connections"][0]["analytics"]["map"]
    AttributeMap.objects.all().delete()
    assert plan_file(first, actor=cast.ada, now=now).count("create") == 1
    apply(first, cast, now)
    assert as_json(authoring_of_maps.current_map(connected_org)[0]) == before
    assert export_configuration(org="Demo", now=now) == first
    broken = first.replace("industry:\n", "industri:\n")
    assert broken != first
    plan = plan_file(broken, actor=cast.ada, now=now)
    assert [each.path for each in plan.problems] == ["connections[0].analytics.map.attributes.industri"]


@pytest.fixture
def queued(settings, monkeypatch):
    """Runs wait for a worker, as they do outside of tests."""
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "sync": False}
    monkeypatch.setattr(Conf, "SYNC", False)


def test_products_lead_where_the_file_says_and_a_plan_writes_nothing(office, cast, now, queued):  # noqa: F811
    office.sold("plan-basic", name="Basic")
    office.sold(name="Nothing yet")
    checking.check_now(office.org, now=now)
    run = runs.request_run("mirror.read", org=office.org, arguments={"objects": list(leads.OBJECTS)}, now=now)
    perform_run(run.pk)
    products = yaml_text.read(export_configuration(org=office.org.name, now=now))["connections"][0]["provisioning"]["products"]
    basic = next(each for each in products if each["leads_to"] == "plan-basic")
    text = f"""
causeway: 1
connections:
- name: {office.org.name}
  provisioning:
    products:
    - {{product: Nothing yet, leads_to: plan-pro}}
    - {{product: "{basic["product"]}", leads_to: plan-basic}}
"""
    assert (
        plan_file(text, actor=cast.ada, now=now).count("change") + plan_file(text, actor=cast.ada, now=now).count("create") == 1
    )
    assert not ProductMapping.objects.exists()
    apply(text, cast, now)
    assert plan_file(text, actor=cast.ada, now=now).is_quiet
    perform_run(Run.objects.get(job="provisioning.map_products").pk)
    assert office.query("SELECT Stigg_ID__c FROM Product2 WHERE Name = 'Nothing yet'")[0]["Stigg_ID__c"] == "plan-pro"
    assert plan_file(text, actor=cast.ada, now=now).is_quiet
    wrong = plan_file(text.replace("plan-pro", "plan-none").replace("Nothing yet", "Nobody"), actor=cast.ada, now=now)
    assert [each.path for each in wrong.problems] == ["connections[0].provisioning.products[0].product"]
    pruned = plan_file(
        text.replace(f'    - {{product: "{basic["product"]}", leads_to: plan-basic}}\n', ""),
        prune=True,
        actor=cast.ada,
        now=now,
    )
    assert pruned.count("remove") == len(products)


def test_pruning_twice_is_pruning_once_and_what_named_an_entry_is_changed_before_it_goes(connected_org, file, cast, now):
    """A feature that the mapping pushed goes with the same file that takes the line out; templates are switched off, not removed."""
    with_feature = file.replace(
        "segments:", "features: [{key: reports, name: R, as_kpi: true, rules: [{event: x}]}]\nsegments:", 1
    )
    line = "{direction: push, source: 'feature_users_30d:reports', target: PX_Active_Users_30d__c, accept_lossy: true}"
    apply(with_feature.replace("target: Industry}]", "target: Industry}, " + line + "]"), cast, now)
    assert len(versions.body_of(Mapping.objects.get(org=connected_org, entity="customer")).pairs) == 2
    without = file.replace("segments:", "features: []\nsegments:", 1)
    outcome = apply(without, cast, now, prune=True)
    assert [each.name for each in outcome.done.lines if each.action == "remove"][-1] == "features: reports"
    assert plan_file(without, prune=True, actor=cast.ada, now=now).is_quiet
    assert Automation.objects.filter(org=connected_org, is_template=True, is_active=True).count() == 0
    assert Automation.objects.filter(org=connected_org, is_template=True).count() == 4
