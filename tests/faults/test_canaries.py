"""Recognizable secrets go in by every door; everything is run, fails and is looked at; none of them comes out anywhere."""

import base64
import io
import itertools
import logging
import re
import traceback
import zlib
from urllib.parse import quote, quote_plus

import pytest
from django.core import mail
from django.db import connection as database
from django_q.signing import SignedPackage

from integrations import disconnect
from integrations.access import Refusal
from integrations.models import OrgSecret, Run, SalesforceOrg
from integrations.orgs import budget, lifecycle, posture, vault
from integrations.orgs.connect import client_for, flush_usage
from integrations.salesforce.errors import SalesforceError
from integrations.sync import runs
from okr import linking, refresh
from okr.models import License
from tests.faults.house import admin_addresses, crawl, every_address, furnish_okr
from tests.orgs.conftest import make_web_org

Method = SalesforceOrg.LoginMethod
PIECE = re.compile(rb"[A-Za-z0-9_+/=-]{16,}")
MARK = "CANARY"


class Everything(logging.Handler):
    """Keeps each record as a handler would write it, before any filter of ours, tracebacks included."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.text.append(f"{record.name} {record.getMessage()} {record.__dict__}")
        if record.exc_info and record.exc_info[1]:
            self.text.append("".join(traceback.format_exception(record.exc_info[1])))


@pytest.fixture
def log():
    """All loggers at DEBUG, those of the client libraries too."""
    handler, root = Everything(), logging.getLogger()
    names = [
        "urllib3",
        "simple_salesforce",
        "requests",
        "social",
        "integrations",
        "okr",
        "project",
        "django",
        "django-q",
        "zeep",
    ]
    names += [
        name for name in logging.root.manager.loggerDict if not name.startswith("django.template")
    ]  # megabytes of contexts
    loggers = [root, *map(logging.getLogger, set(names))]
    before = [(each, each.level) for each in loggers]
    for each in loggers:
        each.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    for each, level in before:
        each.setLevel(level)


def secrets_now() -> set[str]:
    """Clear text of what the vault holds; of a key, its lines."""
    found = set()
    for secret in OrgSecret.objects.select_related("org"):
        text = vault.read(secret.org, secret.kind) or ""
        found |= {line for line in text.splitlines() if len(line) >= 12 and "-----" not in line}
    return found


def forms_of(secret: str) -> set[bytes]:
    """As it is, for an address, in hex, in base64 at any offset (both alphabets)."""
    raw = secret.encode()
    forms = {raw, quote(secret, safe="").encode(), quote_plus(secret).encode(), raw.hex().encode(), raw.hex().upper().encode()}
    for shift, encode in itertools.product(range(3), (base64.b64encode, base64.urlsafe_b64encode)):
        middle = encode(b"x" * shift + raw)[4 if shift else 0 : -4]
        forms |= {middle} if len(middle) > 12 else set()
    return forms


def opened(data: bytes) -> list[bytes]:
    """`data`, and what is inside its base64 and compressed parts (pickles keep texts as they are)."""
    found = [data]
    for piece in PIECE.findall(data):
        for decode in (base64.b64decode, base64.urlsafe_b64decode):
            try:
                found.append(decode(piece + b"=" * (-len(piece) % 4)))
            except ValueError:
                continue
    for each in list(found):
        try:
            found.append(zlib.decompress(each))
        except zlib.error:
            continue
    return found


def dump() -> bytes:
    out = io.BytesIO()
    with database.cursor() as cursor:
        for table in database.introspection.table_names():
            cursor.execute(f"SELECT * FROM {database.ops.quote_name(table)}")
            for row in cursor.fetchall():
                for value in row:
                    data = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                    out.write(b"\n".join(opened(data)) + b"\n")
    return out.getvalue()


def hits(haystack: bytes, secrets: set[str]) -> list[str]:
    return sorted({f"{secret[:8]}..." for secret in secrets for form in forms_of(secret) if form in haystack})


@pytest.fixture
def busy(demo_org, cast, now, log):
    """Four ways in, canaries that Salesforce refuses, a refresh, a preview, renewals, failures of every kind, a disconnect."""
    secrets = {f"{MARK}-{kind}-9f8e7d6c5b4a" for kind in ("secret", "password", "token", "code")}
    canary = {kind.rsplit("-", 2)[1]: kind for kind in secrets}
    web = make_web_org(demo_org, actor=cast.ada)
    others = [lifecycle.connect_demo_org(name=f"By {method}", method=method, now=now, actor=cast.ada)
              for method in (Method.JWT, Method.CLIENT_CREDENTIALS, Method.PASSWORD)]  # fmt: skip
    secrets |= secrets_now()
    wrong = lifecycle.create_connection(name="Wrong", environment="demo", login_url=demo_org.url, now=now)
    known = {Kind.PASSWORD: canary["password"], Kind.SECURITY_TOKEN: canary["token"]}
    for method, given in ((Method.PASSWORD, known), (Method.CLIENT_CREDENTIALS, {Kind.CLIENT_SECRET: canary["secret"]})):
        lifecycle.save_credentials(wrong, method=method, client_id="3MVG9", username="who@acme.example", secrets=given)
        with pytest.raises((SalesforceError, Refusal)):
            lifecycle.authorize(wrong, actor=cast.ada, now=now)
    key_result = furnish_okr(web, cast)
    link = key_result.link
    run_everything(web, link, cast, now)
    demo_org.settings(rotation=True)
    for org in (web, *others):
        demo_org.control("sessions", method="DELETE")
        client_for(org, domain="okr").count("SELECT COUNT() FROM Account")
        secrets |= secrets_now()
    fail_everything(demo_org, web, secrets)
    posture.check_access(others[0], now=now)
    budget.watch_usage(now=now)
    demo_org.fault(path="/oauth2/revoke", status=503, body=f"down {vault.read(others[1], Kind.ACCESS_TOKEN)}")
    disconnect.disconnect(others[1], now=now)
    flush_usage()
    return secrets | secrets_now()


Kind = OrgSecret.Kind


def run_everything(org, link, cast, now) -> None:
    """The hourly job, a refresh by hand, a preview, a search: each succeeds."""
    assert runs.request_run("okr.refresh", org=org, now=now).state == "success"
    refresh.refresh_now(link, user=cast.ada, now=now)
    linking.preview(org, link.report_id, user=cast.ada, now=now)
    linking.search(org, "pipeline", user=cast.ada)


def fail_everything(demo_org, org, secrets) -> None:
    """Answers that quote our own token back at us, in every kind of failure, during a real run."""
    token = vault.read(org, Kind.REFRESH_TOKEN)
    for status, body in ((400, {"error": "invalid_grant", "error_description": f"expired {token}"}),
                         (400, {"error": "invalid_client", "error_description": f"bad {token}"}),
                         (500, f"<html>{token}</html>"), (200, {"access_token": token}), (200, f"not json {token}")):  # fmt: skip
        SalesforceOrg.objects.filter(pk=org.pk).update(state="connected", no_login_before=None, bad_logins=0)
        org.refresh_from_db()
        demo_org.fault(path="/oauth2/token", status=status, body=body, times=4)
        demo_org.control("sessions", method="DELETE")
        run = runs.request_run("okr.refresh", org=org, now=org.state_since)
        assert run.state in ("failed", "deferred", "partial"), run.sentence
        demo_org.no_faults()
        secrets |= secrets_now()


def test_s_001_s_002_s_003_no_secret_leaves_the_vault(busy, log, client, cast, capsys):
    """One busy day, then three hunts: tables, logs and mails, everything that a super user can look at."""
    assert len(busy) > 20
    client.force_login(cast.ada, backend="django.contrib.auth.backends.ModelBackend")
    found = crawl(
        client,
        every_address()
        + admin_addresses()
        + ["/api/schema/", "/no-such-page", "/oauth/complete/salesforce-connection/?code=x"],
    )
    assert sum(status == 200 for status, _ in found.values()) > 40, {path: status for path, (status, _) in found.items()}
    assert not [path for path, (status, _) in found.items() if status >= 500 and path != "/readyz"]
    assert hits(b"\n".join(body for _, body in found.values()), busy) == [], "S-003: a page"
    assert hits(dump(), busy) == [], "S-001: a table"
    text = "\n".join(log.text) + "".join(f"{each.subject} {each.body}" for each in mail.outbox)
    text += "".join(capsys.readouterr())
    assert len(log.text) > 200
    assert hits(text.encode(), busy) == [], "S-002: a log line or mail"


def test_s_001_the_hunt_finds_what_is_hidden_in_the_queue_and_in_sessions(cast, client):
    """A hunt that cannot find anything proves nothing."""
    secret = "00D000000000001!AQEAQ.hidden-for-the-hunt"
    from django_q.models import OrmQ

    OrmQ.objects.create(key="x", payload=SignedPackage.dumps({"args": (secret,)}))
    assert hits(dump(), {secret})
    OrmQ.objects.all().delete()
    assert not hits(dump(), {secret})
    Run.objects.create(job="x", sentence=base64.b64encode(zlib.compress(f"in {secret} here".encode())).decode())
    assert hits(dump(), {secret})


def test_s_003_licenses_and_settings_show_at_most_the_last_four(connected_org, client, cast):
    client.force_login(cast.ada, backend="django.contrib.auth.backends.ModelBackend")
    License.objects.create(org=connected_org, user=cast.ada)
    page = client.get(f"/connections/{connected_org.pk}/sign-in/").content.decode()
    secret = vault.read(connected_org, Kind.CLIENT_SECRET)
    assert secret[-5:] not in page
