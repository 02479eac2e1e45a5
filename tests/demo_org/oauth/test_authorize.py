"""The authorize page, from the browser's side."""

import pytest

from integrations.demo_org.oauth import accounts, clients
from integrations.demo_org.oauth.authorize import COOKIE
from tests.demo_org.oauth.browsing import CALLBACK, Person, connect
from tests.demo_org.oauth.small_org import ADMIN, ADMIN_PASSWORD


def test_login_then_consent_then_code_with_state_untouched(small):
    person = Person(small)
    page = person.go(scope="api refresh_token")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    person.log_in()
    assert "Manage user data via APIs" in person.page.text
    assert "Perform requests at any time" in person.page.text
    person.press("allow")
    assert person.page.headers["location"].startswith(f"{CALLBACK}?")
    assert person.answer()["state"] == "a b&c=/ü"
    assert person.answer()["code"]


def test_deny_is_access_denied_at_the_callback(small):
    person = Person(small)
    person.go()
    person.log_in()
    person.press("deny")
    assert person.answer() == {
        "error": "access_denied",
        "error_description": "end-user denied authorization",
        "state": "a b&c=/ü",
    }


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"client_id": "nobody"}, "error=invalid_client_id"),
        ({"redirect_uri": "https://evil.example/callback"}, "error=redirect_uri_mismatch"),
        ({"redirect_uri": "http://localhost.evil.example/callback"}, "error=redirect_uri_mismatch"),
        ({"redirect_uri": "http://user@localhost/callback"}, "error=redirect_uri_mismatch"),
        ({"redirect_uri": None}, "error=redirect_uri_mismatch"),
    ],
)
def test_wrong_client_or_callback_is_shown_and_never_redirected(small, changes, text):
    page = Person(small).go(**changes)
    assert page.status_code == 400
    assert text in page.text
    assert "location" not in page.headers


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:9/x/y", "http://localhost/cb", "https://localhost:8443/a?b=c", "http://[::1]:7/z"]
)
def test_any_loopback_port_is_a_registered_callback_of_the_first_app(small, uri):
    assert Person(small).go(redirect_uri=uri).status_code == 200


def test_registered_loopback_path_is_kept_and_other_hosts_are_exact(small):
    app = small.client()
    clients.change_client(
        small.org, app["client_id"], {"redirect_uris": ["http://localhost:1/complete/", "https://app.example/done"]}
    )
    client = clients.find_client(small.org, app["client_id"])
    assert client.accepts_redirect("http://127.0.0.1:50000/complete/")
    assert client.accepts_redirect("https://app.example/done")
    assert not client.accepts_redirect("http://127.0.0.1:50000/other/")
    assert not client.accepts_redirect("https://app.example/done/more")
    assert not client.accepts_redirect("https://app.example:444/done")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "api everything"}, "invalid_scope"),
        ({"code_challenge": "x", "code_challenge_method": "plain"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_other_mistakes_are_told_to_the_app(small, changes, error):
    person = Person(small)
    person.go(**changes)
    assert person.answer()["error"] == error
    assert person.answer()["state"] == "a b&c=/ü"


def test_require_pkce_switch_refuses_a_request_without_challenge(small):
    small.org.settings.require_pkce = True
    person = Person(small)
    person.go()
    assert person.answer()["error_description"] == "missing required code challenge"
    assert person.go(code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").status_code == 200


def test_public_client_must_send_a_challenge(small):
    person = Person(small)
    person.go(client_id="PlatformCLI")
    assert person.answer()["error"] == "invalid_request"


def test_approved_app_is_not_asked_again_unless_prompted(small):
    connect(small)
    person = Person(small)
    assert person.go(scope="api").is_redirect
    assert "Allow access?" in person.go(scope="api", prompt="consent").text
    assert "Log in to" in person.go(scope="api", prompt="login").text
    assert "Allow access?" in person.go(scope="api web").text


def test_prompt_login_with_hint_then_goes_on(small):
    connect(small)
    person = Person(small)
    page = person.go(scope="api", prompt="login", login_hint='ada"><script>@x')
    assert "<script>" not in page.text
    assert "ada&quot;&gt;&lt;script&gt;@x" in page.text
    person.log_in()
    assert person.answer()["code"]


def test_use_another_user_asks_for_the_login_again(small):
    person = Person(small)
    person.go()
    person.log_in()
    assert "Log in to" in person.press("switch").text


def test_consent_needs_the_proof_of_our_own_form(small):
    person = Person(small)
    person.go()
    person.log_in()
    answer = person.press("allow", csrf="forged")
    assert answer.status_code == 200
    assert "Allow access?" in answer.text


def test_pages_cannot_be_framed_cached_or_scripted(small):
    headers = Person(small).go().headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "script-src" not in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"


def test_browser_cookie_is_httponly_and_is_no_api_token(small):
    person = Person(small)
    person.go()
    person.log_in()
    cookie = next(each for each in small.http.cookies if each.name == COOKIE)
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert small.org.sessions.caller_for(cookie.value) is None


@pytest.mark.parametrize(
    ("policy", "error"),
    [("blocked", "OAUTH_APPROVAL_ERROR_GENERIC"), ("admin", "OAUTH_APP_ACCESS_DENIED")],
)
def test_app_policy_refuses_at_the_callback(small, policy, error):
    small.http.patch(f"{small.url}/__demo__/oauth-clients/{small.client()['client_id']}", json={"policy": policy})
    person = Person(small)
    person.go()
    person.log_in()
    assert person.answer()["error"] == error
    if policy == "admin":
        assert person.answer()["error_description"] == "user is not admin approved to access this app"


def test_s_056_eleven_wrong_passwords_lock_the_account_for_15_minutes_with_the_same_text(small):
    person = Person(small)
    person.go()
    texts = set()
    for _ in range(11):
        person.log_in(password="wrong")
        texts.add(person.page.text.split('role="alert">')[1].split("<")[0])
    assert len(texts) == 1
    person.log_in(password=ADMIN_PASSWORD)
    assert person.page.text.split('role="alert">')[1].split("<")[0] in texts
    person.log_in(username="nobody@harbor.example")
    assert person.page.text.split('role="alert">')[1].split("<")[0] in texts
    small.org.clock.advance(15 * 60 + 1)
    person.log_in(password=ADMIN_PASSWORD)
    assert "Allow access?" in person.page.text


def test_s_056_guessing_many_accounts_from_one_address_ends_too(small):
    guesses = accounts.Addresses()
    for _ in range(accounts.WRONG_FROM_ONE_ADDRESS):
        assert guesses.may_try("10.0.0.1", 1000.0)
        guesses.count("10.0.0.1", 1000.0)
    assert not guesses.may_try("10.0.0.1", 1001.0)
    assert guesses.may_try("10.0.0.2", 1001.0)
    assert guesses.may_try("10.0.0.1", 1000.0 + 15 * 60 + 1)
    guesses.clear()
    assert guesses.may_try("10.0.0.1", 1001.0)


def test_frozen_user_is_told_so_on_the_page(small):
    small.http.patch(f"{small.url}/__demo__/logins/{ADMIN}", json={"frozen": True})
    person = Person(small)
    person.go()
    assert "frozen or inactive" in person.log_in().text
