"""Connections that stand still, lack rights, or will stop at a known date."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from django.urls import reverse

from integrations import attention
from integrations.models import SalesforceOrg
from integrations.orgs import posture
from integrations.orgs.states import page_of, refusal_of
from project.needs_person.asking import Asker, Source
from project.needs_person.need import Need, Urgency, words_for

LEGACY_ENDS = datetime(2027, 6, 1, tzinfo=UTC)  # Salesforce retires SOAP login with Summer '27
TOGETHER = 3  # so many failures are one cause, most likely
REVOKE_AGAIN = timedelta(hours=1)
ASIDE = {"sign_in", "reachable", "limits"}  # they change by themselves, and the state of the connection tells them


def read(asker: Asker) -> list[Need]:
    """Two statements: connections, and those whose secrets cannot be read."""
    if not asker.may("operator"):
        return []
    orgs = asker.orgs
    broken = [each for each in orgs if each.is_broken]
    many = len(broken) >= TOGETHER
    found = [_many(broken)] if many else []
    for org in orgs:
        found += _of(org, asker, locked=org.pk in asker.locked, alone=not many)
    return found


def _many(broken: Sequence[SalesforceOrg]) -> Need:
    """One line for connections that failed together (R-024)."""
    names = ", ".join(each.name for each in broken[:5])
    return Need(
        "connections.many", "connections", Urgency.NOW, f"{len(broken)} connections need a person",
        reverse("integrations:reauthorize"), "Authorize again", f"Nothing is read or written there: {names}.", len(broken),
        min(each.state_since for each in broken), role="admin",
    )  # fmt: skip


def _of(org: SalesforceOrg, asker: Asker, *, locked: bool, alone: bool) -> Iterator[Need]:
    def need(kind: str, urgency: Urgency, title: str, body: str, **more: object) -> Need:
        facts = {"url": page_of(org), "action": "Fix connection", "connection": org.name, **more}
        return Need(f"connections.{kind}", "connections", urgency, f"{org.name}: {title}", body=body, **facts)  # type: ignore[arg-type]

    if locked:
        yield need("locked", Urgency.NOW, "its secrets cannot be read", "The encryption key is missing.", role="admin")
    elif org.is_broken and alone:
        said = refusal_of(org).message.removeprefix(f"{org.name}: ")
        yield need(org.state, Urgency.NOW, str(org.get_state_display()).lower(), said, since=org.state_since)
    lost = [each for each in posture.findings_of(org) if each.ok is False and not each.advice and each.key not in ASIDE]
    if lost and org.is_connected:
        body = " ".join(part for part in (f"{lost[0].label}: {lost[0].sentence}", lost[0].fix) if part)
        yield need("rights", Urgency.TODAY, f"the integration user lacks {words_for(len(lost), 'right')}", body,
                   count=len(lost), since=org.posture_at, url=f"{page_of(org)}#access", action="See what lacks")  # fmt: skip
    if org.login_method == SalesforceOrg.LoginMethod.PASSWORD and org.state != SalesforceOrg.State.NEW:
        body = "Salesforce ends this way of signing in with Summer '27. Change the connection to OAuth."
        address = reverse("integrations:connection_credentials", kwargs={"pk": org.pk})
        yield need("legacy_login", Urgency.SOON, "signs in the legacy way", body, until=LEGACY_ENDS, role="admin", url=address,
                   action="Change to OAuth")  # fmt: skip
    ends = attention.certificate_ends(org)
    if ends is not None and ends - asker.now < attention.CERTIFICATE_NOTICE:
        over = ends <= asker.now
        title, body = ("its certificate has ended", "") if over else ("its certificate ends", "Sign-in stops then.")
        address = reverse("integrations:connection_credentials", kwargs={"pk": org.pk})
        yield need("certificate", Urgency.NOW if over else Urgency.SOON, title, body or "Renew it and upload it in Salesforce.",
                   until=None if over else ends, since=ends if over else None, role="admin", url=address,
                   action="Renew the certificate")  # fmt: skip
    if org.revocation_pending and asker.now - org.state_since > REVOKE_AGAIN:
        body = "Salesforce could not be told that the authorization ended. Revoke it there if this stays."
        yield need("revocation", Urgency.TODAY, "a revocation is pending", body, since=org.state_since, role="admin")


SOURCES = (Source("connections", read, 2),)
