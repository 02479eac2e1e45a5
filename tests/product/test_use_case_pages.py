"""Pages of the overview, health scores, task rules and use cases: who sees what, filters in the address, forms, exports."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from integrations.models import Attribute, AuditEntry, Customer, Run, RunObject, SalesforceOrg
from integrations.product import overview, use_cases
from integrations.product.health import compute, definitions
from integrations.product.health.definitions import Draft
from integrations.product.models import CsmTask, Engagement, HealthScore, TaskRule
from integrations.product.task_rules import definitions as tasks
from integrations.sync.mapping import synchronize
from integrations.sync.matching.saving import save_customers
from tests.pages.test_rules import Markup

pytestmark = pytest.mark.django_db
NASTY = "<img src=x onerror=alert(1)>"
SEEN = [{"signal": "days_since_seen", "worst": 30, "best": 0}]


@pytest.fixture(autouse=True)
def _fresh() -> None:
    cache.clear()


@pytest.fixture
def org(db) -> SalesforceOrg:
    return SalesforceOrg.objects.create(name="Acme", state=SalesforceOrg.State.CONNECTED, authorized_at=timezone.now())


@pytest.fixture
def score(org) -> HealthScore:
    now = timezone.now()
    rows = [{"external_id": f"pa-{n}", "name": f"Company {n}" if n else NASTY,
             "last_seen_at": (now - timedelta(days=n * 10, minutes=1)).isoformat()} for n in range(4)]  # fmt: skip
    save_customers(rows, now=now)
    made = definitions.save_score(None, Draft("Health score", org=org, parts=SEEN), user=None, now=now)
    compute.compute(made, org, now=now)
    made.refresh_from_db()
    return made


@pytest.fixture
def rule(org) -> TaskRule:
    draft = tasks.Draft(org, "Quiet", "Call {{customer}}",
                        conditions=[{"signal": "days_since_seen", "op": "at_least", "value": "14"}])  # fmt: skip
    return tasks.save_rule(None, draft, user=None, now=timezone.now())


def task_of(rule: TaskRule, **more: Any) -> CsmTask:
    customer, _ = Customer.objects.get_or_create(external_id="c-1", defaults={"name": NASTY})
    return CsmTask.objects.create(rule=rule, customer=customer, episode=1, key="k", opened_at=timezone.now(), **more)


def read(client, address: str, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status, (address, answer.status_code)
    return answer.content.decode()


def lines_of(answer: Any) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode())))


def test_members_read_every_page_and_nothing_is_inline(client, cast, score, rule) -> None:
    task_of(rule, reason="Days since last seen: 20")
    client.force_login(cast.marsha)
    pages = ["/product/", "/product/use-cases/", "/product/health/", f"/product/health/{score.pk}/", "/product/task-rules/",
             f"/product/health/{score.pk}/customers/{Customer.objects.get(external_id='pa-0').pk}/",
             f"/product/task-rules/{rule.pk}/"]  # fmt: skip
    for address in pages:
        html = read(client, address)
        markup = Markup(html)
        assert markup.tags.count("h1") == 1, address
        assert not markup.inline, (address, markup.inline)
        assert NASTY not in html
    for address in ("/product/health/new/", f"/product/health/{score.pk}/edit/", "/product/task-rules/new/",
                    f"/product/task-rules/{rule.pk}/edit/", f"/product/health/{score.pk}/customers.csv"):  # fmt: skip
        assert client.get(address).status_code == 403, address


def test_empty_pages_say_what_appears_there(client, cast) -> None:
    client.force_login(cast.olga)
    assert "Salesforce is not connected yet" in read(client, "/product/")
    assert "See which customers are doing well" in read(client, "/product/health/")
    assert "Nobody is told yet" in read(client, "/product/task-rules/")
    assert "Connect a Salesforce org first." in read(client, "/product/use-cases/")


def test_px_11_px_12_the_card_shows_authorization_and_the_last_successful_sync(client, cast, org) -> None:
    ended = timezone.now() - timedelta(hours=3)
    for job, state in (("mirror.read", "success"), ("mapping.pull", "success"), ("mapping.push", "partial")):
        run = Run.objects.create(org=org, job=job, domain="product", state=state, finished_at=ended, queued_at=ended)
    RunObject.objects.create(run=run, name="Account", read=5, written=3, failed=2)
    Run.objects.create(org=org, job="mapping.push", domain="product", state="failed", finished_at=timezone.now(),
                       sentence="Salesforce was away.")  # fmt: skip
    client.force_login(cast.ana)
    html = read(client, "/product/")
    assert ended.isoformat() in html
    assert "2 rows were refused" in " ".join(html.split())
    assert "Salesforce was away." in html
    (card,) = overview.read_cards(org=None, now=timezone.now())
    assert card.last_sync_at == ended
    SalesforceOrg.objects.update(state=SalesforceOrg.State.NEEDS_REAUTHORIZATION)
    client.force_login(cast.ada)
    html = read(client, "/product/")
    assert ">Authorize</a>" in html
    assert "Synchronize</button>" not in html


def test_px_10_px_25_authorize_comes_first_rules_and_fields_after_it(client, cast, org) -> None:
    SalesforceOrg.objects.update(state=SalesforceOrg.State.NEW)
    client.force_login(cast.ada)
    html = read(client, "/product/")
    assert f'href="/connections/{org.pk}/sign-in/"' in html
    assert "Map fields" not in html
    SalesforceOrg.objects.update(state=SalesforceOrg.State.CONNECTED)
    html = read(client, "/product/")
    assert f'action="/connections/{org.pk}/test/"' in html, "it can be shown to work"
    assert "Map fields" in html


def test_px_13_sandboxes_are_synchronized_and_tagged(client, cast, org) -> None:
    SalesforceOrg.objects.update(environment=SalesforceOrg.Environment.SANDBOX)
    client.force_login(cast.olga)
    html = read(client, "/product/")
    assert "Sandbox</span>" in html
    assert "Synchronize</button>" in html


def test_px_19_the_card_leads_to_the_matching_logic_and_the_fields_of_both_entities(client, cast, org) -> None:
    client.force_login(cast.ana)
    html = read(client, "/product/")
    for entity in ("customer", "end_user"):
        for place in ("matching", "fields"):
            assert f'href="/mappings/{org.pk}/{entity}/#{place}"' in html
    text = (settings.BASE_DIR / "templates/mappings/edit.html").read_text()
    assert 'id="matching"' in text
    assert 'id="fields"' in text


def test_px_09_px_67_the_docs_say_what_is_no_package_and_whose_trademarks_nps_are() -> None:
    text = (settings.BASE_DIR / "docs/product.md").read_text()
    assert "managed package" in text
    assert "NPS, Net Promoter and Net Promoter Score are registered trademarks of their owners" in text


def test_px_14_to_px_17_and_px_d1_the_timetable_in_utc_and_the_first_push(client, cast, org) -> None:
    client.force_login(cast.olga)
    html = read(client, "/product/")
    assert "first written at 11:00" in html
    assert "00:00 UTC" in html
    assert f'action="/product/synchronize/{org.pk}/"' in html


def test_px_17_synchronize_starts_once_and_shows_how_far_it_is(client, cast, org, monkeypatch) -> None:
    monkeypatch.setattr("integrations.sync.runs._enqueue", lambda run, now: None)
    client.force_login(cast.olga)
    assert client.post(f"/product/synchronize/{org.pk}/").url == "/product/"
    run = Run.objects.get(job=synchronize.JOB)
    html = read(client, "/product/")
    assert f'hx-get="/product/progress/{org.pk}/"' in html
    assert "Synchronize</button>" not in html
    fetch = Run.objects.create(org=org, job="mirror.read", domain="mirror", state="success")
    going = Run.objects.create(org=org, job="mapping.pull", domain="product", state="running", total=10)
    RunObject.objects.create(run=going, name="Customers", read=4, written=4)
    steps = {"mirror.read": {"run": fetch.pk, "ended": True}, "mapping.pull": {"run": going.pk}}
    Run.objects.filter(pk=run.pk).update(checkpoint={"steps": steps}, state="running")
    run.refresh_from_db()
    progress = overview.read_progress(run)
    assert [stage.state for stage in progress.stages] == ["ended", "running", "not_started"]
    assert progress.percent == 47
    client.force_login(cast.marsha)
    assert "Map: 4 of 10" in read(client, f"/product/progress/{org.pk}/")
    Run.objects.filter(pk=run.pk).update(state="success")
    read(client, f"/product/progress/{org.pk}/", status=286)
    client.force_login(cast.marsha)
    assert client.post(f"/product/synchronize/{org.pk}/").status_code == 403


def test_px_67_the_trademark_notice_stands_where_nps_is_shown(client, cast, score) -> None:
    client.force_login(cast.marsha)
    for address in ("/product/", "/product/use-cases/", f"/product/health/{score.pk}/"):
        assert "Net Promoter Score are registered trademarks" in read(client, address)


def test_l_10_the_overview_asks_a_fixed_number_of_questions(client, cast, org, django_assert_max_num_queries) -> None:
    client.force_login(cast.ada)
    with django_assert_max_num_queries(30):
        read(client, "/product/")


def test_px_42_customers_are_filtered_and_sorted_by_the_address_and_exported_as_shown(client, cast, score) -> None:
    client.force_login(cast.ana)
    html = read(client, f"/product/health/{score.pk}/?band=poor")
    assert "Company 3" in html
    assert "Company 1" not in html
    assert "No customer matches" in read(client, f"/product/health/{score.pk}/?text=nobody")
    assert read(client, f"/product/health/{score.pk}/?page=999&band=what&sort=evil") != ""
    header, *rows = lines_of(client.get(f"/product/health/{score.pk}/customers.csv?sort=-score&text=company"))
    assert header == ["customer", "name", "score", "band", "known_percent", "days_since_seen"]
    assert [row[:4] for row in rows] == [["pa-1", "Company 1", "67", "fair"], ["pa-2", "Company 2", "33", "poor"],
                                         ["pa-3", "Company 3", "0", "poor"]]  # fmt: skip
    assert AuditEntry.objects.filter(action="export.health").count() == 1


def test_px_42_the_history_is_drawn_and_stands_in_a_table(client, cast, score) -> None:
    client.force_login(cast.marsha)
    address = f"/product/health/{score.pk}/"
    assert "<canvas" not in read(client, address), "one day is no line"
    compute.compute(score, score.org, now=timezone.now() + timedelta(days=1))
    html = read(client, address)
    assert 'data-series="score-data"' in html
    assert not Markup(html).inline
    customer = Customer.objects.get(external_id="pa-1")
    assert '"values": [67, 63]' in read(client, f"{address}customers/{customer.pk}/")


def test_px_42_operators_edit_weights_with_a_preview_that_saves_nothing(client, cast, score) -> None:
    client.force_login(cast.olga)
    form = {"name": "Health score", "key": "health_score", "org": str(score.org_id), "good_from": "80", "fair_from": "50",
            "least_known": "50", "part-0-signal": "days_since_seen", "part-0-weight": "2", "part-0-worst": "60",
            "part-0-best": "0", "part-0-missing": "worst"}  # fmt: skip
    address = f"/product/health/{score.pk}/edit/"
    html = client.post(address, form | {"verb": "preview"}).content.decode()
    assert "What this would give" in html
    assert HealthScore.objects.get().version == 1
    assert 'name="part-1-signal"' in client.post(address, form | {"verb": "add"}).content.decode()
    bad = client.post(address, form | {"verb": "save", "part-0-worst": "0", "good_from": "abc"})
    assert bad.status_code == 400
    assert "worst and best must differ." in bad.content.decode()
    assert "good_from: Is a whole number from 0 to 100." in bad.content.decode()
    assert client.post(address, form | {"verb": "save"}).url == f"/product/health/{score.pk}/"
    saved = HealthScore.objects.get()
    assert (saved.version, saved.good_from, saved.parts[0]["worst"]) == (2, 80, "60")
    assert "These figures are of version 1" in read(client, f"/product/health/{score.pk}/")
    client.post(f"/product/health/{score.pk}/state/", {"state": "paused"})
    assert HealthScore.objects.get().state == "paused"
    client.post(f"/product/health/{score.pk}/delete/")
    assert not HealthScore.objects.exists()


def test_r_283_a_score_that_is_sent_twice_is_made_once(client, cast, org) -> None:
    client.force_login(cast.olga)
    form = {"name": "S", "key": "s", "org": "", "good_from": "70", "fair_from": "40", "least_known": "50", "verb": "save",
            "part-3-signal": "days_since_seen", "part-3-worst": "30", "part-3-best": "0", "form_token": "once"}  # fmt: skip
    first, second = client.post("/product/health/new/", form), client.post("/product/health/new/", form)
    assert first.url == second.url
    assert HealthScore.objects.count() == 1


def test_px_41_operators_make_try_and_switch_on_a_rule(client, cast, org) -> None:
    save_customers([{"external_id": "quiet", "name": "Quiet Ltd", "last_seen_at": (timezone.now() - timedelta(days=20)).isoformat()}],
                   now=timezone.now())  # fmt: skip
    client.force_login(cast.olga)
    assert "days_since_seen" in read(client, "/product/task-rules/new/")
    form = {"name": "No visit", "subject": "Call {{customer}}", "match": "all", "segment": "", "description": "", "owner": "account",
            "owner_id": "", "priority": "Normal", "status": "Not Started", "due_in_days": "3", "cooldown_days": "30",
            "most_a_day": "5", "condition-0-signal": "days_since_seen", "condition-0-op": "at_least",
            "condition-0-value": "14", "org": str(org.pk)}  # fmt: skip
    html = client.post("/product/task-rules/new/", form | {"verb": "try"}).content.decode()
    assert "Quiet Ltd" in html
    assert not TaskRule.objects.exists()
    bad = client.post("/product/task-rules/new/", form | {"verb": "save", "condition-0-value": "many", "most_a_day": "0"})
    assert bad.status_code == 400
    assert "value is no number." in bad.content.decode()
    assert "most_a_day: Is a whole number from 1 to 2000." in bad.content.decode()
    rule_url = client.post("/product/task-rules/new/", form | {"verb": "save"}).url
    rule = TaskRule.objects.get()
    assert (rule_url, rule.state) == (f"/product/task-rules/{rule.pk}/", "draft")
    assert "Quiet Ltd" in read(client, f"{rule_url}?try=1")
    assert not CsmTask.objects.exists()
    client.post(f"{rule_url}state/", {"state": "active"})
    rule.refresh_from_db()
    assert rule.state == "active"
    changed = client.post(f"{rule_url}edit/", form | {"verb": "save", "subject": "Ring {{customer}}"})
    assert changed.status_code == 302
    assert TaskRule.objects.get().subject == "Ring {{customer}}"


def test_px_41_tasks_are_listed_with_links_reasons_and_as_csv(client, cast, rule) -> None:
    SalesforceOrg.objects.update(instance_url="https://acme.my.salesforce.com")
    task_of(rule, state="created", salesforce_id="00T000000000001AAA", reason="Days since last seen: 20 (at least 14)")
    client.force_login(cast.ana)
    html = read(client, f"/product/task-rules/{rule.pk}/")
    assert "https://acme.my.salesforce.com" in html
    assert "Days since last seen: 20 (at least 14)" in html
    assert "No task matches" in read(client, f"/product/task-rules/{rule.pk}/?state=waiting")
    header, row = lines_of(client.get(f"/product/task-rules/{rule.pk}/tasks.csv"))
    assert (row[0], row[3], row[header.index("salesforce_id")]) == ("Quiet", "created", "00T000000000001AAA")
    header, row = lines_of(client.get("/product/task-rules/export.csv"))
    assert row[header.index("made")] == "1"


def test_the_pages_say_when_tasks_wait_for_their_key_field(client, cast, rule) -> None:
    task_of(rule, code="key_field_missing", message="The key field does not exist.")
    client.force_login(cast.olga)
    for address in ("/product/task-rules/", f"/product/task-rules/{rule.pk}/"):
        html = read(client, address)
        assert "The key field does not exist." in html
        assert "Create the key field" in html


@pytest.mark.parametrize("key", list(use_cases.CASES))
def test_px_39_to_px_42_one_click_makes_a_use_case_that_can_be_used(client, cast, org, key) -> None:
    Attribute.objects.create(entity="customer", key="renewal_date", label="Renewal date", type="DATE_TIME")
    client.force_login(cast.marsha)
    assert client.post("/product/use-cases/new/", {"case": key}).status_code == 403
    client.force_login(cast.olga)
    assert use_cases.CASES[key].label in read(client, "/product/use-cases/")
    answer = client.post("/product/use-cases/new/", {"case": key, "form_token": "t"})
    assert answer.status_code == 302
    assert answer.url != "/product/use-cases/", [str(each) for each in client.get("/product/use-cases/").context["messages"]]
    read(client, answer.url)
    assert Engagement.objects.count() + TaskRule.objects.count() + HealthScore.objects.count() == 1
    assert client.post("/product/use-cases/new/", {"case": key, "form_token": "t"}).url == answer.url, "sent twice"
    assert client.post("/product/use-cases/new/", {"case": key}).url != answer.url, "a second one is another one"
    for rule in TaskRule.objects.all():
        tasks.set_state(rule, "active", user=None, now=timezone.now())


def test_px_42_the_ready_made_score_counts_use_nps_support_and_renewal(org) -> None:
    Attribute.objects.create(entity="customer", key="renewal_date", label="Renewal date", type="DATE_TIME")
    score = use_cases.make_use_case("health_score", org=org, user=None, now=timezone.now())
    named = {part["signal"] for part in score.parts}
    assert {"active_users_30d_pct", "nps_score_90d", "support.urgent_cases", "days_until:attributes.renewal_date"} <= named
    assert score.key == "health_score"


def test_a_use_case_that_means_nothing_here_says_why(client, cast, org) -> None:
    client.force_login(cast.olga)
    assert "pull the renewal date from Salesforce" in read(client, "/product/use-cases/")
    client.post("/product/use-cases/new/", {"case": "renewal_90_days"})
    client.post("/product/use-cases/new/", {"case": "what"})
    assert not Engagement.objects.exists()
