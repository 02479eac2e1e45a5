"""Lets an unmodified simple-salesforce, which knows only https, talk to the org over http."""

from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter


class ToTheOrg(HTTPAdapter):
    """Sends every https request to the org's http address."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def send(self, request, *args, **kwargs):
        parts = urlsplit(request.url)
        request.url = f"{self.url}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        return super().send(request, *args, **kwargs)


def rewriting_session(url: str) -> requests.Session:
    """A session whose https requests reach the org."""
    session = requests.Session()
    session.mount("https://", ToTheOrg(url))
    return session
