"""A person's browser on the demo org's pages: logs in and answers the consent question."""

import html
import re
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests

INPUT = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')


def approve(authorize_url: str, user: dict, *, allow: bool = True) -> str:
    """The callback address that Salesforce sends the browser to, with its query."""
    with requests.Session() as browser:
        answer = browser.get(authorize_url, allow_redirects=False, timeout=20)
        for _ in range(6):
            if answer.is_redirect:
                target = urljoin(answer.url, answer.headers["Location"])
                if "/services/oauth2/authorize" not in target:
                    return target
                answer = browser.get(target, allow_redirects=False, timeout=20)
                continue
            answer = _answer_page(browser, answer, user, allow)
    raise AssertionError(f"no callback; the page says: {re.sub('<[^>]+>', ' ', answer.text)[-600:]}")


def _answer_page(browser: requests.Session, page: requests.Response, user: dict, allow: bool) -> requests.Response:
    fields = {name: html.unescape(value) for name, value in INPUT.findall(page.text)}
    if 'name="pw"' in page.text:
        fields |= {"username": user["username"], "pw": user["password"], "action": "login"}
    elif "Allow access" in page.text:
        fields |= {"action": "allow" if allow else "deny"}
    else:
        raise AssertionError(re.sub("<[^>]+>", " ", page.text)[-600:])
    return browser.post(urljoin(page.url, "/services/oauth2/authorize"), data=fields, allow_redirects=False, timeout=20)


def query_of(url: str) -> dict[str, str]:
    """The query of an address as a dict."""
    return dict(parse_qsl(urlsplit(url).query))
