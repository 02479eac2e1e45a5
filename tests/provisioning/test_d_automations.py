"""Automations: which one answers, how they are written, and the request that they send."""

import json
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from cryptography.fernet import Fernet
from django.utils import timezone
from hypothesis import given as generated
from hypothesis import strategies as st

from integrations.access import Refusal
from integrations.models import AuditEntry, SalesforceOrg
from integrations.salesforce.describe import Choice, FieldInfo, ObjectInfo
from provisioning.automations import authoring, finding
from provisioning.automations.authoring import BadAutomation, Draft
from provisioning.automations.callout import AnswerWrong, check_callout, read_answer, render, values_of
from provisioning.automations.conditions import Condition, check_condition, exclude_each_other, holds
from provisioning.automations.matching import Previous, choose, overlaps, why_not
from provisioning.automations.placeholders import TemplateWrong, fill_json
from provisioning.automations.stages import Choices, Stage
from provisioning.intent.facts import AutomationRule, Rules
from provisioning.models import Automation
from tests.provisioning.deals import OPPORTUNITY, automation, deal, intent, line

WHOLE = {"url": "https://api.acme.com/v1/workspaces", "method": "POST", "body": '{"name": "{{ account.Name }}"}',
         "customer_path": "data.id"}  # fmt: skip
CHOICES = Choices(
    tuple(Stage(*each) for each in (("Prospecting", False, False), ("Technical POC", False, False), ("Pilot", False, False),
                                    ("Gewonnen", True, True), ("Signed", True, True), ("Lost", True, False))),
    ObjectInfo("Opportunity", "Opportunity", "006", False, True, True, True, True, True, True, False, (
        FieldInfo("Amount", "Amount", "currency"), FieldInfo("CloseDate", "Close Date", "date"),
        FieldInfo("Type", "Type", "picklist", choices=(Choice("New", "Neu", True, False), Choice("Upsell", "Upsell", True, False))),
        FieldInfo("IsPrivate", "Private", "boolean"), FieldInfo("NextStep", "Next Step", "string"),
        FieldInfo("Notes__c", "Notes", "textarea"),
    )),
)  # fmt: skip


def rule(number: int, trigger: str = "won", **more: Any) -> AutomationRule:
    return AutomationRule(number, f"A{number}", trigger, **more)


# --- which one answers -------------------------------------------------------------------------------------------------------


def test_st_d1_any_stage_that_means_won_also_when_created_so() -> None:
    won = deal(line(1, "plan-basic"), stage="Gewonnen")
    assert choose([rule(1)], won, None) == rule(1)
    assert choose([rule(1)], won, Previous("Prospecting", is_won=False)) == rule(1)
    assert choose([rule(1)], won, Previous("Signed", is_won=True)) is None
    assert choose([rule(1)], deal(stage="Closed Won", is_won=False)) is None
    assert choose([rule(1, is_active=False)], won) is None


def test_st_d1_a_stage_list_narrows_it() -> None:
    narrow = rule(1, stages=("Signed",))
    assert choose([narrow], deal(stage="Gewonnen")) is None
    assert choose([narrow], deal(stage="signed")) == narrow
    assert choose([narrow], deal(stage="Signed"), Previous("Gewonnen", is_won=True)) == narrow
    assert choose([narrow], deal(stage="Signed", is_won=False)) is None


def test_st_05_trial_stages() -> None:
    poc = deal(stage="Technical PoC", is_won=False, is_closed=False)
    assert choose([rule(1, "trial"), rule(2)], poc) == rule(1, "trial")
    assert choose([rule(1, "trial", stages=("Pilot",))], poc) is None
    assert choose([rule(1, "trial")], deal(stage="POC lost", is_won=False, is_closed=True)) is None
    assert choose([rule(1, "trial")], poc, Previous("POC", is_won=False)) is None  # it only moved between trial stages


def test_st_d12_amendments_and_renewals_have_their_own() -> None:
    rules = [rule(1), rule(2, "amendment"), rule(3, "renewal")]
    chosen = [choose(rules, deal(type=each)) for each in ("New", "Upsell", "Renewal")]
    assert [each.id for each in chosen if each] == [1, 2, 3]
    assert choose([rule(1)], deal(type="Renewal")) is None
    assert "renewal" in why_not(rule(1), deal(type="Renewal"), Rules())


@pytest.mark.parametrize(("operator", "value", "kind", "given", "expected"), [
    ("at_least", "5000", "number", "5000.00", True), ("above", "5000", "number", 5000, False),
    ("below", "10", "number", "9.99", True), ("is", "100", "number", "100.0", True),
    ("at_least", "2027-01-01", "day", "2026-12-31", False), ("above", "2026-11-22T00:00:00Z", "moment",
                                                             "2026-11-22T01:00:00.000+0000", True),
    ("is", "new", "choice", "New", True), ("one_of", ("New", "Upsell"), "choice", "upsell", True),
    ("none_of", ("New",), "choice", None, True), ("is_not", "New", "choice", None, True), ("is", "New", "choice", None, False),
    ("contains", "b", "choices", "a;b", True), ("does_not_contain", "c", "choices", "a;b", True),
    ("is", "true", "flag", True, True), ("is", "false", "flag", None, True), ("contains", "acm", "text", "The ACME deal", True),
    ("begins_with", "acm", "text", "The ACME deal", False), ("is_empty", "", "text", "", True),
    ("is_not_empty", "", "number", 0, True), ("above", "5", "number", "not a number", False),
])  # fmt: skip
def test_st_34_conditions_are_typed(operator: str, value: Any, kind: str, given: Any, expected: bool) -> None:
    assert holds(Condition("Field__c", operator, value, kind), {"field__C": given}) is expected


def test_st_34_a_condition_on_a_field_that_was_not_read_does_not_hold() -> None:
    assert not holds(Condition("Gone__c", "is_empty"), {"Amount": 1})


@pytest.mark.parametrize(("given", "words"), [
    ({"field": "Nothing__c", "operator": "is", "value": "1"}, "no field"),
    ({"field": "Amount", "operator": "contains", "value": "1"}, "cannot be asked that way"),
    ({"field": "Amount", "operator": "above", "value": "much"}, "a number"),
    ({"field": "Type", "operator": "is", "value": "Strange"}, "no value"),
    ({"field": "CloseDate", "operator": "above", "value": "tomorrow"}, "a day"),
    ({"field": "Notes__c", "operator": "is", "value": "x"}, "textarea"),
    ({"field": "Type", "operator": "one_of", "value": " , "}, "1 to"),
])  # fmt: skip
def test_st_34_only_conditions_that_make_sense_are_taken(given: dict, words: str) -> None:
    found, problem = check_condition(given, CHOICES.opportunity.field(given["field"]))
    assert found is None
    assert words in problem


def test_st_d14_overlap_is_told_from_difference() -> None:
    big = rule(1, conditions=({"field": "Amount", "operator": "at_least", "value": "5000", "kind": "number"},))
    small = rule(2, conditions=({"field": "amount", "operator": "below", "value": "5000", "kind": "number"},))
    middle = rule(3, conditions=({"field": "Amount", "operator": "above", "value": "100", "kind": "number"},))
    assert not overlaps(big, small)
    assert overlaps(big, middle)
    assert overlaps(rule(1), big)
    assert not overlaps(rule(1), rule(2, "renewal"))
    assert not overlaps(rule(1, stages=("Signed",)), rule(2, stages=("Gewonnen",)))
    assert overlaps(rule(1, stages=("Signed",)), rule(2))
    assert overlaps(rule(1, "trial"), rule(2, "trial", stages=("Technical POC",)))
    assert not overlaps(rule(1, "trial"), rule(2, "trial", stages=("Pilot",)))
    assert exclude_each_other(Condition("A", "is", "x", "choice"), Condition("A", "is_not", "X", "choice"))
    assert not exclude_each_other(Condition("A", "is", "x", "choice"), Condition("B", "is", "y", "choice"))


# --- the request -------------------------------------------------------------------------------------------------------------


def test_st_35_values_cannot_break_out_of_the_body() -> None:
    nasty = 'A"}, "admin": true, {"x": "\\\n</script>{{ kind }}'
    filled = fill_json(
        '{"name": "{{ account.Name }}", "list": {{ lines }}, "n": {{ seats }}}', {"account.Name": nasty, "lines": [1]}
    )
    assert json.loads(filled) == {"name": nasty, "list": [1], "n": None}


@generated(value=st.one_of(st.text(), st.integers(), st.lists(st.text()), st.none(), st.booleans()), name=st.text())
def test_st_35_any_text_arrives_as_it_is(value: Any, name: str) -> None:
    template = '{"q": "a {{ account.Name }} \\" {{ account.Name }}", "n": {{ lines }}, "k": [{{ account.Name }}]}'
    found = json.loads(fill_json(template, {"account.Name": name, "lines": value}))
    assert found == {"q": f'a {name} " {name}', "n": value, "k": [name]}
    url = render(
        {**WHOLE, "url": "https://api.acme.com/a/x{{ account.Name }}?b={{ account.Name }}"}, {"account.Name": name}
    ).url
    parts = urlsplit(url)
    assert (parts.netloc, parts.path.count("/"), parts.fragment) == ("api.acme.com", 2, "")
    assert (unquote(parts.path), unquote(parts.query)) == (f"/a/x{name}", f"b={name}")


def test_st_35_request_of_a_deal() -> None:
    given = deal(line(1, "plan-pro", 5), values={"Amount": "12.5"}, account={"Website": "a/../b?c#d"})
    made = intent(given, customer_path="data.id")
    template = {
        "url": "https://api.acme.com/x/{{ opportunity.Id }}?site={{ account.Website }}", "method": "put",
        "headers": [{"name": "X-Kind", "value": "{{ kind }}"}, {"name": "Authorization", "secret": True, "value": ""}],
        "body": '{"id": "{{ opportunity.Id }}", "amount": {{ opportunity.Amount }}, "subs": {{ subscriptions }}}',
    }  # fmt: skip
    values = values_of(given, made, key="k-1", org_id="00D1")
    request = render(template, values, secrets={"authorization": "Bearer s3cret"})
    assert request.url == f"https://api.acme.com/x/{OPPORTUNITY}?site=a%2F..%2Fb%3Fc%23d"
    assert request.method == "PUT"
    assert (request.headers["Authorization"], request.headers["Idempotency-Key"]) == ("Bearer s3cret", "k-1")
    assert "s3cret" not in str(request.shown)
    body = json.loads(request.body)
    assert (body["subs"][0]["plan"], body["subs"][0]["seats"]) == ("plan-pro", "5")


def test_st_35_header_values_stay_on_their_line() -> None:
    template = {**WHOLE, "headers": [{"name": "X-Name", "value": "{{ account.Name }}"}]}
    request = render(template, {"account.Name": "Evil\r\nX-Admin: 1 ü"})
    assert request.headers["X-Name"] == "Evil X-Admin: 1 ?"


def test_st_35_a_value_that_would_leave_its_place_in_the_address_is_refused() -> None:
    with pytest.raises(TemplateWrong):
        render({**WHOLE, "url": "https://api.acme.com/{{ account.Name }}/x"}, {"account.Name": ".."})


@pytest.mark.parametrize(("change", "field"), [
    ({"url": "http://api.acme.com/"}, "url"), ({"url": "https://{{ account.Name }}.acme.com/"}, "url"),
    ({"url": "https://10.0.0.1/"}, "url"), ({"url": "https://api.acme.com/{{ account.Name"}, "url"),
    ({"url": "https://api.acme.com/{{ what.ever }}"}, "url"), ({"url": "https://localhost/"}, "url"),
    ({"method": "TRACE"}, "method"), ({"body": '{"a": {{ account.Name }} x}'}, "body"), ({"body": "{"}, "body"),
    ({"customer_path": "data..id"}, "customer_path"), ({"headers": [{"name": "Host", "value": "x"}]}, "headers"),
    ({"headers": [{"name": "X", "value": "a\r\nb"}]}, "headers"), ({"headers": [{"name": "bad name", "value": "x"}]}, "headers"),
    ({"headers": [{"name": "X", "value": "1"}, {"name": "x", "value": "2"}]}, "headers"),
])  # fmt: skip
def test_st_d9_only_requests_that_can_be_sent_are_taken(change: dict, field: str) -> None:
    _, errors = check_callout({**WHOLE, **change})
    assert list(errors) == [field]


def test_st_36_ids_in_the_answer() -> None:
    paths = {"customer_path": "data.account.id", "subscription_path": "$.data.subs[0].id"}
    answer = {"data": {"account": {"id": 42}, "subs": [{"id": "ws-1"}]}}
    found = read_answer(paths, answer, products=["crm"])
    assert (found.customer_id, found.subscription_ids) == ("42", {"crm": "ws-1"})
    several = read_answer({"subscription_path": "subs"}, {"subs": {"desk": "d", "crm": "c"}}, products=["crm", "desk"])
    assert several.subscription_ids == {"crm": "c", "desk": "d"}
    assert read_answer({"subscription_path": "subs"}, {"subs": ["c", "d"]}, products=["crm", "desk"]).subscription_ids == {
        "crm": "c", "desk": "d",
    }  # fmt: skip


@pytest.mark.parametrize("answer", [{}, [], None, {"data": {"id": None}}, {"data": {"id": ""}}, {"data": {"id": True}},
                                    {"data": {"id": ["x"]}}, {"data": {"id": "x" * 300}}, {"data": "id"}])  # fmt: skip
def test_st_36_an_answer_without_a_usable_id_is_refused(answer: Any) -> None:
    with pytest.raises(AnswerWrong):
        read_answer({"customer_path": "data.id"}, answer)


def test_st_36_one_id_for_two_subscriptions_is_refused() -> None:
    with pytest.raises(AnswerWrong):
        read_answer({"subscription_path": "id"}, {"id": "x"}, products=["crm", "desk"])


# --- writing them ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def org(db) -> SalesforceOrg:
    return SalesforceOrg.objects.create(name="Acme", login_url="https://acme.my.salesforce.com", org_id="00D000000000001AAA")


def save(org: SalesforceOrg, row: Automation | None = None, **more: Any) -> Automation:
    draft = Draft(**{"name": "Mine", "trigger": "won", **more})
    return authoring.save_automation(row, draft, org=org, choices=CHOICES, actor=None, now=timezone.now())


def test_st_26_templates_are_there_and_active_from_the_start(org) -> None:
    for _ in range(2):
        finding.ensure_templates(org, now=timezone.now())
    rows = Automation.objects.filter(org=org)
    assert sorted(each.trigger for each in rows) == ["amendment", "renewal", "trial", "won"]
    assert all(each.is_template and each.is_active for each in rows)
    assert finding.find_automation(org, deal(), now=timezone.now()).trigger == "won"  # type: ignore[union-attr]


def test_s_059_looking_makes_no_templates_but_shows_them(org) -> None:
    shown = finding.read_automations(org, now=timezone.now())
    assert sorted(each.trigger for each in shown) == ["amendment", "renewal", "trial", "won"]
    assert not Automation.objects.exists()


def test_st_08_and_st_34_a_template_is_copied_and_the_copy_changed(org) -> None:
    finding.ensure_templates(org, now=timezone.now())
    template = Automation.objects.get(org=org, trigger="won")
    with pytest.raises(Refusal):
        save(org, template, name="Changed")
    copied = authoring.copy_automation(template, actor=None, now=timezone.now())
    again = authoring.copy_automation(template, actor=None, now=timezone.now())
    assert (copied.is_active, copied.is_template, copied.name) == (False, False, f"{template.name} (copy)")
    assert again.name == f"{template.name} (copy 2)"
    changed = save(
        org, copied, name="Ours", stages=["gewonnen"], conditions=[{"field": "amount", "operator": "above", "value": "9"}]
    )
    assert (changed.version, changed.stages, changed.conditions[0]["field"]) == (2, ["Gewonnen"], "Amount")


def test_st_38_and_d14_a_second_one_is_refused_by_name_until_the_first_is_off(org) -> None:
    finding.ensure_templates(org, now=timezone.now())
    mine, now = save(org), timezone.now()
    with pytest.raises(Refusal) as refused:
        authoring.activate(mine, choices=CHOICES, actor=None, now=now)
    assert "Closed won: subscription" in refused.value.message
    authoring.activate(mine, choices=CHOICES, replacing=True, actor=None, now=now)
    assert list(Automation.objects.filter(org=org, trigger="won", is_active=True)) == [mine]
    assert AuditEntry.objects.filter(action="automation.deactivated").count() == 1


def test_st_d14_changing_an_active_one_into_an_overlap_is_refused(org) -> None:
    now = timezone.now()
    one, two = save(org, name="One", stages=["Signed"]), save(org, name="Two", stages=["Gewonnen"])
    for each in (one, two):
        authoring.activate(each, choices=CHOICES, replacing=True, actor=None, now=now)
    with pytest.raises(Refusal):
        save(org, two, name="Two", stages=[])
    two.refresh_from_db()
    assert two.stages == ["Gewonnen"]


def test_st_34_all_mistakes_at_once(org) -> None:
    with pytest.raises(BadAutomation) as bad:
        save(org, name=" ", trigger="maybe", trial_days=0, stages=["Nowhere"], callout={"url": "ftp://x"},
             conditions=[{"field": "X", "operator": "is"}])  # fmt: skip
    assert set(bad.value.errors) == {"name", "trigger", "trial_days", "stages", "conditions[1]", "callout.url"}
    with pytest.raises(BadAutomation) as open_stage:
        save(org, stages=["Prospecting"])
    assert "won" in open_stage.value.errors["stages"]


def test_st_37_every_change_is_a_version(org) -> None:
    mine = save(org)
    assert save(org, mine).version == 1  # nothing changed
    assert save(org, mine, write_back=False).version == 2
    assert [each.number for each in finding.versions_of(mine)] == [2, 1]
    assert [each.content["write_back"] for each in finding.versions_of(mine)] == [False, True]


def test_s_002_secret_headers_are_sealed_and_stay_with_their_host(org) -> None:
    secret = {"name": "Authorization", "value": "Bearer s3cret", "secret": True}
    mine = save(org, callout={**WHOLE, "headers": [secret]})
    row = Automation.objects.get(pk=mine.pk)
    assert "s3cret" not in json.dumps(row.callout)
    assert b"s3cret" not in bytes(row.callout_secrets)
    assert authoring.read_secrets(row) == {"authorization": "Bearer s3cret"}
    kept = {"name": "Authorization", "value": "", "secret": True}
    save(org, mine, callout={**WHOLE, "url": "https://api.acme.com/other", "headers": [kept]})
    assert authoring.read_secrets(Automation.objects.get(pk=mine.pk))["authorization"] == "Bearer s3cret"
    with pytest.raises(BadAutomation):
        save(org, mine, callout={**WHOLE, "url": "https://evil.example/", "headers": [kept]})
    copied = authoring.copy_automation(Automation.objects.get(pk=mine.pk), actor=None, now=timezone.now())
    assert authoring.read_secrets(copied) == {"authorization": "Bearer s3cret"}
    assert "s3cret" not in "".join(f"{each.before}{each.after}" for each in AuditEntry.objects.all())


def test_s_007_secrets_of_automations_follow_a_new_key(org, settings) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [old]
    mine = save(org, callout={**WHOLE, "headers": [{"name": "X-Key", "value": "s3cret", "secret": True}]})
    settings.FIELD_ENCRYPTION_KEYS = [new, old]
    assert authoring.rotate_secrets() == (1, 0)
    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert authoring.read_secrets(Automation.objects.get(pk=mine.pk)) == {"x-key": "s3cret"}
    settings.FIELD_ENCRYPTION_KEYS = [old]
    assert authoring.rotate_secrets() == (0, 1)


def test_st_38_active_ones_and_templates_are_not_deleted(org) -> None:
    mine = authoring.activate(save(org), choices=CHOICES, replacing=True, actor=None, now=timezone.now())
    with pytest.raises(Refusal):
        authoring.delete_automation(mine, actor=None)
    authoring.delete_automation(authoring.deactivate(mine, actor=None, now=timezone.now()), actor=None)
    assert not Automation.objects.filter(org=org, is_template=False).exists()
    with pytest.raises(Refusal):
        authoring.delete_automation(Automation.objects.filter(org=org, is_template=True)[0], actor=None)


def test_st_36_automation_rule_knows_the_paths() -> None:
    assert intent(deal(line(1, "plan-basic")), customer_path="data.id").customer_source == "callout"
    assert automation("won").customer_path == ""


def test_s_007_a_rotation_of_the_vault_takes_the_secrets_of_automations_along(org, settings):
    from cryptography.fernet import Fernet

    from integrations.orgs import vault

    row = Automation.objects.create(org=org, name="With a secret", trigger="won")
    authoring._seal(row, {"X-Api-Key": "geheim"})
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.FIELD_ENCRYPTION_KEYS]
    _, unreadable = vault.rotate_all()
    assert unreadable == 0
    settings.FIELD_ENCRYPTION_KEYS = settings.FIELD_ENCRYPTION_KEYS[:1]
    row.refresh_from_db()
    assert authoring.read_secrets(row) == {"X-Api-Key": "geheim"}
