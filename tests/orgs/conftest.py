"""Connections for these tests: not authorized yet, and authorized over the real web flow of the demo org."""

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from integrations.models import SalesforceOrg
from integrations.orgs import demo, lifecycle, sign_in
from integrations.salesforce import login
from tests.orgs.browser import approve, query_of

CALLBACK = "http://localhost:8000/oauth/complete/salesforce-connection/"
Method = SalesforceOrg.LoginMethod


@pytest.fixture(autouse=True)
def _clean_cache():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def org(db) -> SalesforceOrg:
    """A connection without credentials."""
    return lifecycle.create_connection(
        name="Acme", environment="production", login_url="https://acme.my.salesforce.com", now=timezone.now()
    )


def make_web_org(demo_org, *, name: str = "Web", user: dict | None = None, actor=None) -> SalesforceOrg:
    """A connection authorized by the web flow with PKCE, over real HTTP."""
    found = demo.credentials_for(Method.WEB)
    org = lifecycle.create_connection(name=name, environment="demo", login_url=demo_org.url, now=timezone.now())
    lifecycle.save_credentials(org, method=Method.WEB, client_id=found.client_id, secrets=found.secrets)
    answer = sign_in_by_web(demo_org, found.client_id, found.secrets["client_secret"], user=user)
    lifecycle.complete_authorization(org, answer, actor=actor, now=timezone.now())
    return org


def sign_in_by_web(demo_org, client_id: str, client_secret: str, *, user: dict | None = None, scope: str = login.API_SCOPE):
    verifier = login.new_verifier()
    url = login.authorize_url(
        demo_org.url,
        client_id=client_id,
        redirect_uri=CALLBACK,
        state="s",
        code_challenge=login.challenge_of(verifier),
        scope=scope,
        demo_origin=demo_org.url,
    )
    person = user or next(each for each in demo_org.info()["users"] if "integration" in each["username"])
    code = query_of(approve(url, person))["code"]
    return login.exchange_code(
        demo_org.url,
        client_id=client_id,
        client_secret=client_secret,
        code=code,
        redirect_uri=CALLBACK,
        code_verifier=verifier,
        wire=sign_in.wire(),
    )


@pytest.fixture
def web_org(demo_org, db) -> SalesforceOrg:
    """The demo org, connected by browser sign-in; has a refresh token."""
    return make_web_org(demo_org)


@pytest.fixture
def password_org(demo_org, db) -> SalesforceOrg:
    """The demo org, connected by the legacy SOAP login."""
    return lifecycle.connect_demo_org(name="Legacy", now=timezone.now(), method=Method.PASSWORD)


@pytest.fixture
def client():
    """A browser at http://localhost/, which the demo org's apps accept as callback."""
    return Client(SERVER_NAME="localhost")


@pytest.fixture
def ada(cast, client):
    """The test client signed in as the administrator, just now."""
    client.force_login(cast.ada, backend="django.contrib.auth.backends.ModelBackend")
    return client
