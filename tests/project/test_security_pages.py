"""Pages of security: overview, one connection, permission set, people, the drill; and the verdicts behind them."""

from datetime import UTC, date, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations import audit
from integrations.api_keys import create_key
from integrations.models import Alert, ApiUsage, AuditEntry, Run, SalesforceOrg, SecurityFinding, SecurityReview
from integrations.orgs import vault
from integrations.orgs.usage import hour_of
from integrations.sync import runs
from project.security import posture, review
from project.security.posture import BAD, OK, UNKNOWN, WARN, ConnectionFacts, Finding, InstallationFacts, RightsFacts
from tests.project.test_security_rights import pushes

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FAR = date(2027, 6, 1)


@pytest.fixture
def ada(cast) -> Client:
    browser = Client()
    browser.force_login(cast.ada)
    return browser


def ago(days: int) -> datetime:
    return NOW - timedelta(days=days)


# --- verdicts, by table ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "key", "state"),
    [
        ({"method": "password", "soap_ends": FAR}, "soap_login", WARN),
        ({"method": "password", "soap_ends": date(2027, 1, 1)}, "soap_login", BAD),
        ({"method": "password", "soap_ends": date(2026, 11, 1)}, "soap_login", BAD),
        ({"method": "web", "soap_ends": FAR}, "soap_login", None),
        ({"method": "web", "scope": "api refresh_token id"}, "scopes", OK),
        ({"method": "web", "scope": "api offline_access openid"}, "scopes", OK),
        ({"method": "web", "scope": "api id"}, "scopes", BAD),
        ({"method": "web", "scope": "refresh_token"}, "scopes", BAD),
        ({"method": "jwt", "scope": "api"}, "scopes", OK),
        ({"method": "web", "scope": "full refresh_token"}, "scopes", WARN),
        ({"method": "web", "scope": "api web refresh_token"}, "scopes", WARN),
        ({"method": "web", "scope": ""}, "scopes", None),
        ({"authorized_at": ago(3)}, "grant", OK),
        ({"authorized_at": ago(365)}, "grant", OK),
        ({"authorized_at": ago(366)}, "grant", WARN),
        ({"is_live": True, "token_at": ago(0)}, "token", OK),
        ({"is_live": True}, "token", UNKNOWN),
        ({"secret_at": ago(365)}, "client_secret", OK),
        ({"secret_at": ago(366)}, "client_secret", WARN),
        ({"secret_at": ago(731)}, "client_secret", BAD),
        ({"method": "jwt", "certificate_ends": NOW + timedelta(days=61)}, "certificate", OK),
        ({"method": "jwt", "certificate_ends": NOW + timedelta(days=60)}, "certificate", WARN),
        ({"method": "jwt", "certificate_ends": NOW + timedelta(days=14)}, "certificate", BAD),
        ({"method": "jwt", "certificate_ends": ago(1)}, "certificate", BAD),
        ({"method": "web", "certificate_ends": ago(1)}, "certificate", None),
        ({"is_locked": True}, "vault", BAD),
        ({"revocation_pending": True}, "revocation", WARN),
        ({"is_live": True, "suspicions": ("Objects never asked for before: Lead.",)}, "use", BAD),
        ({"is_live": True}, "use", OK),
        ({"profile": "System Administrator"}, "person", BAD),
        ({"profile": "Minimum Access - API Only Integrations"}, "person", OK),
        ({}, "person", None),
    ],
)
def test_security_verdict_on_sign_in(facts, key, state):
    given = {"method": "web", "is_live": False, **facts}
    found = {each.key: each for each in posture.judge_connection(ConnectionFacts(**given), now=NOW)}
    assert (found[key].state if key in found else None) == state
    for each in found.values():
        assert each.state == OK or each.state == UNKNOWN or (each.why and each.fix), f"{each.key} says why and how"


@pytest.mark.parametrize(
    ("facts", "states"),
    [
        ({"total": 5}, {"missing": OK}),
        ({}, {}),
        ({"missing": ("Account (edit)",), "total": 5}, {"missing": BAD}),
        ({"user_missing": ("Run Reports",), "total": 5}, {"missing": BAD}),
        ({"absent": ("Account.X__c",), "total": 5}, {"missing": OK, "absent": WARN}),
        ({"dangerous": ("Modify All Data by A",), "total": 1}, {"missing": OK, "too_broad": BAD}),
        ({"sees_all": ("View All Data by A",), "total": 1}, {"missing": OK, "sees_all": WARN}),
        ({"too_much": ("Lead (delete)",), "total": 1}, {"missing": OK, "too_much": WARN}),
        ({"unneeded": ("Lead (read)",), "total": 1}, {"missing": OK, "too_much": WARN}),
        ({"deploying": ("Customize Application",), "total": 1}, {"missing": OK, "deploying": WARN}),
        ({"can_read_sets": False, "total": 1}, {"missing": OK, "unknown": UNKNOWN}),
        ({"unknown": ("Lead (read)",), "total": 1}, {"missing": OK, "unknown": UNKNOWN}),
    ],
)
def test_security_verdict_on_rights(facts, states):
    assert {each.key: each.state for each in posture.judge_rights(RightsFacts(**facts))} == states


@pytest.mark.parametrize(
    ("facts", "key", "state"),
    [
        ({"key_at": ago(10)}, "encryption", OK),
        ({"key_at": ago(366)}, "encryption", WARN),
        ({"key_at": ago(10), "keys": 2}, "encryption", WARN),
        ({"key_at": ago(10), "keys": 2, "behind": 4}, "encryption", WARN),
        ({}, "encryption", UNKNOWN),
        ({"chain": BAD, "chain_at": NOW}, "audit", BAD),
        ({"chain": OK, "chain_at": NOW}, "audit", OK),
        ({}, "audit", UNKNOWN),
        ({"idle_admins": ("ada",)}, "idle_admins", WARN),
        ({"unused_keys": ("k",)}, "unused_keys", WARN),
        ({"endless_keys": ("k",)}, "endless_keys", WARN),
    ],
)
def test_security_verdict_on_the_installation(facts, key, state):
    found = {each.key: each.state for each in posture.judge_installation(InstallationFacts(**facts), now=NOW)}
    assert found[key] == state


def test_security_the_verdict_is_the_worst_finding():
    def made(*states: str) -> str:
        return posture.verdict(Finding("k", "t", state, "s") for state in states)

    assert [made(), made(OK), made(OK, UNKNOWN), made(UNKNOWN, WARN, OK), made(WARN, BAD)] == [UNKNOWN, OK, UNKNOWN, WARN, BAD]


def test_security_the_end_of_a_certificate_is_read():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "causeway")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, NOW, NOW + timedelta(days=30)).sign(key, hashes.SHA256())
    assert review.certificate_end(made.public_bytes(serialization.Encoding.PEM).decode()) == NOW + timedelta(days=30)
    assert review.certificate_end("") is None
    assert review.certificate_end("nonsense") is None


# --- pages -------------------------------------------------------------------------------------------------------------


def test_security_pages_before_any_check_say_how_to_begin(ada):
    org = SalesforceOrg.objects.create(name="New", login_url="https://acme.my.salesforce.com")
    assert b"not checked yet" in ada.get("/security/").content
    assert b"Not checked yet" in ada.get(f"/security/{org.pk}/").content
    assert b"Check the connection first" in ada.get(f"/security/{org.pk}/permission-set/").content
    assert ada.get(f"/security/{org.pk}/permission-set.xml").status_code == 302
    assert ada.get("/security/999999/").status_code == 404


def test_security_check_now_fills_the_pages(ada, connected_org):
    ada.post(reverse("security_check_all"))
    overview = ada.get("/security/").content.decode()
    assert "Look at it" in overview
    assert connected_org.name in overview
    page = ada.get(f"/security/{connected_org.pk}/?show=all").content.decode()
    for words in (
        "View All Data",
        "Why it matters",
        "How to fix it",
        "Permissions of the user",
        "Login IP Ranges",
        "Use of the API",
    ):
        assert words in page
    assert AuditEntry.objects.filter(action="security.checked").exists()


def test_security_downloads_and_deploys_from_the_page(ada, connected_org):
    pushes(connected_org, "Site")
    ada.post(reverse("security_check", args=[connected_org.pk]))
    xml = ada.get(f"/security/{connected_org.pk}/permission-set.xml")
    assert xml["Content-Disposition"] == 'attachment; filename="Causeway_Integration.permissionset-meta.xml"'
    assert b"<viewAllRecords>true</viewAllRecords>" in xml.content
    shared = ada.get(f"/security/{connected_org.pk}/permission-set.xml?records=shared").content
    assert b"<viewAllRecords>true" not in shared
    assert ada.get(f"/security/{connected_org.pk}/permission-set.zip").content[:2] == b"PK"
    answer = ada.post(reverse("security_deploy", args=[connected_org.pk]))
    run = Run.objects.get(job="security.deploy")
    assert answer["Location"] == reverse("integrations:run", args=[run.pk])
    runs.perform_run(run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.SUCCESS, run.sentence
    assert b"exactly this permission set" in ada.get(f"/security/{connected_org.pk}/permission-set/").content


def test_s_060_deploying_asks_for_a_fresh_sign_in(ada, connected_org):
    session = ada.session
    session["signed_in_at"] = (timezone.now() - timedelta(minutes=16)).isoformat()
    session.save()
    answer = ada.post(reverse("security_deploy", args=[connected_org.pk]))
    assert reverse("integrations:confirm_login") in answer["Location"]
    assert not Run.objects.exists()


def test_security_an_org_that_is_not_connected_is_not_deployed_to(ada):
    org = SalesforceOrg.objects.create(name="New", login_url="https://acme.my.salesforce.com")
    assert ada.post(reverse("security_deploy", args=[org.pk])).status_code == 302
    assert not Run.objects.exists()


def test_s_011_the_page_shows_the_figures_and_what_they_are_compared_with(ada, connected_org):
    now = timezone.now()
    for days in range(1, 9):
        ApiUsage.objects.create(
            org=connected_org, hour=hour_of(now) - timedelta(days=days), domain="okr", calls=10, objects_asked=["Report"]
        )
    ApiUsage.objects.create(org=connected_org, hour=hour_of(now), domain="okr", calls=900, objects_asked=["Lead"])
    review.review_org(connected_org, now=now)
    page = ada.get(f"/security/{connected_org.pk}/").content.decode()
    assert "Objects never asked for before: " in page
    assert "Lead" in page
    assert "usual for this hour 10" in page
    assert SecurityFinding.objects.get(org=connected_org, key="use").state == BAD


def test_security_history_shows_since_when_and_until(ada, web_like_org):
    org = web_like_org
    SalesforceOrg.objects.filter(pk=org.pk).update(revocation_pending=True)
    org.refresh_from_db()
    review.review_org(org, now=NOW, ask=False)
    review.review_org(org, now=NOW + timedelta(days=1), ask=False)
    assert review.since_by_key(org)["revocation"] == NOW
    SalesforceOrg.objects.filter(pk=org.pk).update(revocation_pending=False)
    org.refresh_from_db()
    review.review_org(org, now=NOW + timedelta(days=2), ask=False)
    finding = SecurityFinding.objects.get(org=org, key="revocation")
    assert (finding.since, finding.ended_at) == (NOW, NOW + timedelta(days=2))
    assert b"Revocation pending" in ada.get(f"/security/{org.pk}/").content


@pytest.fixture
def web_like_org(db) -> SalesforceOrg:
    return SalesforceOrg.objects.create(name="Acme", login_url="https://acme.my.salesforce.com", state="connected")


def test_security_a_locked_vault_is_a_finding_and_told_once(web_like_org, settings):
    vault.store(web_like_org, "client_secret", "canary-secret-0123456789")
    settings.FIELD_ENCRYPTION_KEYS = ["YXNkZmFzZGZhc2RmYXNkZmFzZGZhc2RmYXNkZmFzZGY="]
    for day in range(2):
        review.review_org(web_like_org, now=NOW + timedelta(days=day), ask=False)
    assert Alert.objects.filter(key=f"security:{web_like_org.pk}").count() == 1
    assert "canary" not in str(SecurityReview.objects.values())


def test_s_007_secrets_behind_the_newest_key_are_counted(web_like_org, settings):
    vault.store(web_like_org, "client_secret", "canary-secret-0123456789")
    old = list(settings.FIELD_ENCRYPTION_KEYS)
    settings.FIELD_ENCRYPTION_KEYS = ["YXNkZmFzZGZhc2RmYXNkZmFzZGZhc2RmYXNkZmFzZGY=", *old]
    assert vault.behind_newest_key() == 1
    found = {each["key"]: each for each in review.review_installation(now=NOW).body["findings"]}
    assert "1 secrets" in found["encryption"]["sentence"]
    call_command("rotate_vault")
    assert vault.behind_newest_key() == 0


def test_security_the_age_of_the_key_counts_from_when_it_was_first_seen(settings, db):
    review.review_installation(now=ago(400))
    found = {each["key"]: each for each in review.review_installation(now=NOW).body["findings"]}
    assert found["encryption"]["state"] == WARN
    key = settings.FIELD_ENCRYPTION_KEYS[0]
    assert key[:8] not in str(SecurityReview.objects.get(org=None).body)


def test_security_people_and_keys_are_listed_with_scopes_and_last_use(ada, cast):
    create_key(owner=cast.olga, name="Nightly import", scopes=["runs:read", "billing:write"], expires=None)
    page = ada.get("/security/people/").content.decode()
    for words in ("Nightly import", "billing:write", "never", "Operator", "olga", "ada"):
        assert words in page
    review.review_installation(now=timezone.now() + timedelta(days=100))
    keys = set(SecurityFinding.objects.filter(org=None, ended_at=None).values_list("key", flat=True))
    assert {"unused_keys", "endless_keys", "idle_admins"} <= keys


def test_s_116_the_drill_goes_step_by_step_and_takes_its_time(ada, connected_org, cast):
    page = ada.get("/security/drill/").content.decode()
    assert "1. What is at stake" in page
    assert connected_org.name in page
    ada.post("/security/drill/", {"begin": "1", "why": "Quarterly drill"})
    assert AuditEntry.objects.get(action="security.drill_started").after == {"why": "Quarterly drill"}
    steps = ada.get("/security/drill/").context["steps"]
    assert steps == {"list": True, "revoke": False, "rotate": False, "used": False}
    ada.post(reverse("integrations:revoke_all"), {"confirm": "revoke all"})
    call_command("rotate_vault")
    assert ada.get("/security/drill/").context["steps"] == {"list": True, "revoke": True, "rotate": True, "used": False}
    ada.post("/security/drill/", {"end": "1"})
    shown = ada.get("/security/drill/").context
    assert all(shown["steps"].values())
    assert not shown["is_late"]
    assert "connection.all_revoked" in {entry.action for entry in shown["used"]}
    assert audit.verify().holds


def test_s_116_a_drill_that_takes_more_than_15_minutes_says_so(ada, cast):
    entry = audit.record("security.drill_started", actor=cast.ada, target="stolen token")
    AuditEntry.objects.filter(pk=entry.pk).update(at=timezone.now() - timedelta(minutes=16))
    assert ada.get("/security/drill/").context["is_late"]


# --- one org's trouble stays its own ---------------------------------------------------------------------------------------


@pytest.fixture
def two_orgs(db) -> tuple[SalesforceOrg, SalesforceOrg]:
    """Two connected orgs; what is stored about the first has a shape that the review does not expect."""
    SalesforceOrg.objects.create(name="Able", login_url="https://able.my.salesforce.com", state="connected")
    SalesforceOrg.objects.create(name="Bold", login_url="https://bold.my.salesforce.com", state="connected")
    SalesforceOrg.objects.filter(name="Able").update(posture={"user": "nobody expects a text here"})
    return SalesforceOrg.objects.get(name="Able"), SalesforceOrg.objects.get(name="Bold")


def test_i_10_a_review_that_fails_unexpectedly_stops_no_other_and_says_so(two_orgs, ada, caplog):
    able, bold = two_orgs
    assert review.run_daily() == 1
    assert SecurityReview.objects.filter(org=bold).exists()
    assert SecurityReview.objects.filter(org=None).exists()
    assert SecurityReview.objects.get(org=able).verdict == UNKNOWN
    assert "failed unexpectedly (AttributeError)" in ada.get(f"/security/{able.pk}/").content.decode()
    assert "security.review_failed" in caplog.text


def test_i_10_a_failed_review_keeps_what_was_found_before(two_orgs):
    able, _ = two_orgs
    SalesforceOrg.objects.filter(pk=able.pk).update(posture={}, revocation_pending=True)
    able.refresh_from_db()
    review.review_org(able, now=NOW, ask=False)
    SalesforceOrg.objects.filter(pk=able.pk).update(posture={"user": "broken"})
    able.refresh_from_db()
    for day in (1, 2):
        assert review.review_each([able], now=NOW + timedelta(days=day)) == [able]
    kept = SecurityReview.objects.get(org=able)
    keys = [each["key"] for each in kept.body["findings"]]
    assert kept.at == NOW  # of the findings that are shown
    assert kept.verdict in (WARN, BAD)
    assert keys.count("review") == 1
    assert "revocation" in keys
    assert review.since_by_key(able)["revocation"] == NOW
    SalesforceOrg.objects.filter(pk=able.pk).update(posture={})
    able.refresh_from_db()
    assert review.review_each([able], now=NOW + timedelta(days=3)) == []
    assert "review" not in [each["key"] for each in SecurityReview.objects.get(org=able).body["findings"]]


def test_i_10_the_button_reviews_the_others_and_names_the_one_that_failed(two_orgs, ada):
    page = ada.post(reverse("security_check_all"), follow=True).content.decode()
    assert "The review of Able failed unexpectedly" in page
    assert SecurityReview.objects.filter(org=two_orgs[1]).exists()
    assert AuditEntry.objects.get(action="security.checked").after == {"failed": ["Able"]}
