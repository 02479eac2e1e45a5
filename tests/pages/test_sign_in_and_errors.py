"""Sign-in, throttling, safe redirects, and error pages that tell nothing but a number."""

import re
from urllib.parse import urljoin, urlsplit

import pytest
from django.test import Client, RequestFactory

from project import views
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db
EVIL = [
    "//evil.example", "/\\evil.example", "\\\\evil.example", "https:evil.example", "https://evil.example", "http:///evil.example",
    "//evil.example/%2f..", "%2f%2fevil.example", "/%09/evil.example", "https://localhost@evil.example", "//localhost@evil.example",
    "https://evil。example", "//evil%E3%80%82example", "javascript:alert(1)", "data:text/html,x", "///evil.example", "////evil.example",
    "https:///evil.example", "https:/evil.example", "http:evil.example", "//2130706433", "//0x7f000001", "ftp://evil.example", "\t//evil.example",
    " //evil.example", "/\t/evil.example", "//evil.example\\@localhost", "https://localhost.evil.example", "https://evil.example#localhost",
    "https://evil.example?localhost",
]  # fmt: skip


@pytest.mark.parametrize("target", EVIL)
def test_s_051_sign_in_stays_on_this_host(client, cast, target):
    answer = client.post("/accounts/login/", {"username": "jane", "password": PASSWORD, "next": target})
    assert answer.status_code == 302
    location = answer["Location"]
    assert re.match(r"/(?![/\\])", location), location
    assert urlsplit(urljoin("http://testserver/accounts/login/", location)).netloc == "testserver"


@pytest.mark.parametrize("target", EVIL)
def test_s_051_the_form_does_not_carry_foreign_targets_to_salesforce(client, target):
    html = client.get("/accounts/login/", {"next": target}).content.decode()
    assert 'href="//' not in html
    assert 'href="https:' not in html


def test_sign_in_and_out(client, cast):
    answer = client.post("/accounts/login/", {"username": "jane", "password": PASSWORD, "next": "/okr/?q=a"})
    assert answer["Location"] == "/okr/?q=a"
    assert client.post("/accounts/logout/").status_code == 302
    assert client.get("/okr/")["Location"].startswith("/accounts/login/")


def test_s_059_signing_out_needs_a_post(client, cast):
    client.force_login(cast.jane)
    assert client.get("/accounts/logout/").status_code == 405
    assert client.get("/").status_code == 200


def failed(client, name: str) -> str:
    html = client.post("/accounts/login/", {"username": name, "password": "wrong"}).content.decode()
    return re.search(r'role="alert">.*?</div></div>', html, re.DOTALL)[0]


def test_s_056_the_same_text_for_unknown_people_and_wrong_passwords(client, cast):
    assert failed(client, "jane") == failed(client, "nobody")


def test_s_056_eleven_wrong_passwords_pause_the_account(client, cast):
    for _ in range(11):
        answer = client.post("/accounts/login/", {"username": "jane", "password": "wrong"})
    assert answer.status_code == 429
    assert "Too many attempts" in answer.content.decode()
    answer = client.post("/accounts/login/", {"username": "jane", "password": PASSWORD})
    assert answer.status_code == 429
    assert client.post("/accounts/login/", {"username": "marsha", "password": PASSWORD}).status_code == 302


NUMBER = re.compile(r"name this request: <code>[0-9a-f-]{36}</code>")


def assert_tells_nothing(answer, status: int) -> None:
    html = answer.content.decode()
    assert answer.status_code == status
    assert NUMBER.search(html), html
    for word in ("Traceback", "Django", "Python", "/work", "site-packages", "secret", "settings"):
        assert word not in html


def test_s_092_not_found(client, cast):
    assert_tells_nothing(client.get("/nope/"), 404)
    client.force_login(cast.jane)
    assert_tells_nothing(client.get("/okr/key-results/999999/"), 404)


def test_s_092_forbidden(client, cast):
    client.force_login(cast.marsha)
    assert_tells_nothing(client.get("/runs/"), 403)


def test_s_092_bad_request(client):
    assert_tells_nothing(client.get("/", HTTP_HOST="evil.example"), 400)


def test_s_092_csrf_failure():
    answer = Client(enforce_csrf_checks=True).post("/accounts/login/", {"username": "x", "password": "y"})
    assert_tells_nothing(answer, 403)
    assert "This form is too old" in answer.content.decode()


def test_s_092_server_error(client, cast, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("secret at /srv/app/settings.py")

    monkeypatch.setattr(views, "read_overview", broken)
    client.force_login(cast.jane)
    client.raise_request_exception = False
    assert_tells_nothing(client.get("/"), 500)


def test_the_error_page_needs_neither_person_nor_database(django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = views.server_error(RequestFactory().get("/"))
    assert "That went wrong on our side" in answer.content.decode()
