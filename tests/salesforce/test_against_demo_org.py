"""The wire against a real server that behaves like Salesforce, over HTTP."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from integrations.salesforce import bulk, composite, describe, limits, loads, login, reports, rest, soql
from integrations.salesforce import errors as e
from integrations.salesforce.client import Client, Grant, Retry
from integrations.salesforce.login import Wire
from integrations.salesforce.simple import simple_salesforce

CALLBACK = "http://localhost:9/callback"
QUICK = Retry(tries=5, first_wait=0.001, longest_wait=0.01, sleep=lambda seconds: None)


def jwt_login(org, username):
    app = next(item for item in org.info()["oauth_clients"] if item.get("private_key"))
    return login.jwt_bearer(
        org.url, client_id=app["client_id"], private_key=app["private_key"], username=username, demo_origin=org.url
    )


class AssertedTokens:
    """Tokens of the integration user: a refresh is a new JWT login."""

    def __init__(self, org) -> None:
        self.org, self.refreshed = org, 0
        self.username = org.user("Integration")["username"]
        self.grant = self.log_in()

    def log_in(self) -> Grant:
        answer = jwt_login(self.org, self.username)
        return Grant(answer.access_token, answer.instance_url)

    def current(self) -> Grant:
        return self.grant

    def refresh(self, rejected: Grant) -> Grant:
        self.refreshed += 1
        self.grant = self.log_in()
        return self.grant


@pytest.fixture
def org_tokens(demo_org):
    return AssertedTokens(demo_org)


@pytest.fixture
def org(demo_org, org_tokens, calls):
    with Client(org_tokens, demo_origin=demo_org.url, retry=QUICK, on_call=calls.append) as client:
        yield client


def approve(org, app, verifier, scope=login.API_SCOPE):
    """What a person does in the browser: sign in, allow; the code that comes to the callback."""
    user = org.user("Administrator")
    url = login.authorize_url(
        org.url,
        client_id=app["client_id"],
        redirect_uri=CALLBACK,
        state="state-1",
        code_challenge=login.challenge_of(verifier),
        scope=scope,
        demo_origin=org.url,
    )
    browser = requests.Session()
    browser.trust_env = False
    page = browser.get(url, timeout=10)
    for _ in range(4):
        form = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page.text))
        form = {name: value.replace("&amp;", "&").replace("&#x27;", "'") for name, value in form.items()}
        form |= (
            {"action": "login", "username": user["username"], "pw": user["password"]}
            if 'name="pw"' in page.text
            else {"action": "allow"}
        )
        page = browser.post(f"{org.url}/services/oauth2/authorize", data=form, timeout=10, allow_redirects=False)
        while page.is_redirect and not page.headers["Location"].startswith(CALLBACK):
            page = browser.get(requests.compat.urljoin(org.url, page.headers["Location"]), timeout=10, allow_redirects=False)
        if page.is_redirect:
            answer = {name: values[0] for name, values in parse_qs(urlsplit(page.headers["Location"]).query).items()}
            assert answer["state"] == "state-1"
            return answer["code"]
    raise AssertionError(f"no code came: {page.status_code} {page.text[:500]}")


def exchange(org, *, verifier=None, wrong=""):
    app = org.client("authorization_code")
    verifier = verifier or login.new_verifier()
    code = approve(org, app, verifier)
    return login.exchange_code(
        org.url,
        client_id=app["client_id"],
        client_secret=wrong or app["client_secret"],
        code=code,
        redirect_uri=CALLBACK,
        code_verifier=verifier,
        demo_origin=org.url,
    )


# --- signing in ---


def test_s_010_web_flow_with_pkce(demo_org):
    demo_org.settings(require_pkce=True)
    answer = exchange(demo_org)
    assert answer.instance_url == demo_org.url
    assert answer.org_id == demo_org.info()["org_id"]
    assert {"api", "refresh_token", "id"} <= answer.scopes
    assert answer.refresh_token
    assert abs(datetime.now(UTC) - answer.issued_at) < timedelta(days=1)
    who = login.read_identity(
        answer.identity_url, access_token=answer.access_token, instance_url=answer.instance_url, demo_origin=demo_org.url
    )
    assert who["username"] == demo_org.user("Administrator")["username"]
    assert who["user_id"] == answer.user_id


def test_s_010_code_with_another_verifier_is_refused(demo_org):
    app = demo_org.client("authorization_code")
    code = approve(demo_org, app, login.new_verifier())
    with pytest.raises(e.AuthError):
        login.exchange_code(
            demo_org.url,
            client_id=app["client_id"],
            client_secret=app["client_secret"],
            code=code,
            redirect_uri=CALLBACK,
            code_verifier=login.new_verifier(),
            demo_origin=demo_org.url,
        )


def refreshed(org, token, secret=""):
    app = org.client("authorization_code")
    return login.refresh_token(
        org.url,
        client_id=app["client_id"],
        client_secret=secret or app["client_secret"],
        refresh_token=token,
        demo_origin=org.url,
    )


def test_r_006_i_16_refresh_without_and_with_rotation(demo_org):
    first = exchange(demo_org)
    plain = refreshed(demo_org, first.refresh_token)
    assert plain.refresh_token is None
    assert plain.access_token
    demo_org.settings(rotation=True)
    rotated = refreshed(demo_org, first.refresh_token)
    assert rotated.refresh_token not in (None, first.refresh_token)
    with pytest.raises(e.ReauthorizationRequired):
        refreshed(demo_org, first.refresh_token)


def test_r_001_r_008_revoked_grant_and_wrong_secret_are_told_apart(demo_org):
    first = exchange(demo_org)
    with pytest.raises(e.AppRejected):
        refreshed(demo_org, first.refresh_token, secret="wrong")
    login.revoke(demo_org.url, token=first.refresh_token, demo_origin=demo_org.url)
    with pytest.raises(e.ReauthorizationRequired):
        refreshed(demo_org, first.refresh_token)
    login.revoke(demo_org.url, token=first.refresh_token, demo_origin=demo_org.url)


def test_r_007_token_endpoint_that_recovers(demo_org):
    first = exchange(demo_org)
    demo_org.fault(path="/services/oauth2/token", status=503, times=2, body="down")
    app = demo_org.client("authorization_code")
    answer = login.refresh_token(
        demo_org.url,
        client_id=app["client_id"],
        client_secret=app["client_secret"],
        refresh_token=first.refresh_token,
        wire=Wire(retry=Retry(tries=3, sleep=lambda seconds: None)),
        demo_origin=demo_org.url,
    )
    assert answer.access_token


def test_jwt_bearer(demo_org):
    user = demo_org.user("Integration")
    answer = jwt_login(demo_org, user["username"])
    assert answer.access_token.startswith("00D")
    assert (answer.refresh_token, answer.user_id) == (None, user["user_id"])
    with pytest.raises(e.AuthError):
        jwt_login(demo_org, "nobody@x.example")


def test_client_credentials(demo_org):
    app = demo_org.client("client_credentials")
    given = {"client_id": app["client_id"], "client_secret": app["client_secret"]}
    answer = login.client_credentials(demo_org.url, **given, demo_origin=demo_org.url)
    assert answer.access_token.startswith("00D")
    assert answer.refresh_token is None
    with pytest.raises(e.AppRejected):
        login.client_credentials(demo_org.url, **given | {"client_secret": "wrong"}, demo_origin=demo_org.url)


def test_bw_21_soap_login_and_its_refusals(demo_org):
    user = demo_org.user("Administrator")
    given = {"username": user["username"], "password": user["password"], "security_token": user["security_token"]}
    answer = login.soap_login(demo_org.url, **given, demo_origin=demo_org.url)
    assert answer.instance_url == demo_org.url
    assert answer.user_id == user["user_id"]
    with Client(FixedTokens(answer), demo_origin=demo_org.url, retry=QUICK) as client:
        assert client.query_all("SELECT Id FROM Organization")
    with pytest.raises(e.LoginRefused):
        login.soap_login(demo_org.url, **given | {"password": "wrong"}, demo_origin=demo_org.url)
    demo_org.settings(soap_login_enabled=False)
    with pytest.raises(e.ApiDisabled):
        login.soap_login(demo_org.url, **given, demo_origin=demo_org.url)


class FixedTokens:
    def __init__(self, answer) -> None:
        self.grant = Grant(answer.access_token, answer.instance_url)

    def current(self) -> Grant:
        return self.grant

    def refresh(self, rejected: Grant) -> Grant:
        raise e.ReauthorizationRequired("no refresh here", code="invalid_grant")


# --- reading ---


def test_query_over_pages_describe_limits_and_versions(org, demo_org):
    demo_org.settings(query_page_size=200)
    total = org.count("SELECT COUNT() FROM Contact")
    assert total > 400
    seen = [record["Id"] for record in org.query("SELECT Id, Name FROM Contact")]
    assert len(seen) == len(set(seen)) == total
    assert len(demo_org.calls("/query")) >= 3
    account = describe.read_object(org.describe("Account"))
    assert account.field("Name").is_required
    assert account.key_prefix == "001"
    assert {item["name"] for item in org.list_objects()} >= {"Account", "Contact", "Opportunity", "Report"}
    assert any(item["version"] == "65.0" for item in org.versions())
    assert limits.read_limits(org.limits())[limits.DAILY_REQUESTS].max > 0
    assert org.api_usage.limit > org.api_usage.used > 0


def test_r_002_session_over_between_pages_loses_nothing(org, org_tokens, demo_org):
    demo_org.settings(query_page_size=200)
    total = org.count("SELECT COUNT() FROM Contact")
    seen = []
    for record in org.query("SELECT Id FROM Contact"):
        if len(seen) == 200:
            demo_org.fault(path="/query/", action="expire_token")
        seen.append(record["Id"])
    assert len(seen) == len(set(seen)) == total
    assert org_tokens.refreshed == 1


def test_r_031_cut_answer_is_asked_again(org, demo_org):
    demo_org.fault(path="/query", cut=40)
    assert len(org.query_all("SELECT Id FROM Account LIMIT 3")) == 3


def test_r_058_daily_limit_is_named(org, demo_org):
    demo_org.fault(path="/query", action="daily_limit")
    with pytest.raises(e.DailyLimitReached):
        org.query_all("SELECT Id FROM Account LIMIT 1")


def test_r_062_maintenance_page_is_unavailable(org, demo_org):
    demo_org.fault(path="/limits", action="maintenance", times=5)
    with pytest.raises(e.UpstreamUnavailable):
        org.limits()


def test_r_053_r_056_hidden_field_and_unknown_object_are_named(org):
    with pytest.raises(e.InvalidField) as refusal:
        org.query_all("SELECT Id, Nope__c FROM Account")
    assert refusal.value.fields == ("Nope__c",)
    with pytest.raises(e.InvalidType):
        org.query_all("SELECT Id FROM Nope__c")
    with pytest.raises(e.MalformedQuery):
        org.query_all("SELECT FROM Account")
    with pytest.raises(e.NotFound):
        rest.read_record(org, "Account", "001000000000000AAA")


def test_r_014_retired_version_is_named(org_tokens, demo_org):
    with (
        Client(org_tokens, api_version="20.0", demo_origin=demo_org.url, retry=QUICK) as client,
        pytest.raises(e.VersionRetired),
    ):
        client.limits()


def admin_tokens(org):
    user = org.user("Administrator")
    given = {"username": user["username"], "password": user["password"], "security_token": user["security_token"]}
    return FixedTokens(login.soap_login(org.url, **given, demo_origin=org.url))


@pytest.fixture
def admin(demo_org):
    with Client(admin_tokens(demo_org), demo_origin=demo_org.url, retry=QUICK) as client:
        yield client


AWKWARD = ["x' OR Name LIKE '%", "50%_off", 'a "quoted" \\ name', "Ünïcode 😀 & sons", "O'Brien, (x)"]


def test_s_030_s_032_values_stay_values(admin):
    plain = {"BillingCity": "Quoting Town"}
    saved = [
        row for batch in composite.insert_rows(admin, "Account", [{"Name": name, **plain} for name in AWKWARD]) for row in batch
    ]
    assert all(row.success for row in saved)
    for name in AWKWARD:
        where = [soql.equals("BillingCity", "Quoting Town")]
        exact = admin.query_all(soql.select("Account", ["Name"], where=[*where, soql.equals("Name", name)]))
        assert [record["Name"] for record in exact] == [name]
        inside = admin.query_all(soql.select("Account", ["Name"], where=[*where, soql.contains("Name", name[1:-1])]))
        assert [record["Name"] for record in inside] == [name]
    assert admin.query_all(
        soql.select("Account", ["Id"], where=[soql.equals("BillingCity", "Quoting Town"), soql.contains("Name", "%")])
    )
    many = list(soql.selects("Account", ["Name"], key="Name", values=AWKWARD))
    assert {record["Name"] for query in many for record in admin.query(query)} >= set(AWKWARD)


# --- writing ---


def test_one_record_from_create_to_delete(admin):
    values = {"Name": "Wire Test", "StageName": "Prospecting", "CloseDate": "2030-01-01", "Amount": Decimal("1234.56")}
    created = rest.create_record(admin, "Opportunity", values)
    assert created.success
    record = rest.read_record(admin, "Opportunity", created.id, fields=["Name", "Amount"])
    assert record["Amount"] == Decimal("1234.56")
    rest.update_record(admin, "Opportunity", created.id, {"Amount": None})
    assert rest.read_record(admin, "Opportunity", created.id, fields=["Amount"])["Amount"] is None
    rest.delete_record(admin, "Opportunity", created.id)
    with pytest.raises(e.NotFound):
        rest.delete_record(admin, "Opportunity", created.id)
    with pytest.raises(e.RowRefused) as refusal:
        rest.create_record(admin, "Account", {})
    assert refusal.value.code == "REQUIRED_FIELD_MISSING"


def key_of(client):
    """Some object with a writable text external id, and a required field to fill."""
    for name in ("Account", "Contact", "Opportunity"):
        info = describe.read_object(client.describe(name))
        for item in info.external_ids:
            if item.type == "string" and item.is_writable and item.external_id:
                return name, item.name
    pytest.skip("this demo org has no text external id on a standard object")
    raise AssertionError


def body_of(name, number):
    more = {"Account": {"Name": f"Load {number}"}, "Contact": {"LastName": f"Load {number}"}}
    return more.get(name) or {"Name": f"Load {number}", "StageName": "Prospecting", "CloseDate": "2030-01-01"}


@pytest.mark.parametrize("key", ["a/b?c#d", "50% & more", "o'brien + co", "ключ 💥", "..", "a%2Fb"])
def test_r_121_external_ids_of_any_form_by_rest(admin, key):
    name, field = key_of(admin)
    first = rest.upsert_record(admin, name, field, key, body_of(name, 1))
    second = rest.upsert_record(admin, name, field, key, body_of(name, 2))
    assert first.created
    assert not second.created
    assert admin.query_all(soql.select(name, ["Id", field], where=[soql.equals(field, key)]))[0][field] == key


def test_collections_answer_row_by_row(admin):
    name, field = key_of(admin)
    rows = [{field: f"wire-{number}", **body_of(name, number)} for number in range(250)]
    rows[3] = {field: "wire-bad", "Nope__c": 1} if name == "Account" else {field: "wire-bad"}
    answers = [row for batch in composite.upsert_rows(admin, name, field, rows) for row in batch]
    assert len(answers) == 250
    assert [number for number, row in enumerate(answers) if not row.success] == [3]
    assert answers[3].error.code
    again = [row for batch in composite.upsert_rows(admin, name, field, rows[10:20]) for row in batch]
    assert {row.created for row in again} == {False}
    gone = [row for batch in composite.delete_rows(admin, [row.id for row in again]) for row in batch]
    assert all(row.success for row in gone)


def test_r_132_lock_that_passes_is_retried(admin, demo_org):
    record = admin.query_all("SELECT Id FROM Account LIMIT 1")[0]
    demo_org.fault(path="/sobjects/Account/", action="lock_row")
    rest.update_record(admin, "Account", record["Id"], {"Description": "locked once"})
    assert rest.read_record(admin, "Account", record["Id"], fields=["Description"])["Description"] == "locked once"


# --- bulk ---


def test_bulk_query_in_pages_and_in_parallel(org, demo_org, tmp_path):
    total = org.count("SELECT COUNT() FROM Contact")
    job = bulk.wait_for(org, bulk.start_query(org, "SELECT Id, Name, Account.Name FROM Contact"), seconds=20, first=0.02)
    assert job.state == "JobComplete", job.message
    assert job.processed == total
    assert bulk.download(org, job, tmp_path / "turns.csv", page_rows=100) == total
    demo_org.settings(bulk_page_rows=100)
    assert bulk.download(org, job, tmp_path / "parallel.csv", threads=3) == total
    rows = list(bulk.read_rows(tmp_path / "turns.csv"))
    assert rows == list(bulk.read_rows(tmp_path / "parallel.csv"))
    assert list(rows[0]) == ["Id", "Name", "Account.Name"]
    assert len({row["Id"] for row in rows}) == total
    bulk.delete_job(org, job)
    with pytest.raises(e.NotFound):
        bulk.read_job(org, "query", job.id)


def test_r_031_cut_bulk_page_is_asked_again(org, demo_org, tmp_path):
    job = bulk.wait_for(org, bulk.start_query(org, "SELECT Id, Name FROM Account"), seconds=20, first=0.02)
    demo_org.fault(path="/results", cut=100)
    assert bulk.download(org, job, tmp_path / "x.csv") == job.processed


def test_r_039_empty_bulk_result(org, tmp_path):
    job = bulk.wait_for(
        org, bulk.start_query(org, "SELECT Id FROM Account WHERE Name = 'nobody at all'"), seconds=20, first=0.02
    )
    assert bulk.download(org, job, tmp_path / "x.csv") == 0


def test_r_130_r_142_r_144_bulk_load_answers_every_row(admin, tmp_path):
    name, field = key_of(admin)
    texts = ['line\nbreak, "quoted"', "=1+1", "  x", "😀"]
    rows = [{field: f"load-{number}", **body_of(name, number), "Description": texts[number % 4]} for number in range(40)]
    rows[7] = {field: "load-bad"}
    columns = list(dict.fromkeys(column for row in rows for column in row))
    job = loads.create_load(admin, name, "upsert", key_field=field)
    assert job.state == "Open"
    with (tmp_path / "load.csv").open("w+b") as file:
        loads.write_load(rows, columns, file)
        file.seek(0)
        loads.upload(admin, job, file)
    loads.complete(admin, job)
    done = bulk.wait_for(admin, job, seconds=20, first=0.02)
    assert done.state == "JobComplete", done.message
    answers = list(loads.read_answers(admin, done))
    assert len(answers) == 40
    refused = [item for item in answers if item.outcome == "failed"]
    assert [item.row[field] for item in refused] == ["load-bad"]
    assert refused[0].error.code == "REQUIRED_FIELD_MISSING"
    where = [soql.starts_with(field, "load-")]
    stored = {
        record[field]: record["Description"] for record in admin.query(soql.select(name, [field, "Description"], where=where))
    }
    assert {key: text.strip() for key, text in stored.items()} == {
        row[field]: row["Description"].strip() for row in rows if "Description" in row
    }


# --- reports ---


def test_bw_28_search_describe_and_run_a_report(org, demo_org):
    page = reports.search_reports(org, "")
    assert page.total >= len(page.reports) > 0
    name = page.reports[0].name
    found = reports.search_reports(org, name[1:].upper())
    assert name in [item.name for item in found.reports]
    assert reports.search_reports(org, "no such report %").total == 0
    runnable = next(item for item in page.reports if item.format == "SUMMARY")
    metadata = reports.describe_report(org, runnable.id)["reportMetadata"]
    facts = reports.run_report(org, runnable.id)
    assert len(facts["factMap"]["T!T"]["aggregates"]) == len(metadata["aggregates"])
    instance = reports.start_report(org, runnable.id)
    for _ in range(100):
        data = reports.read_instance(org, runnable.id, instance)
        if reports.instance_state(data) == "Success":
            break
    assert data["factMap"]["T!T"]["aggregates"] == facts["factMap"]["T!T"]["aggregates"]


def test_r_210_unknown_report_is_not_found(org):
    with pytest.raises(e.NotFound):
        reports.run_report(org, "00O000000000001")


# --- simple-salesforce on our door ---


def test_simple_salesforce_works_against_plain_http(org, org_tokens, demo_org):
    sf = simple_salesforce(org)
    assert sf.query("SELECT Id FROM Account LIMIT 1")["totalSize"] >= 1
    demo_org.fault(path="/describe", action="expire_token")
    assert sf.Account.describe()["name"] == "Account"
    assert org_tokens.refreshed == 1


# --- the ledger ---


def test_i_18_our_count_agrees_with_the_limit_header(org, calls, demo_org):
    org.limits()
    before, already = org.api_usage.used, len([call for call in calls if call.counts])
    for _ in range(5):
        org.query_all("SELECT Id FROM Account LIMIT 1")
    org.versions()
    assert org.api_usage.used - before == len([call for call in calls if call.counts]) - already == 5
