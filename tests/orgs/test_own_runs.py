"""Runs of a domain's jobs in the hands of the domain's admins, by page and API; those of others stay closed."""

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from integrations.access import DOMAIN_GROUPS, GROUPS
from integrations.models import ApiKey, AuditEntry, Run, SalesforceOrg
from integrations.sync import jobs

pytestmark = pytest.mark.django_db
JSON = {"content_type": "application/json"}
OURS, THEIRS, NOBODYS = "test.billing", "test.product", "test.mirror"


@pytest.fixture
def org() -> SalesforceOrg:
    return SalesforceOrg.objects.create(name="Acme org", state="connected")


@pytest.fixture(autouse=True)
def known_jobs(monkeypatch) -> None:
    made = {
        name: jobs.Job(name, name, domain, lambda recorder: None)
        for name, domain in ((OURS, "billing"), (THEIRS, "product"), (NOBODYS, "mirror"))
    }
    monkeypatch.setattr(jobs, "_jobs", made)


@pytest.fixture
def bela() -> User:
    user = User.objects.create_user("bela")
    user.groups.add(Group.objects.get_or_create(name=DOMAIN_GROUPS["billing"])[0])
    return user


def run(org: SalesforceOrg, job: str, state: str = "failed") -> Run:
    return Run.objects.create(job=job, domain=jobs.get(job).domain, org=org, state=state, queued_at=timezone.now())


def by_key(user: User) -> dict:
    _, secret = ApiKey.objects.create_key(name="k", owner=user, scopes=["runs:read", "runs:write"])
    return {"headers": {"Authorization": f"Api-Key {secret}"}, **JSON}


def test_an_admin_of_a_domain_sees_and_retries_its_runs_on_the_pages(client, org, bela):
    ours, theirs = run(org, OURS), run(org, THEIRS)
    client.force_login(bela)
    listed = client.get("/runs/").content.decode()
    assert f"/runs/{ours.pk}/" in listed
    assert f"/runs/{theirs.pk}/" not in listed
    assert f'value="{OURS}"' in listed
    assert f'<option value="{THEIRS}">' not in listed.partition('id="start-run"')[2].partition("</form>")[0]
    page = client.get(f"/runs/{ours.pk}/").content.decode()
    assert f"/runs/{ours.pk}/retry/" in page
    assert client.post(f"/runs/{ours.pk}/retry/").status_code == 302
    assert Run.objects.filter(job=OURS).count() == 2
    assert AuditEntry.objects.get(action="run.retried").actor == bela


def test_runs_of_others_cannot_be_seen_cancelled_or_retried(client, org, bela):
    client.force_login(bela)
    for job in (THEIRS, NOBODYS):
        other = run(org, job, "queued")
        for path in ("", "progress/", "rows.csv"):
            assert client.get(f"/runs/{other.pk}/{path}").status_code == 404, path
        for verb in ("cancel", "retry", "retry-rows"):
            assert client.post(f"/runs/{other.pk}/{verb}/").status_code == 404, verb
            assert client.post(f"/api/v1/runs/{other.pk}/{verb}/", **by_key(bela)).status_code == 404, verb
        assert client.post("/runs/start/", {"job": job, "org": org.pk}).status_code == 403
        assert client.post("/api/v1/runs/", {"job": job, "org": org.pk}, **by_key(bela)).status_code == 403
        other.refresh_from_db()
        assert (other.state, other.cancel_requested) == ("queued", False)
    assert Run.objects.count() == 2


def test_who_reads_all_runs_still_acts_on_their_own_only(client, org, bela):
    bela.groups.add(Group.objects.get_or_create(name=GROUPS["analyst"])[0])
    ours, theirs = run(org, OURS, "queued"), run(org, THEIRS, "queued")
    client.force_login(bela)
    assert "/cancel/" in client.get(f"/runs/{ours.pk}/").content.decode()
    assert "/cancel/" not in client.get(f"/runs/{theirs.pk}/").content.decode()
    assert client.post(f"/runs/{theirs.pk}/cancel/").status_code == 403
    refused = client.post(f"/api/v1/runs/{theirs.pk}/cancel/", **by_key(bela))
    assert "an admin of product experience" in refused.json()["error"]["message"]
    assert client.post(f"/api/v1/runs/{ours.pk}/cancel/", **by_key(bela)).status_code == 200
    ours.refresh_from_db()
    assert ours.state == "cancelled" or ours.cancel_requested


def test_the_api_lists_own_runs_and_starts_own_jobs(client, org, bela):
    ours = run(org, OURS)
    run(org, THEIRS)
    key = by_key(bela)
    assert [each["id"] for each in client.get("/api/v1/runs/", **key).json()["results"]] == [ours.pk]
    assert client.get("/api/v1/runs/?domain=product", **key).json()["count"] == 0
    assert client.post("/api/v1/runs/", {"job": OURS, "org": org.pk}, **key).status_code == 202


def test_members_viewers_and_admins_who_became_viewers_act_on_nothing(client, org, bela, cast):
    ours = run(org, OURS, "queued")
    client.force_login(cast.marsha)
    assert client.get("/runs/").status_code == 403
    bela.groups.add(Group.objects.get_or_create(name=GROUPS["viewer"])[0])
    client.force_login(bela)
    assert client.get(f"/runs/{ours.pk}/").status_code == 200
    assert client.post(f"/runs/{ours.pk}/cancel/").status_code == 403
