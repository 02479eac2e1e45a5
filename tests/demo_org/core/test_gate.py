"""What every request passes: sessions, versions, limits, faults; and the headers of every answer."""

import gzip
import json
import time

import pytest
import requests

DATA = "/services/data/v65.0"


def code(answer):
    return answer.status_code, answer.json()[0]["errorCode"]


def test_versions_need_no_session(core):
    rows = requests.get(f"{core.url}/services/data/", timeout=10).json()
    assert [rows[0]["version"], rows[-1]["version"]] == ["31.0", "68.0"]
    assert rows[34] == {"label": "Winter '26", "url": "/services/data/v65.0", "version": "65.0"}
    assert {"label": "Spring '20", "url": "/services/data/v48.0", "version": "48.0"} in rows


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp5"}])
def test_without_a_session_everything_answers_401(core, headers):
    answer = requests.get(f"{core.url}{DATA}/limits", headers=headers, timeout=10)
    assert answer.status_code == 401
    assert answer.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    assert "Sforce-Limit-Info" not in answer.headers


def test_both_words_for_the_token_are_understood(core):
    for word in ("Bearer", "OAuth", "bearer"):
        answer = requests.get(f"{core.url}{DATA}/limits", headers={"Authorization": f"{word} {core.token}"}, timeout=10)
        assert answer.status_code == 200


@pytest.mark.parametrize("version", ["7.0", "20.0", "30.0"])
def test_r_014_retired_versions_are_gone(core, version):
    assert code(core.call("GET", f"/services/data/v{version}/sobjects")) == (410, "GONE")


@pytest.mark.parametrize("version", ["69.0", "6.0", "65.5", "latest"])
def test_versions_that_never_were_are_not_found(core, version):
    assert code(core.call("GET", f"/services/data/v{version}/sobjects")) == (404, "NOT_FOUND")


def test_the_root_of_a_version_names_its_resources(core):
    body = core.call("GET", DATA).json()
    assert body["sobjects"] == f"{DATA}/sobjects"
    assert body["identity"].endswith(core.caller.user_id)
    for name, path in body.items():
        if name != "identity":
            assert path == f"{DATA}/{name}"
            assert core.call("GET", path).status_code in {200, 400, 404, 405}
    assert {"query", "queryAll", "composite", "limits", "recent", "search", "jobs", "analytics"} <= body.keys()


def test_every_answer_tells_the_usage(core):
    used = [core.call("GET", "limits").headers["Sforce-Limit-Info"] for _ in range(2)]
    numbers = [int(each.removeprefix("api-usage=").split("/")[0]) for each in used]
    assert numbers[1] == numbers[0] + 1
    refused = core.call("GET", "nothing")
    assert refused.headers["Sforce-Limit-Info"].endswith("/100000")


def test_answers_have_the_usual_headers(core):
    answer = core.call("GET", "limits")
    assert answer.headers["Content-Type"] == "application/json;charset=UTF-8"
    assert answer.headers["Cache-Control"] == "no-cache,must-revalidate,max-age=0,no-store,private"
    assert "BrowserId=" in answer.headers["Set-Cookie"]
    assert "Set-Cookie" not in core.call("GET", "limits").headers


def test_answers_are_compressed_only_when_asked(core):
    plain = core.call("GET", "sobjects", headers={"Accept-Encoding": "identity"}, stream=True)
    assert "Content-Encoding" not in plain.headers
    body = plain.raw.read()
    packed = core.call("GET", "sobjects", headers={"Accept-Encoding": "gzip"}, stream=True)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.raw.read(decode_content=False)) == body


def test_r_058_the_daily_limit_refuses_until_the_window_frees(core):
    core.control("settings", {"limits": {"DailyApiRequests": 3}})
    answers = [core.call("GET", "limits") for _ in range(4)]
    assert [each.status_code for each in answers] == [200, 200, 200, 403]
    assert answers[3].json() == [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    assert answers[2].json()["DailyApiRequests"] == {"Max": 3, "Remaining": 0}
    core.control("clock", {"advance": 86_500})
    core.sign_in()
    assert core.call("GET", "limits").status_code == 200


def test_the_concurrent_limit_is_another_message(core):
    core.control("settings", {"concurrent_limit_reached": True})
    answer = core.call("GET", "limits")
    assert code(answer) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert answer.json()[0]["message"] == "ConcurrentRequests Limit exceeded."


def test_a_disabled_api_says_so(core):
    core.control("settings", {"api_enabled": False})
    assert code(core.call("GET", "limits")) == (403, "API_DISABLED_FOR_ORG")


def test_a_session_without_the_api_scope_is_refused(core):
    token = core.org.sessions.open(core.caller.user_id, scopes=("id",))
    answer = core.call("GET", "limits", headers={"Authorization": f"Bearer {token}"})
    assert code(answer) == (401, "INVALID_SESSION_ID")


def test_a_url_that_is_too_long_is_the_web_servers_problem(core):
    answer = core.call("GET", "query?q=" + "x" * 17_000)
    assert answer.status_code == 414
    assert "Bad Message 414" in answer.text


def test_headers_that_are_too_large_are_refused(core):
    answer = core.call("GET", "limits", headers={f"X-{number}": "y" * 8000 for number in range(5)})
    assert answer.status_code == 431


def test_a_fault_answers_the_next_matching_requests(core):
    order = {"match": {"path": "limits", "method": "GET"}, "times": 2, "status": 503, "body": "<html>down</html>"}
    core.control("faults", {**order, "headers": {"Retry-After": "30"}})
    assert core.call("GET", "recent").status_code == 200
    answers = [core.call("GET", "limits") for _ in range(3)]
    assert [each.status_code for each in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "30"
    assert answers[0].headers["Content-Type"].startswith("text/html")


def test_a_fault_can_wait_for_its_turn_and_match_the_body(core):
    core.control(
        "faults", {"match": {"body": "secret"}, "after": 1, "status": 500, "body": [{"errorCode": "UNKNOWN_EXCEPTION"}]}
    )
    statuses = [core.call("POST", "sobjects/Account", json={"Name": name}).status_code for name in ("secret", "x", "secret")]
    assert statuses == [201, 201, 500]


def test_r_002_an_expired_token_answers_401_once(core):
    core.control("faults", {"match": {"path": "limits"}, "action": "expire_token"})
    assert code(core.call("GET", "limits")) == (401, "INVALID_SESSION_ID")
    assert code(core.call("GET", "recent")) == (401, "INVALID_SESSION_ID")


def test_r_031_a_cut_body_breaks_off(core):
    core.control("faults", {"match": {"path": "sobjects$"}, "cut": 100})
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        core.call("GET", "sobjects", headers={"Accept-Encoding": "identity"})
    assert core.call("GET", "sobjects").status_code == 200


def test_a_closed_connection_answers_nothing(core):
    core.control("faults", {"match": {"path": "limits"}, "action": "close"})
    with pytest.raises(requests.exceptions.ConnectionError):
        core.call("GET", "limits")
    assert core.org.calls.rows()[-1]["status"] == 0


def test_a_slow_answer_is_slow(core):
    core.control("faults", {"match": {"path": "limits"}, "delay": 0.2})
    began = time.monotonic()
    assert core.call("GET", "limits").status_code == 200
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize(
    ("action", "status", "text"),
    [("daily_limit", 403, "TotalRequests"), ("concurrent_limit", 403, "ConcurrentRequests"), ("maintenance", 503, "<html>")],
)
def test_named_faults_answer_as_salesforce_does(core, action, status, text):
    core.control("faults", {"action": action})
    answer = core.call("GET", "limits")
    assert answer.status_code == status
    assert text in answer.text


def test_the_ledger_notes_every_request(core):
    core.control("calls", method="DELETE")
    core.call("GET", "limits?x=1")
    core.call("GET", "nothing")
    rows = core.control("calls", method="GET")["calls"]
    assert [(row["method"], row["path"], row["query"], row["status"], row["user"]) for row in rows] == [
        ("GET", f"{DATA}/limits", "x=1", 200, "ada@core.example"),
        ("GET", f"{DATA}/nothing", "", 404, "ada@core.example"),
    ]


def test_a_crash_of_the_org_answers_500_in_the_api_form(core, monkeypatch):
    monkeypatch.setattr(core.org.usage, "as_dict", lambda: 1 / 0)
    answer = core.call("GET", "limits")
    assert code(answer) == (500, "UNKNOWN_EXCEPTION")
    assert "Traceback" not in answer.text
    assert "ZeroDivision" not in json.dumps(answer.json())
