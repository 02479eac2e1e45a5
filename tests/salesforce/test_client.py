"""The one door: refresh once, retry by meaning, keep tokens at home, stop loops."""

import io
import itertools
import json
import threading
import time
from decimal import Decimal

import pytest

from integrations.salesforce import errors as e
from integrations.salesforce.client import Client, Deadlines, Grant, Retry
from integrations.salesforce.transport import ApiUsage, dump_json, kind_of, parse_json, shown_path
from tests.salesforce.conftest import HeldTokens
from tests.salesforce.server import FaultServer, Told

EXPIRED = Told(401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}])
BROKEN = Told(500, [{"message": "An unexpected error occurred.", "errorCode": "UNKNOWN_EXCEPTION"}])
LOCKED = Told(400, [{"message": "unable to obtain exclusive access to this record", "errorCode": "UNABLE_TO_LOCK_ROW"}])


def rows(*names, next_path=""):
    page = {
        "totalSize": 4,
        "done": not next_path,
        "records": [{"attributes": {"type": "Account"}, "Name": name} for name in names],
    }
    return Told(data=page | ({"nextRecordsUrl": next_path} if next_path else {}))


# --- the session ---


def test_r_002_session_over_on_page_two_is_refreshed_once_and_asked_again(server, client, tokens):
    server.tell("/query", rows("a", "b", next_path="/services/data/v65.0/query/01gX-2000"))
    server.tell("/query/01gX-2000", EXPIRED, rows("c", "d"))
    assert [record["Name"] for record in client.query("SELECT Name FROM Account")] == ["a", "b", "c", "d"]
    assert len(tokens.refreshes) == 1
    assert tokens.refreshes[0].access_token == "T1"
    assert [item.headers["Authorization"] for item in server.seen] == ["Bearer T1", "Bearer T1", "Bearer T2"]


def test_r_002_refresh_never_loops(server, client, tokens):
    server.tell("/limits", EXPIRED)
    with pytest.raises(e.ReauthorizationRequired) as refusal:
        client.limits()
    assert len(tokens.refreshes) == 1
    assert len(server.seen) == 2
    assert refusal.value.verdict is e.Verdict.REAUTHORIZE


def test_r_003_token_of_another_worker_is_tried_when_ours_is_refused_too(server, client, tokens):
    server.tell("/limits", EXPIRED, EXPIRED, Told(data={}))
    refresh, seen = tokens.refresh, []

    def refresh_and_lose(rejected):
        ours = refresh(rejected)
        tokens.grant = Grant("T9", server.url)  # somebody refreshed after us, which killed ours
        seen.append(ours)
        return ours

    tokens.refresh = refresh_and_lose
    assert client.limits() == {}
    assert [item.headers["Authorization"] for item in server.seen] == ["Bearer T1", "Bearer T2", "Bearer T9"]
    assert len(seen) == 1


def test_r_001_revoked_grant_comes_out_as_the_refresher_says(server, client, tokens):
    server.tell("/limits", EXPIRED)

    def refuse(rejected):
        raise e.ReauthorizationRequired("expired access/refresh token", code="invalid_grant", status=400)

    tokens.refresh = refuse
    with pytest.raises(e.ReauthorizationRequired, match="expired access/refresh token"):
        client.limits()
    assert len(server.seen) == 1


def test_a_403_is_never_read_as_an_expired_token(server, client, tokens):
    server.tell("/limits", Told(403, [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]))
    with pytest.raises(e.DailyLimitReached):
        client.limits()
    assert tokens.refreshes == []
    assert len(server.seen) == 1


def test_r_012_calls_follow_the_instance_url_of_the_newest_grant(server, client, tokens):
    other = FaultServer()
    try:
        server.tell("/limits", EXPIRED)
        tokens.refresh = lambda rejected: Grant("T2", other.url)
        with pytest.raises(e.UnexpectedAnswer, match="not a Salesforce address"):
            client.limits()
        assert other.seen == []
    finally:
        other.close()


def test_r_003_threads_of_one_client_refresh_once(server, client, tokens):
    ready = threading.Barrier(4)

    def answer(path):
        fresh = server.seen[-1].headers["Authorization"] != "Bearer T1"
        return Told(data={}) if fresh else EXPIRED

    server.next_answer = answer
    slow = tokens.refresh

    def refresh(rejected):
        time.sleep(0.05)
        return slow(rejected)

    tokens.refresh = refresh

    def work():
        ready.wait()
        done.append(client.limits())

    done = []
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert done == [{}] * 4
    assert len(tokens.refreshes) == 1


# --- retries ---


def test_r_030_page_that_fails_twice_is_asked_again(server, client, naps):
    server.tell("/query", rows("a", next_path="/services/data/v65.0/query/01gX-1"))
    server.tell("/query/01gX-1", BROKEN, BROKEN, rows("b"))
    assert [record["Name"] for record in client.query("SELECT Name FROM Account")] == ["a", "b"]
    assert len(naps.seconds) == 2
    assert naps.seconds[0] < naps.seconds[1] < 3


def test_r_061_retry_after_is_honored_with_jitter_and_at_most_five_tries(server, client, naps):
    server.tell("/limits", Told(503, raw=b"", headers={"Retry-After": "30"}))
    with pytest.raises(e.UpstreamUnavailable) as refusal:
        client.limits()
    assert len(server.seen) == 5
    assert len(naps.seconds) == 4
    assert all(30 <= pause <= 40 for pause in naps.seconds)
    assert len(set(naps.seconds)) > 1
    assert refusal.value.retry_after == 30


def test_r_061_429_is_retried_and_then_succeeds(server, client, naps):
    server.tell("/limits", Told(429, raw=b"", headers={"Retry-After": "1"}), Told(data={"ok": 1}))
    assert client.limits() == {"ok": 1}
    assert 1 <= naps.seconds[0] < 2


def test_a_long_retry_after_does_not_hold_the_worker(server, client, naps):
    server.tell("/limits", Told(503, raw=b"", headers={"Retry-After": "3600"}))
    with pytest.raises(e.UpstreamUnavailable) as refusal:
        client.limits()
    assert naps.seconds == []
    assert refusal.value.retry_after == 3600


def test_i_09_retries_end_when_their_total_time_is_over(server, tokens, naps):
    with Client(
        tokens, demo_origin=server.url, retry=Retry(tries=100, first_wait=10, longest_wait=10, total=35, sleep=naps)
    ) as client:
        server.tell("/limits", BROKEN)
        with pytest.raises(e.UpstreamUnavailable):
            client.limits()
    assert 3 <= len(server.seen) <= 5


def test_locked_row_and_concurrent_limit_are_retried_but_refused_rows_are_not(server, client):
    server.tell("/sobjects/Account/", LOCKED, Told(204))
    client.request("PATCH", "sobjects/Account/0014S000007NxmlQAC", json={"Name": "x"})
    assert len(server.seen) == 2
    server.tell("/sobjects/Contact/", Told(400, [{"message": "x", "errorCode": "REQUIRED_FIELD_MISSING"}]))
    with pytest.raises(e.RowRefused):
        client.request("PATCH", "sobjects/Contact/0034S000007NxmlQAC", json={"Name": "x"})
    assert len(server.seen) == 3


@pytest.mark.parametrize("trouble", [BROKEN, Told(data={"id": "x"}, cut=3), Told(data={}, delay=0.8), Told(hang_up=True)])
def test_i_04_create_without_key_is_not_sent_twice_when_it_may_have_worked(server, client, trouble):
    server.tell("/sobjects/Account", trouble, Told(201, {"id": "0014S000007NxmlQAC", "success": True, "errors": []}))
    with pytest.raises(e.UpstreamUnavailable) as refusal:
        client.request("POST", "sobjects/Account", json={"Name": "x"})
    assert refusal.value.maybe_done
    assert len(server.requests("/sobjects/Account")) == 1


def test_create_that_certainly_did_not_happen_is_sent_again(server, client):
    server.tell("/sobjects/Account", LOCKED, Told(503, raw=b""), Told(201, {"id": "x"}))
    assert client.request("POST", "sobjects/Account", json={"Name": "x"}).data == {"id": "x"}
    assert len(server.seen) == 3


def test_post_declared_repeatable_is_sent_again(server, client):
    server.tell("/composite", BROKEN, Told(data=[]))
    assert client.request("POST", "composite", json={}, retry=True).data == []
    server.tell("/composite", BROKEN, Told(data=[]))
    with pytest.raises(e.UpstreamUnavailable):
        client.request("GET", "composite", retry=False)


# --- broken connections ---


@pytest.mark.parametrize("chunked", [False, True])
def test_r_031_cut_body_is_discarded_and_asked_again(server, client, chunked):
    whole = {"totalSize": 1, "done": True, "records": [{"Name": "a" * 1000}]}
    server.tell("/query", Told(data=whole, cut=500, chunked=chunked), Told(data=whole))
    assert [record["Name"] for record in client.query("SELECT Name FROM Account")] == ["a" * 1000]
    assert len(server.seen) == 2


def test_r_031_body_that_is_cut_json_but_ends_properly_is_asked_again(server, client):
    cut = Told(raw=b'{"totalSize":1,"done":true,"rec', headers={"Content-Type": "application/json;charset=UTF-8"})
    server.tell("/query", cut, rows("a"))
    assert [record["Name"] for record in client.query("SELECT Name FROM Account")] == ["a"]


def test_web_page_instead_of_data_is_asked_again_and_then_named(server, client):
    server.tell("/limits", Told(raw=b"<html>login</html>", headers={"Content-Type": "text/html; charset=UTF-8"}))
    with pytest.raises(e.UnexpectedAnswer, match="web page"):
        client.limits()
    assert len(server.seen) == 5


def test_r_066_silent_peer_meets_the_read_deadline(server, tokens, naps):
    server.tell("/limits", Told(data={}, delay=1.0), Told(data={"ok": 1}))
    quick = Deadlines(connect=0.5, read=0.15, overall=1)
    with Client(tokens, demo_origin=server.url, deadlines=quick, retry=Retry(sleep=naps)) as client:
        assert client.limits() == {"ok": 1}
    assert Deadlines().connect == 5
    assert Deadlines().read == 60


@pytest.mark.parametrize("told", [Told(data={"x": "y" * 3000}, drip=0.02), Told(drip_headers=0.1)])
def test_i_09_dripping_peer_meets_the_overall_deadline(server, tokens, naps, told):
    server.tell("/limits", told)
    quick = Deadlines(connect=0.5, read=1, overall=0.2)
    client = Client(tokens, demo_origin=server.url, deadlines=quick, retry=Retry(tries=1, sleep=naps))
    started = time.monotonic()
    with pytest.raises(e.UpstreamUnavailable, match="too long") as refusal:
        client.limits()
    assert time.monotonic() - started < 30
    assert refusal.value.code == "TIMEOUT"


def test_deadlines_end_only_their_own_exchange(server, tokens):
    server.tell("/limits", Told(data={"x": 1}))
    with Client(tokens, demo_origin=server.url, deadlines=Deadlines(overall=0.6)) as client:
        client.limits()
        time.sleep(0.7)
        assert client.limits() == {"x": 1}
    assert {item.connection for item in server.seen} == {1}


def test_r_023_no_connection_is_unavailable_and_bounded(tokens, server, naps):
    server.close()
    client = Client(tokens, demo_origin=server.url, retry=Retry(sleep=naps))
    with pytest.raises(e.UpstreamUnavailable) as refusal:
        client.limits()
    assert refusal.value.code == "NETWORK"
    assert not refusal.value.maybe_done
    assert len(naps.seconds) == 4


def test_r_022_certificate_of_another_authority_is_refused_at_once(tmp_path, naps):
    server = tls_server(tmp_path)
    try:
        client = Client(HeldTokens(server.url), demo_origin=server.url, retry=Retry(sleep=naps))
        with pytest.raises(e.TlsRefused):
            client.limits()
        assert naps.seconds == []
        assert server.seen == []
    finally:
        server.close()


CERTIFICATES = {
    "good": {}, "expired": {"days": (-9, -1)}, "not valid yet": {"days": (1, 9)}, "another host": {"host": "login.salesforce.com"},
    "another address": {"host": "127.0.0.2"},
}  # fmt: skip


@pytest.mark.parametrize("name", CERTIFICATES)
def test_r_022_a_certificate_that_is_expired_or_of_another_host_is_refused_although_its_authority_is_trusted(
    tmp_path, naps, monkeypatch, name
):
    server = tls_server(tmp_path, **CERTIFICATES[name])
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "server.pem"))
    try:
        server.tell("/limits", Told(data={"x": 1}))
        client = Client(HeldTokens(server.url), demo_origin=server.url, retry=Retry(sleep=naps))
        if name == "good":
            assert client.limits() == {"x": 1}
            return
        with pytest.raises(e.TlsRefused):
            client.limits()
        assert naps.seconds == []
        assert server.seen == [], "the token never left"
    finally:
        server.close()


def test_r_031_tls_connection_that_is_cut_is_asked_again(tmp_path, naps, monkeypatch):
    server = tls_server(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "server.pem"))
    try:
        server.tell("/limits", Told(data={"x": "y" * 1000}, cut=10), Told(hang_up=True), Told(data={"ok": 1}))
        client = Client(HeldTokens(server.url), demo_origin=server.url, retry=Retry(sleep=naps))
        assert client.limits() == {"ok": 1}
        assert len(server.seen) == 3
    finally:
        server.close()


def test_proxies_of_the_environment_are_not_used_for_the_demo_org(server, client, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.tell("/limits", Told(data={"ok": 1}))
    assert client.limits() == {"ok": 1}


def tls_server(folder, *, host="127.0.0.1", days=(-1, 1)):
    """A server with a certificate of its own for `host`, valid within `days` from now."""
    import ipaddress
    import ssl
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    place = x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    alternative = x509.SubjectAlternativeName([place])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now + timedelta(days[0])).not_valid_after(now + timedelta(days[1]))
    builder = builder.add_extension(alternative, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = folder / "server.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_bytes(private + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    server = FaultServer()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.server.socket = context.wrap_socket(server.server.socket, server_side=True)
    server.url = server.url.replace("http:", "https:")
    return server


def test_connections_are_kept_alive(server, client):
    server.tell("/limits", Told(data={"x": 1}))
    for _ in range(5):
        client.limits()
    assert {item.connection for item in server.seen} == {1}


def test_answer_larger_than_allowed_is_refused(server, tokens, naps):
    server.tell("/limits", Told(data={"x": "y" * 5000}))
    client = Client(tokens, demo_origin=server.url, deadlines=Deadlines(largest_answer=1000), retry=Retry(sleep=naps))
    with pytest.raises(e.UnexpectedAnswer, match="larger"):
        client.limits()


# --- tokens stay home ---


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_i_15_redirects_are_not_followed_and_the_token_stays_home(server, client, tokens, status):
    other = FaultServer()
    try:
        server.tell("/limits", Told(status, headers={"Location": f"{other.url}/services/data/v65.0/limits"}))
        with pytest.raises(e.UnexpectedAnswer, match="redirected"):
            client.limits()
        assert other.seen == []
        assert len(tokens.refreshes) <= 1
    finally:
        other.close()


@pytest.mark.parametrize(
    "cursor",
    [
        "https://evil.example/services/data/v65.0/query/01g",
        "//evil.example/services/data/v65.0/query/01g",
        "@evil.example/services/data/",
        "/services/data/../../x",
        "http:/evil",
    ],
)
def test_i_15_cursor_on_another_host_is_refused(server, client, cursor):
    server.tell("/query", rows("a", next_path=cursor))
    with pytest.raises(e.UnexpectedAnswer):
        list(client.query("SELECT Name FROM Account"))
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "path",
    ["https://evil.example/x", "http://127.0.0.1:1/x", "sobjects/../../x", "sobjects/a b", "sobjects/x\r\nHost: y", "a//b"],
)
def test_i_15_paths_that_lead_elsewhere_are_refused(server, client, path):
    with pytest.raises(e.UnexpectedAnswer):
        client.request("GET", path)
    assert server.seen == []


def test_i_15_absolute_address_of_our_own_instance_is_fine(server, client):
    server.tell("/analytics", Told(data={"ok": 1}))
    assert client.get(f"{server.url}/services/data/v65.0/analytics/reports?x=1") == {"ok": 1}
    assert server.seen[0].query == {"x": ["1"]}


def test_i_15_caller_cannot_replace_the_authorization_header(server, client):
    server.tell("/limits", Told(data={}))
    client.get("limits", headers={"authorization": "Bearer stolen", "Cookie": "sid=x", "X-Kept": "yes"})
    assert server.seen[0].headers["Authorization"] == "Bearer T1"
    assert "Cookie" not in server.seen[0].headers
    assert server.seen[0].headers["X-Kept"] == "yes"


def test_cookies_and_netrc_are_not_used(server, client, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.tell("/limits", Told(data={}, headers={"Set-Cookie": "BrowserId=abc; path=/"}))
    client.limits()
    client.limits()
    assert [item.headers["Authorization"] for item in server.seen] == ["Bearer T1", "Bearer T1"]
    assert all("Cookie" not in item.headers for item in server.seen)


def test_i_14_tokens_are_not_in_addresses_or_representations(server, client, tokens):
    server.tell("/limits", Told(data={}))
    client.limits()
    assert "T1" not in server.seen[0].path + str(server.seen[0].query)
    assert "T1" not in repr(tokens.current())


# --- queries ---


def test_i_09_repeated_cursor_is_detected(server, client):
    server.tell("/query", rows("a", next_path="/services/data/v65.0/query/01gX-1"))
    server.tell("/query/01gX-1", rows("b", next_path="/services/data/v65.0/query/01gX-1"))
    with pytest.raises(e.UnexpectedAnswer, match="repeated"):
        list(itertools.islice(client.query("SELECT Name FROM Account"), 20))
    assert len(server.seen) <= 3


def test_r_034_dead_cursor_is_named_or_restarted_by_the_caller(server, client):
    dead = Told(400, [{"message": "invalid query locator", "errorCode": "INVALID_QUERY_LOCATOR"}])
    server.tell("/query", rows("a", "b", next_path="/services/data/v65.0/query/01gX-2"))
    server.tell("/query/01gX-2", dead)
    with pytest.raises(e.QueryExpired):
        list(client.query("SELECT Name FROM Account"))

    server.tell("/query", rows("a", "b", next_path="/services/data/v65.0/query/01gY-2"), rows("c"))
    server.tell("/query/01gY-2", dead)
    again = client.query(
        "SELECT Name FROM Account", restart=lambda last: f"SELECT Name FROM Account WHERE Name > '{last['Name']}'"
    )
    assert [record["Name"] for record in again] == ["a", "b", "c"]
    assert server.seen[-1].query["q"] == ["SELECT Name FROM Account WHERE Name > 'b'"]


def test_r_034_restarts_are_bounded(server, client):
    dead = Told(400, [{"message": "invalid query locator", "errorCode": "INVALID_QUERY_LOCATOR"}])
    server.tell("/query", rows("a", next_path="/services/data/v65.0/query/01gX-2"))
    server.tell("/query/01gX-2", dead)
    with pytest.raises(e.QueryExpired):
        list(client.query("SELECT Name FROM Account", restart=lambda last: "SELECT Name FROM Account"))
    assert len(server.seen) == 8


def test_query_of_an_unfinished_page_without_cursor_is_not_taken_as_complete(server, client):
    server.tell("/query", Told(data={"totalSize": 9, "done": False, "records": []}))
    with pytest.raises(e.UnexpectedAnswer):
        list(client.query("SELECT Name FROM Account"))


def test_query_too_long_for_an_address_is_refused_before_sending(server, client):
    with pytest.raises(e.TooLarge):
        client.query_all("SELECT Id FROM Account WHERE Name = '" + "é" * 4000 + "'")
    assert server.seen == []


def test_all_rows_and_batch_size(server, client):
    server.tell("/queryAll", rows("a"))
    assert len(list(client.query("SELECT Name FROM Account", all_rows=True, batch_size=200))) == 1
    assert server.seen[0].path == "/services/data/v65.0/queryAll"
    assert server.seen[0].headers["Sforce-Query-Options"] == "batchSize=200"


def test_recorded_pages_are_read(recordings, server, client):
    server.tell(
        "/query", Told(raw=recordings.bytes("query/page-1-nextrecordsurl.json"), headers={"Content-Type": "application/json"})
    )
    server.tell("/query/01gD", Told(raw=recordings.bytes("query/page-last.json"), headers={"Content-Type": "application/json"}))
    assert [record["Text_Label"] for record in client.query("SELECT Text_Label FROM Whizbang")] == ["First Page", "Last Page"]


def test_every_recorded_query_is_read(recordings, server, client):
    for name in recordings.names("query"):
        if "page-1" in name:
            continue
        server.tell("/query", Told(raw=recordings.bytes(name), headers={"Content-Type": "application/json"}))
        page = next(iter(client.query_pages("SELECT Id FROM X")))
        assert page.total >= len(page.records), name


# --- the ledger of calls ---


def test_i_18_every_attempt_is_reported_and_usage_is_read(server, client, calls):
    usage = {"Sforce-Limit-Info": "api-usage=695/15000; per-app-api-usage=17/250(appName=x)"}
    server.tell("/limits", BROKEN, Told(data={}, headers=usage))
    assert client.api_usage is None
    client.limits()
    assert [(call.method, call.path, call.status, call.kind, call.attempt) for call in calls] == [
        ("GET", "/services/data/v65.0/limits", 500, "limits", 1),
        ("GET", "/services/data/v65.0/limits", 200, "limits", 2),
    ]
    assert client.api_usage == (695, 15000)
    assert client.api_usage == ApiUsage(used=695, limit=15000)
    assert client.transport.app_usage == (17, 250)
    assert calls[0].error == "UNKNOWN_EXCEPTION"
    assert all(call.counts and call.seconds >= 0 for call in calls)


def test_unanswered_and_free_calls_do_not_count(server, client, calls):
    server.tell("/services/data", Told(data=[]))
    client.versions()
    assert calls[-1].kind == "versions"
    assert not calls[-1].counts
    server.close()


def test_calls_show_no_query_values_and_no_keys(server, client, calls):
    server.tell("/query", rows("a"))
    client.query_all("SELECT Id FROM Contact WHERE Email = 'jane@acme.example'")
    server.tell("/sobjects/", Told(200, {"id": "x", "success": True, "errors": []}))
    client.request("PATCH", "sobjects/Contact/Ext__c/jane%40acme.example", json={})
    assert "jane" not in repr(calls)
    assert (
        shown_path("https://x/services/data/v65.0/sobjects/Contact/describe")
        == "/services/data/v65.0/sobjects/Contact/describe"
    )


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/services/data/v65.0/query", "query"),
        ("/services/data/v65.0/query/01g-2000", "query"),
        ("/services/data/v65.0/sobjects/Account/describe", "describe"),
        ("/services/data/v65.0/sobjects/Account/001", "record"),
        ("/services/data/v65.0/analytics/reports/00O", "report_run"),
        ("/services/data/v65.0/analytics/reports/00O/describe", "report_describe"),
        ("/services/data/v65.0/analytics/reports/00O/instances", "report_instance"),
        ("/services/data/v65.0/analytics/reports/00O/instances/0LG", "report_result"),
        ("/services/data/v65.0/jobs/query/750", "bulk_query"),
        ("/services/data/v65.0/jobs/ingest/750/batches", "bulk_ingest"),
        ("/services/data/v65.0/composite/sobjects", "composite"),
        ("/services/oauth2/token", "login"),
        ("/services/data", "versions"),
        ("/services/data/v65.0/chatter", "other"),
    ],
)
def test_calls_have_a_kind(path, kind):
    assert kind_of(path) == kind


def test_requests_name_us(server, client):
    server.tell("/limits", Told(data={}))
    client.limits()
    assert server.seen[0].headers["Sforce-Call-Options"] == "client=causeway"
    assert "gzip" in server.seen[0].headers["Accept-Encoding"]


# --- bodies ---


def test_i_22_fractions_are_decimal_both_ways(server, client):
    server.tell("/x", Told(raw=b'{"a":2.675,"b":0.1,"c":1.39E8,"d":12}', headers={"Content-Type": "application/json"}))
    data = client.get("x")
    assert data == {"a": Decimal("2.675"), "b": Decimal("0.1"), "c": Decimal("1.39E8"), "d": 12}
    client.request("PATCH", "x", json={"n": Decimal("12345678901234567.89"), "t": "ü"})
    assert server.seen[-1].body == '{"n":12345678901234567.89,"t":"ü"}'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity")])
def test_r_072_nan_and_infinity_are_never_sent(value):
    with pytest.raises(ValueError, match="not a number"):
        dump_json({"records": [{"x": value}]})


@pytest.mark.parametrize("body", [b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}'])
def test_r_072_nan_and_infinity_are_never_read(body):
    with pytest.raises(ValueError, match="not a number"):
        parse_json(body)


def test_good_answer_goes_into_a_file_and_a_failed_attempt_leaves_nothing(server, client):
    server.tell("/results", Told(raw=b"a" * 5000, cut=2000), Told(raw=b"b" * 100))
    file = io.BytesIO(b"head-")
    file.seek(5)
    client.request("GET", "jobs/query/x/results", into=file)
    assert file.getvalue() == b"head-" + b"b" * 100


def test_describe_asks_only_for_real_names(server, client):
    for name in ("../x", "Account/x", "", "A b", "Account?x"):
        with pytest.raises(ValueError):
            client.describe(name)
    assert server.seen == []


def test_conditional_describe(server, client):
    server.tell(
        "/describe", Told(data={"name": "Account"}, headers={"Last-Modified": "Sun, 22 Nov 2026 10:00:00 GMT"}), Told(304)
    )
    data, mark = client.describe_if_changed("Account", last_modified="")
    assert data == {"name": "Account"}
    assert client.describe_if_changed("Account", last_modified=mark) == (None, mark)
    assert server.seen[1].headers["If-Modified-Since"] == mark


def test_simple_salesforce_goes_through_the_door(server, client, tokens, calls):
    from integrations.salesforce.simple import simple_salesforce

    server.tell("/query", EXPIRED, rows("a"))
    server.tell("/describe", Told(data={"name": "Account", "fields": []}))
    server.tell("/tooling", Told(400, [{"message": "x", "errorCode": "MALFORMED_QUERY"}]))
    sf = simple_salesforce(client)
    assert sf.query_all("SELECT Name FROM Account")["records"][0]["Name"] == "a"
    assert sf.Account.describe()["name"] == "Account"
    assert len(tokens.refreshes) == 1
    assert [item.headers["Authorization"] for item in server.seen] == ["Bearer T1", "Bearer T2", "Bearer T2"]
    with pytest.raises(e.MalformedQuery):
        sf.toolingexecute("query?q=x")
    assert len(calls) == 4
    assert json.dumps(server.seen[0].query) == '{"q": ["SELECT Name FROM Account"]}'
