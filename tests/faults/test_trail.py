"""The trail: one entry for each thing that matters, the drill after a stolen token, and what we are built from."""

import time
import tomllib
from pathlib import Path

import pytest
import requests
from cryptography.fernet import Fernet
from django.core.cache import cache
from django.core.management import call_command

from integrations import audit
from integrations.models import ApiKey, AuditEntry, OrgSecret, SalesforceOrg
from integrations.orgs import lifecycle, vault
from integrations.orgs.connect import client_for
from tests.cast import PASSWORD
from tests.faults.house import body_of, furnish_run

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _clean_cache():
    cache.clear()


@pytest.fixture
def org() -> SalesforceOrg:
    return SalesforceOrg.objects.create(name="Acme", login_url="https://acme.my.salesforce.com", state="connected")


def only_entry(action: str) -> AuditEntry:
    entry = AuditEntry.objects.get(action=action)
    assert entry.address == "127.0.0.1", "from where"
    assert entry.at.utcoffset().total_seconds() == 0, "when, in UTC"
    return entry


def test_s_110_sign_in_good_and_bad_is_one_entry_each(client, cast):
    client.post("/accounts/login/", {"username": "jane", "password": "wrong"})
    assert (only_entry("login.failed").target, only_entry("login.failed").actor) == ("jane", None)
    client.post("/accounts/login/", {"username": "jane", "password": PASSWORD})
    assert only_entry("login.succeeded").actor == cast.jane


def test_s_110_a_name_that_nobody_has_is_not_kept(client, cast):
    client.post("/accounts/login/", {"username": "my-secret-password", "password": "x"})
    client.post("/accounts/login/", {"username": "nul\0", "password": "x"})
    assert set(AuditEntry.objects.values_list("target", flat=True)) == {"unknown account"}


def test_s_110_a_locked_door_stops_filling_the_audit(client, cast):
    for _ in range(30):
        client.post("/accounts/login/", {"username": "jane", "password": "wrong"})
    assert AuditEntry.objects.filter(action="login.failed").count() <= 10


def test_s_110_the_back_office_has_no_door_of_its_own(client, cast):
    answer = client.post("/admin/login/", {"username": "ada", "password": PASSWORD})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")
    client.force_login(cast.marsha)
    assert client.get("/admin/login/").status_code == 403
    assert client.get("/admin/", follow=True).status_code == 403


def test_s_110_denied_access_is_one_entry_on_pages_and_in_the_api(client, cast):
    client.force_login(cast.marsha)
    assert client.get("/runs/").status_code == 403
    entry = only_entry("access.denied")
    assert (entry.actor, entry.target) == (cast.marsha, "/runs/")
    assert client.get("/api/v1/runs/").status_code == 403
    assert AuditEntry.objects.filter(action="access.denied", target="GET /api/v1/runs/").count() == 1
    client.logout()
    assert client.get("/runs/").status_code == 302
    assert AuditEntry.objects.count() == 2, "strangers are sent to the door, not written down"


def test_s_110_runs_by_hand_and_exports_are_one_entry_each(client, cast, org):
    client.force_login(cast.olga)
    client.post("/runs/start/", {"org": org.pk, "job": "okr.refresh"})
    assert "okr.refresh" in only_entry("run.started").target
    run = furnish_run(org)
    client.post(f"/runs/{run.pk}/retry/")
    assert only_entry("run.retried").actor == cast.olga
    body_of(client.get(f"/runs/{run.pk}/rows.csv"))
    assert only_entry("export.rows").target == f"run {run.pk}"
    queued = furnish_run(org)
    type(queued).objects.filter(pk=queued.pk).update(state="queued")
    client.post(f"/runs/{queued.pk}/cancel/")
    assert only_entry("run.cancelled").target == f"run {queued.pk}"
    assert audit.verify().holds


def test_s_110_the_same_through_the_api(client, cast, org):
    _, secret = ApiKey.objects.create_key(name="Runs", owner=cast.olga, scopes=["runs:read", "runs:write"])
    header = {"Authorization": f"Api-Key {secret}"}
    client.post("/api/v1/runs/", {"job": "okr.refresh", "org": org.pk}, content_type="application/json", headers=header)
    assert only_entry("run.started").actor == cast.olga
    run = furnish_run(org)
    client.post(f"/api/v1/runs/{run.pk}/retry/", headers=header)
    assert only_entry("run.retried").target.startswith(f"run {run.pk}")


def test_s_116_the_drill_after_a_stolen_token(demo_org, client, cast, now, settings):
    """List, revoke all, rotate the key, show who used what: one person, four steps, far below 15 minutes."""
    orgs = [lifecycle.connect_demo_org(name=f"Org {n}", now=now, actor=cast.ada) for n in range(3)]
    for each in orgs:
        client_for(each, domain="okr").count("SELECT COUNT() FROM Account")
    stolen = vault.read(orgs[0], OrgSecret.Kind.ACCESS_TOKEN)
    began = time.monotonic()
    client.post("/accounts/login/", {"username": "ada", "password": PASSWORD})
    listed = client.get("/connections/").content.decode()
    assert all(each.name in listed for each in orgs)
    used = client.get(f"/api/v1/connections/{orgs[0].pk}/api-usage/").json()
    assert used
    assert client.get(f"/connections/{orgs[0].pk}/").status_code == 200
    client.post("/connections/revoke-all/", {"confirm": "revoke all"})
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.FIELD_ENCRYPTION_KEYS]
    call_command("rotate_vault")
    assert time.monotonic() - began < 60
    assert not SalesforceOrg.objects.exclude(state="disconnected").exists()
    assert not OrgSecret.objects.filter(kind__in=["access_token", "refresh_token"]).exists()
    answer = requests.get(
        f"{demo_org.url}/services/data/v65.0/limits", headers={"Authorization": f"Bearer {stolen}"}, timeout=10
    )
    assert answer.status_code == 401, "the stolen token is dead at Salesforce"
    trail = list(AuditEntry.objects.values_list("action", flat=True))
    assert {"connection.authorized", "login.succeeded", "connection.all_revoked", "vault.rotated"} <= set(trail)
    assert client.get("/admin/integrations/auditentry/").status_code == 200
    assert audit.verify().holds


def test_s_097_every_package_is_locked_by_hash():
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    loose = []
    for package in lock["package"]:
        if "virtual" in package.get("source", {}):
            continue  # ourselves
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        if (
            not files
            or any(not file.get("hash", "").startswith("sha256:") for file in files)
            or "registry" not in package["source"]
        ):
            loose.append(package["name"])
    assert not loose
    assert len(lock["package"]) > 50
    script = (ROOT / "run").read_text()
    assert '"--frozen"' in script, "installations take the lock as it is"


def test_s_097_every_package_we_name_is_in_the_lock():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = {package["name"] for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    named = {line.split(">")[0].split("[")[0].split("=")[0].strip().lower() for line in project["dependencies"]}
    assert named <= locked
