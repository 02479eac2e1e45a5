"""The configuration as a file: written, planned, applied, always with the same meaning and the same bytes."""

import datetime as dt
from decimal import Decimal

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from billing.models import Price
from integrations import audit
from integrations.access import Refusal
from integrations.models import AppliedConfiguration, AuditEntry, SalesforceOrg
from integrations.product.models import Engagement, Feature, Segment, TaskRule
from okr.models import Department, License, Period
from project.configuration import planning
from project.configuration.applying import apply_file, drift_of, plan_file
from project.configuration.comparing import differences
from project.configuration.document import read_document, write_document
from project.configuration.exporting import export_configuration
from project.configuration.registry import SECTIONS
from project.configuration.section import plain
from provisioning.catalogue import yaml_text

RICH = """
causeway: 1
departments:
- {name: Sales, lead: jane, members: [ana, marsha]}
periods:
- {name: 2027 Q1, starts_on: 2027-01-01, ends_on: 2027-03-31, time_zone: Europe/Berlin}
attributes:
- {entity: customer, key: plan, label: Plan}
- {entity: customer, key: seats, label: Seats, type: NUMBER}
features:
- {key: reports, name: Reports, as_kpi: true, rules: [{event: Report Created}]}
catalogue:
  products: [{key: product-app, name: App}]
  features: [{key: feature-calls, name: Calls, kind: metered, unit: calls}]
  plans:
  - key: plan-team
    name: Team
    product: product-app
    price: {amount: 49.90, currency: EUR, months: 1}
    entitlements: [{feature: feature-calls, limit: 1000, reset: month}]
billing:
  metrics: [{id: calls, name: API calls, event_name: api_call, aggregation: count}]
  plans: [{id: team, name: Team, currency: EUR}]
  prices:
  - {id: team-fee, plan_id: team, name: Fee, model: fixed, amount: 49.90}
  - id: team-calls
    plan_id: team
    name: Calls
    model: tiered
    metric_id: calls
    tiers: [{up_to: 1000, unit: 0.01}, {up_to: null, unit: 0.005, flat: 2}]
    position: 1
health_scores:
- name: Health
  connection: Production
  parts: [{signal: attributes.seats, worst: 0, best: 100}]
segments:
- {name: A risk, conditions: {all: [{field: segment, op: in, value: Big}, {field: "salesforce.linked@Production", op: is_true}]}}
- {name: Big, conditions: {all: [{field: attributes.seats, op: more_than, value: 50}]}}
engagements:
- {name: Hello, title: Hello, body: Welcome, segment: Big, state: paused, starts_at: "2027-01-01T00:00:00Z"}
connections:
- name: Sandbox
  environment: sandbox
  login_url: https://test.salesforce.com
- name: Production
  seats: 5
  switches: {analytics: false}
  license_holders: [{username: jane}]
  mirror: {first_months: 12}
  kpis: {time_zone: Europe/Berlin}
  billing: {scope: all}
  task_rules:
  - {name: Call them, subject: "Call {{customer}}", segment: A risk, conditions: [{signal: attributes.seats, op: below, value: 5}]}
  provisioning: {settings: {trial_days: 30, amendment_types: [Amendment]}}
  analytics: {settings: {grace_days: 14, currency: EUR}}
"""


def apply(text, cast, now, **more):
    outcome = apply_file(text, actor=cast.ada, now=now, **more)
    assert outcome.is_done, [str(each) for each in (*outcome.plan.problems, *outcome.done.problems)]
    return outcome


def known_orgs():
    """Segments may name connections that were authorized at least once."""
    SalesforceOrg.objects.create(name="Sandbox", environment="sandbox", login_url="https://test.salesforce.com", state="paused")
    SalesforceOrg.objects.create(name="Production", login_url="https://login.salesforce.com", state="paused")


@pytest.fixture
def orgs(db):
    known_orgs()


def problems(plan):
    return {each.path: each.message for each in plan.problems}


def tables():
    """Every row of every table, as the database has it."""
    found = {}
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")
            found[model._meta.db_table] = sorted(map(repr, cursor.fetchall()))
    return found


def forget_everything():
    """An installation that has nothing but its accounts."""
    ours = [each for each in apps.get_models(include_auto_created=True) if each._meta.app_label not in ("auth", "contenttypes")]
    with connection.cursor() as cursor:
        for model in ours:
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(model._meta.db_table)}")


def test_rich_file_is_brought_about_and_is_quiet_then(cast, orgs, now):
    outcome = apply(RICH, cast, now)
    assert outcome.done.counts["create"] >= 12
    again = plan_file(RICH, actor=cast.ada, now=now)
    assert again.is_quiet, [(each.name, each.changes) for each in again.changes]
    assert Price.objects.get(key="team-calls").tiers[1] == {"up_to": None, "unit": "0.005", "flat": "2"}
    assert Engagement.objects.get().state == "paused"
    assert Segment.objects.get(name="A risk").conditions["all"][0]["value"] == Segment.objects.get(name="Big").pk
    production = SalesforceOrg.objects.get(name="Production")
    assert (production.seats, production.analytics_enabled, production.okr_enabled) == (5, False, True)
    assert License.objects.get().user == cast.jane
    assert Department.objects.get().lead == cast.jane
    assert Period.objects.get().ends_on == dt.date(2027, 3, 31)
    assert production.provisioning_settings.trial_days == 30


def test_export_apply_elsewhere_export_gives_the_same_bytes(cast, orgs, now):
    """What was written, read by an installation that has nothing but its connections, is written again byte by byte."""
    apply(RICH, cast, now)
    first = export_configuration(now=now)
    assert first == export_configuration(now=now + dt.timedelta(days=1))
    forget_everything()
    known_orgs()
    assert export_configuration(now=now) != first
    apply(first, cast, now)
    assert export_configuration(now=now) == first


def test_new_connection_is_made_and_waits_for_a_person(cast, now):
    text = "causeway: 1\nconnections:\n- name: Production\n  way_in: jwt\n  mappings: {customer: {pairs: []}}\n"
    outcome = apply(text, cast, now)
    org = SalesforceOrg.objects.get()
    assert (org.state, org.login_method) == ("new", "jwt")
    assert [each.action for each in outcome.done.lines] == ["create", "wait"]
    assert AuditEntry.objects.filter(action="connection.created", actor=cast.ada).count() == 1


def test_plan_changes_nothing(cast, orgs, now):
    """Neither a plan with changes nor one with problems leaves a trace; one without changes does not even try to write."""
    before = tables()
    assert plan_file(RICH, actor=cast.ada, now=now).count("create") >= 12
    assert plan_file("causeway: 1\nfeatures: [{key: A B, name: x, rules: []}]\n", actor=None, now=now).problems
    assert tables() == before
    apply(RICH, cast, now)
    before = tables()
    exported = export_configuration(now=now)
    with CaptureQueriesContext(connection) as queries:
        assert plan_file(exported, actor=cast.ada, now=now).is_quiet
    writing = [each["sql"] for each in queries if each["sql"].split()[0] in ("INSERT", "UPDATE", "DELETE")]
    assert not writing
    assert tables() == before


# --- the file alone: pure ------------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufeff\ufffe\uffff"), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.decimals(-(10**6), 10**6, places=3) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(TEXTS.filter(bool), st.dictionaries(TEXTS, VALUES, max_size=4), max_size=4))
def test_what_is_written_is_read_and_written_again(conditions):
    """Any plain data comes back as it was, and the same data gives the same bytes."""
    segments = next(each for each in SECTIONS if each.title == "segments")
    entries = {
        name: {"name": name, "entity": "customer", "description": "", "conditions": plain(each)}
        for name, each in conditions.items()
    }
    text = write_document([(segments, "", entries)])
    document = read_document(text, SECTIONS)
    assert not document.problems
    assert {each.key: each.given for each in document.entries} == entries
    assert write_document([(segments, "", {each.key: each.given for each in document.entries})]) == text


@given(st.dictionaries(TEXTS, VALUES, max_size=5), st.dictionaries(TEXTS, VALUES, max_size=5))
def test_differences_are_there_exactly_when_two_states_differ(before, after):
    assert bool(differences(before, after)) == (before != after)
    assert not differences(before, dict(before))


def test_differences_name_entries_of_lists_by_what_they_are_called():
    before = {"plans": [{"key": "a", "price": Decimal(1)}, {"key": "b", "price": Decimal(2)}]}
    after = {"plans": [{"key": "a", "price": Decimal(1)}, {"key": "b", "price": Decimal(3)}, {"key": "c", "price": None}]}
    assert [(each.path, each.before, each.after) for each in differences(before, after)] == [
        ("plans[b].price", "2", "3"), ("plans[c]", "", "{key: c, price: empty}"),
    ]  # fmt: skip


def test_segments_come_after_those_that_they_name_and_circles_are_refused(cast, orgs, now):
    chain = "".join(
        f"- {{name: S{number}, conditions: {{all: [{{field: segment, op: in, value: S{number + 1}}}]}}}}\n"
        for number in range(8)
    )
    apply(f"causeway: 1\nsegments:\n{chain}- {{name: S8, conditions: {{all: []}}}}\n", cast, now)
    assert Segment.objects.count() == 9
    circle = "causeway: 1\nsegments:\n- {name: S8, conditions: {all: [{field: segment, op: in, value: S0}]}}\n"
    assert "segments[0].conditions" in problems(plan_file(circle, actor=cast.ada, now=now))


def test_a_section_that_fails_is_taken_back_whole_and_those_before_it_stay(cast, db, now, monkeypatch):
    """Somebody is quicker than us between the plan and a section: what was done stays, the section is left as it was."""
    text = "causeway: 1\nfeatures:\n- {key: a, name: A, rules: [{event: x}]}\nsegments:\n- {name: Good, conditions: {all: []}}\n- {name: Late, conditions: {all: []}}\n"
    plan = planning.make_plan

    def plan_then_lose(*arguments, **more):
        made = plan(*arguments, **more)
        Segment.objects.create(name="late", entity="customer", conditions={"all": []})
        return made

    monkeypatch.setattr("project.configuration.applying.make_plan", plan_then_lose)
    outcome = apply_file(text, actor=cast.ada, now=now)
    assert not outcome.is_done
    assert [each.path for each in outcome.done.problems] == ["segments[1].name"]
    assert Feature.objects.filter(key="a").exists()
    assert not Segment.objects.filter(name="Good").exists()
    assert not AppliedConfiguration.objects.exists()
    monkeypatch.undo()
    Segment.objects.all().delete()
    apply(text, cast, now)
    assert Segment.objects.count() == 2


def test_drift_is_what_people_changed_since(cast, orgs, now):
    made = apply(RICH, cast, now).applied
    assert not drift_of(made, now=now)
    Price.objects.filter(key="team-fee").update(amount=Decimal("59.90"))
    SalesforceOrg.objects.filter(name="Production").update(billing_enabled=False)
    Feature.objects.create(key="new", name="Not in the file", rules=[{"event": "x"}], position=2)
    Period.objects.all().delete()
    found = {each.line.name: [(c.path, c.before, c.after) for c in each.changes] for each in drift_of(made, now=now)}
    assert found.pop("periods: 2027 Q1")
    assert found == {
        "billing.prices: team-fee": [("amount", "49.9", "59.9")],
        "connections: Production": [("switches.billing", "true", "false")],
    }


def test_what_a_file_does_not_say_stays(cast, orgs, now):
    apply(RICH, cast, now)
    apply(
        "causeway: 1\nconnections: [{name: Production, mirror: {job_minutes: 60}}]\nbilling: {prices: [{id: team-fee, amount: 1}]}\n",
        cast,
        now,
    )
    production = SalesforceOrg.objects.get(name="Production")
    assert (production.mirror_settings.first_months, production.mirror_settings.job_minutes) == (12, 60)
    assert (Price.objects.get(key="team-fee").amount, Price.objects.get(key="team-fee").name) == (1, "Fee")
    assert Engagement.objects.get().title == "Hello"


def test_audit_holds_after_plans_and_applies(cast, orgs, now):
    """What was only tried out left nothing in the chain (I-24)."""
    plan_file(RICH, actor=cast.ada, now=now)
    apply(RICH, cast, now)
    assert audit.verify().holds


def test_prune_removes_by_the_verbs_and_only_in_parts_that_the_file_has(cast, orgs, now):
    apply(RICH, cast, now)
    text = "causeway: 1\nsegments: []\nengagements: []\nhealth_scores: []\nperiods: []\ndepartments: []\nbilling: {prices: [], plans: [], metrics: []}\nconnections:\n- {name: Production, task_rules: [], license_holders: []}\n"
    quiet = plan_file(text, actor=cast.ada, now=now)
    assert quiet.is_quiet
    outcome = apply(text, cast, now, prune=True)
    assert outcome.done.count("remove") == 12
    assert Segment.objects.filter(archived_at=None).count() == 0
    assert TaskRule.objects.get().state == "archived"
    assert Feature.objects.count() == 1
    assert not License.objects.exists()
    assert plan_file(text, actor=cast.ada, now=now, prune=True).is_quiet


def test_catalogue_with_several_states_travels(cast, db, now):
    """Drafts and archived entries come back as they were; a changed price is a new version."""
    text = """
causeway: 1
catalogue:
  products: [{key: product-app, name: App}, {key: product-old, name: Old, archived: true}]
  features: [{key: feature-a, name: A, kind: boolean}]
  plans:
  - {key: plan-x, name: X, product: product-app, price: {amount: 10, currency: EUR, months: 1}, entitlements: [{feature: feature-a}]}
  - {key: plan-y, name: Y, product: product-app, draft: true, entitlements: []}
"""
    apply(text, cast, now)
    first = export_configuration(now=now)
    forget_everything()
    apply(first, cast, now)
    assert export_configuration(now=now) == first
    plan = plan_file(text.replace("amount: 10", "amount: 12"), actor=cast.ada, now=now)
    assert [(each.path, each.before, each.after) for each in plan.changes[0].changes] == [
        ("plans[plan-x].price.amount", "10", "12")
    ]
    assert yaml_text.read(first)["catalogue"]["products"][1]["archived"] is True


def test_refusals_of_apply_name_the_digest(cast, orgs, now):
    with pytest.raises(Refusal, match="Look at the new plan"):
        apply_file(RICH, expect="0" * 16, actor=cast.ada, now=now)
    assert not Feature.objects.exists()
