"""The person's side of the web server flow, with plain HTTP: forms are read from the page and sent as a browser would."""

from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

from integrations.demo_org.oauth import tokens
from tests.demo_org.oauth.small_org import ADMIN, ADMIN_PASSWORD, SmallOrg

CALLBACK = "http://localhost:4321/callback"
VERIFIER = "v" * 64


class Forms(HTMLParser):
    """The forms of a page: action and fields, with the buttons by their value."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "form":
            self.forms.append({"action": given["action"], "fields": {}, "buttons": []})
        elif tag == "input" and self.forms:
            self.forms[-1]["fields"][given["name"]] = given.get("value", "")
        elif tag == "button" and self.forms:
            self.forms[-1]["buttons"].append(given.get("value"))

    def with_button(self, value: str) -> dict[str, Any]:
        return next(form for form in self.forms if value in form["buttons"])


class Person:
    """Somebody with a browser."""

    def __init__(self, small: SmallOrg) -> None:
        self.small = small
        self.page = None

    def go(self, **parameters: str):
        """Open the authorize page; `None` values are left out."""
        defaults = {
            "response_type": "code",
            "client_id": self.small.client()["client_id"],
            "redirect_uri": CALLBACK,
            "state": "a b&c=/ü",
        }
        query = {key: value for key, value in (defaults | parameters).items() if value is not None}
        self.page = self.small.http.get(f"{self.small.url}/services/oauth2/authorize", params=query, allow_redirects=False)
        return self.page

    def press(self, button: str, **fields: str):
        """Fill in and send the form that has the button; follow redirects within the org."""
        form = Forms(self.page.text).with_button(button)
        answer = self.small.http.post(
            self.small.url + form["action"], data=form["fields"] | fields | {"action": button}, allow_redirects=False
        )
        while answer.is_redirect and answer.headers["location"].startswith("/"):
            answer = self.small.http.get(self.small.url + answer.headers["location"], allow_redirects=False)
        self.page = answer
        return answer

    def log_in(self, username: str = ADMIN, password: str = ADMIN_PASSWORD):
        return self.press("login", username=username, pw=password)

    def answer(self) -> dict[str, str]:
        """The parameters that the browser carries back to the app."""
        assert self.page.is_redirect, self.page.text
        return {key: values[0] for key, values in parse_qs(urlsplit(self.page.headers["location"]).query).items()}

    def get_code(self, **parameters: str) -> str:
        """Log in if asked, allow if asked, and return the code."""
        self.go(**parameters)
        if self.page.status_code == 200 and "Log in to" in self.page.text:
            self.log_in()
        if self.page.status_code == 200:
            self.press("allow")
        return self.answer()["code"]


def exchange(small: SmallOrg, code: str, **changes: str):
    """Exchange a code as the web app; the answer."""
    app = small.client()
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": app["client_id"],
        "client_secret": app["client_secret"],
        "redirect_uri": CALLBACK,
    }
    return small.token(**{key: value for key, value in (fields | changes).items() if value is not None})


def connect(small: SmallOrg, **parameters: str) -> dict[str, Any]:
    """The whole flow with PKCE: the token answer."""
    challenge = {"code_challenge": tokens.challenge_of(VERIFIER), "code_challenge_method": "S256"}
    code = Person(small).get_code(scope="api refresh_token id", **challenge, **parameters)
    answer = exchange(small, code, code_verifier=VERIFIER)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refresh(small: SmallOrg, refresh_token: str, **changes: str):
    """A refresh as the web app."""
    app = small.client()
    fields = {"client_id": app["client_id"], "client_secret": app["client_secret"], "refresh_token": refresh_token}
    return small.token(grant_type="refresh_token", **(fields | changes))


def is_alive(small: SmallOrg, access_token: str) -> bool:
    """Whether the org still accepts the access token."""
    return small.org.sessions.caller_for(access_token) is not None
