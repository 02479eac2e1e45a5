"""Canaries: what is secret is in no table, log, mail, page or answer, whatever happens (I-14, S-001 to S-003)."""

import base64
import io
import logging
import zlib
from urllib.parse import quote_plus

import pytest
import requests
from django.apps import apps
from django.core import mail
from django.db import connection as database

from integrations import disconnect
from integrations.models import OrgSecret, SalesforceOrg
from integrations.orgs import lifecycle, posture, vault
from integrations.orgs.connect import client_for, flush_usage
from integrations.salesforce.errors import SalesforceError
from tests.orgs.conftest import make_web_org

Method = SalesforceOrg.LoginMethod


def secrets_of_everything() -> set[str]:
    """Clear text of all secrets that are stored now; of a key, its lines."""
    found = set()
    for secret in OrgSecret.objects.select_related("org"):
        text = vault.read(secret.org, secret.kind) or ""
        found |= {line for line in text.splitlines() if len(line) >= 12 and "-----" not in line} or {text}
    return found


def forms_of(secret: str) -> list[bytes]:
    """How a secret could hide: as it is, in base64 at any offset, in an address, in hex."""
    raw = secret.encode()
    shifted = [base64.b64encode(b"x" * n + raw)[4 * (n > 0) + 4 : -4] for n in range(3)]
    return [raw, quote_plus(secret).encode(), raw.hex().encode(), *(piece for piece in shifted if len(piece) > 12)]


def dump() -> bytes:
    """Every value of every table; compressed values are opened."""
    out = io.BytesIO()
    with database.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            cursor.execute(f'SELECT * FROM "{model._meta.db_table}"')
            for row in cursor.fetchall():
                for value in row:
                    data = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                    out.write(data + b"\n")
                    if data[:1] == b"x":
                        try:
                            out.write(zlib.decompress(data) + b"\n")
                        except zlib.error:
                            continue
    return out.getvalue()


def hits(haystack: bytes, secrets: set[str]) -> list[str]:
    return [secret[:6] + "..." for secret in secrets for form in forms_of(secret) if form in haystack]


@pytest.fixture
def busy(demo_org, cast, now, caplog, monkeypatch):
    """All four ways in, calls, renewals, every kind of failure, a pending revocation; with all logging on."""
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "requests", "social", "oauthlib", "integrations"):
        caplog.set_level(logging.DEBUG, logger=name)
    monkeypatch.setattr("http.client.HTTPConnection.debuglevel", 0)
    secrets = set()
    orgs = [make_web_org(demo_org, actor=cast.ada)]
    orgs += [lifecycle.connect_demo_org(name=f"By {method}", method=method, now=now, actor=cast.ada)
             for method in (Method.JWT, Method.CLIENT_CREDENTIALS, Method.PASSWORD)]  # fmt: skip
    secrets |= secrets_of_everything()
    demo_org.settings(rotation=True)
    for org in orgs:
        demo_org.control("sessions", method="DELETE")
        client_for(org, domain="okr").count("SELECT COUNT() FROM Account")
        secrets |= secrets_of_everything()
    for error in ("invalid_grant", "invalid_client", "inactive_user"):
        token = vault.read(orgs[0], vault.Kind.REFRESH_TOKEN)
        demo_org.fault(path="/oauth2/token", status=400, body={"error": error, "error_description": f"bad token {token}"})
        demo_org.control("sessions", method="DELETE")
        SalesforceOrg.objects.update(state="connected", no_login_before=None)
        orgs[0].refresh_from_db()
        with pytest.raises(SalesforceError):
            client_for(orgs[0], domain="okr").count("SELECT COUNT() FROM Account")
    posture.check_access(orgs[1], now=now)
    demo_org.fault(path="/oauth2/revoke", status=503, body="down")
    disconnect.disconnect(orgs[2], now=now)
    flush_usage()
    return secrets


def test_s_001_no_table_holds_a_secret_in_any_form(busy):
    assert len(busy) > 20
    assert hits(dump(), busy) == []


def test_s_001_the_search_itself_finds_a_leak(busy, org):
    secret = sorted(busy, key=len)[-1]
    SalesforceOrg.objects.filter(pk=org.pk).update(state_reason=base64.b64encode(f"zz{secret}".encode()).decode())
    assert hits(dump(), busy) != []


def test_s_002_no_log_line_and_no_mail_holds_a_secret(busy, caplog):
    text = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    text += "\n".join(message.body + message.subject for message in mail.outbox)
    assert hits(text.encode(), busy) == []


def test_s_003_no_page_form_or_answer_holds_a_secret(busy, client, cast):
    client.force_login(cast.ada, backend="django.contrib.auth.backends.ModelBackend")
    paths = ["/connections/", "/connections/reauthorize/", "/connections/revoke-all/", "/api/v1/connections/", "/admin/",
             "/admin/integrations/salesforceorg/", "/admin/integrations/auditentry/", "/admin/integrations/alert/",
             "/admin/integrations/apiusage/", "/admin/integrations/apikey/"]  # fmt: skip
    for org in SalesforceOrg.objects.all():
        paths += [
            f"/connections/{org.pk}/{part}" for part in ("", "settings/", "sign-in/", "check/", "first-sync/", "environment/")
        ]
        paths += [f"/connections/{org.pk}/sign-in/?method={method}" for method in Method.values]
        paths += [f"/api/v1/connections/{org.pk}/", f"/api/v1/connections/{org.pk}/api-usage/"]
        paths += [f"/admin/integrations/salesforceorg/{org.pk}/change/"]
    pages = b""
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 200, path
        pages += answer.content
    assert hits(pages, busy) == []
    assert b"PRIVATE KEY-----\n" not in pages


def test_i_14_reprs_of_our_objects_show_nothing(busy):
    for org in SalesforceOrg.objects.exclude(state="disconnected"):
        shown = f"{org!r} {vars(org)} {lifecycle.demo.credentials_for(org.login_method)!r}"
        for secret in OrgSecret.objects.filter(org=org):
            shown += f"{secret!r} {vars(secret)}"
        assert hits(shown.encode(), busy) == []


def test_i_15_the_token_travels_in_a_header_only(web_org, demo_org):
    demo_org.forget_calls()
    client_for(web_org, domain="okr").count("SELECT COUNT() FROM Account")
    posture.check_access(web_org, now=web_org.state_since)
    token = vault.read(web_org, vault.Kind.ACCESS_TOKEN)
    assert hits(str(demo_org.calls()).encode(), {token}) == []


def test_i_15_a_redirect_is_not_followed_with_the_token(web_org, demo_org):
    demo_org.fault(path="/query", status=302, headers={"Location": "https://evil.example/steal"}, body="", times=9)
    with pytest.raises(SalesforceError):
        client_for(web_org, domain="okr").count("SELECT COUNT() FROM Account")


def test_r_022_there_is_no_switch_that_turns_verification_off():
    assert not [field.name for field in SalesforceOrg._meta.get_fields() if "verif" in field.name or "ssl" in field.name]
    from integrations import forms

    names = {name for form in forms.CREDENTIAL_FORMS.values() for name in form.base_fields} | set(
        forms.EnvironmentForm.base_fields
    )
    assert not [name for name in names if "verify" in name or "ssl" in name or "tls" in name]
    assert requests.Session().verify is True
