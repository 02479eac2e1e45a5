"""The review of a connection: ask Salesforce, judge, store, remember since when, tell people of a new finding once."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from cryptography import x509
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from integrations import alerts
from integrations.access import Refusal
from integrations.models import Alert, OrgSecret, SalesforceOrg, SecurityFinding, SecurityReview
from integrations.orgs import budget, setup_guide, vault
from integrations.orgs.connect import client_for, flush_usage
from integrations.orgs.states import State
from integrations.salesforce.errors import SalesforceError
from project.security import installation, needs, permission_set, reading
from project.security.posture import (
    BAD,
    OK,
    UNKNOWN,
    WARN,
    ConnectionFacts,
    Finding,
    RightsFacts,
    judge_connection,
    judge_installation,
    judge_rights,
    verdict,
)
from project.security.rights import (
    ABSENT,
    DEPLOYING,
    MISSING,
    NOT_READ,
    SEES_ALL,
    TOO_MUCH,
    Given,
    Line,
    UserLine,
    Wish,
    judge_object,
    judge_user,
    unneeded_objects,
)

log = structlog.get_logger(__name__)
DOMAIN = "connection"
FAILED = "review"  # the finding of a review that did not come to its end
MOST_LINES = 3_000  # of the table that is kept; an org with more mapped fields has a page of another kind


def run_daily() -> int:
    """The timetable's call: every connected org, and the installation. Returns how many orgs were reviewed to the end."""
    orgs = list(SalesforceOrg.objects.filter(state=State.CONNECTED))
    return len(orgs) - sum(org is not None for org in review_each(orgs, now=timezone.now()))


def review_each(orgs: Iterable[SalesforceOrg], *, now: datetime) -> list[SalesforceOrg | None]:
    """Review this installation and `orgs`; returns those whose review failed unexpectedly (None = the installation).

    What goes wrong with one does not stop the others (I-10): its page says so, and the log has the details. Only an org that
    is connected is asked.
    """
    work: list[tuple[SalesforceOrg | None, Callable[[], SecurityReview]]] = [(None, partial(review_installation, now=now))]
    work += [(org, partial(review_org, org, now=now, ask=org.state == State.CONNECTED)) for org in orgs]
    return [org for org, review in work if not _guarded(org, review, now=now)]


def _guarded(org: SalesforceOrg | None, review: Callable[[], SecurityReview], *, now: datetime) -> bool:
    """Whether the review came to its end."""
    try:
        review()
    except Exception as error:  # whatever it is, the other orgs are reviewed (I-10)
        log.exception("security.review_failed", org=org.pk if org else None)
        _note_failure(org, error, now=now)
        return False
    return True


def _note_failure(org: SalesforceOrg | None, error: Exception, *, now: datetime) -> None:
    """Say on the page that the latest review failed, beside what the one before found; that stands until it is looked at."""
    finding = Finding(
        FAILED, "Review", UNKNOWN, f"The review of {now:%Y-%m-%d %H:%M} UTC failed unexpectedly ({type(error).__name__}).",
        why="What else is shown is from the review before; rights may have changed since.",
        fix="Press “Check now”. If it fails again, the log has the details.",
    )  # fmt: skip
    with transaction.atomic():
        review = SecurityReview.objects.filter(org=org).first() or SecurityReview(org=org, at=now)
        kept = [Finding(**each) for each in review.body.get("findings", []) if each.get("key") != FAILED]
        review.body = {**review.body, "findings": [asdict(each) for each in [finding, *kept]]}
        review.verdict = verdict([finding, *kept])
        review.save()


def review_org(org: SalesforceOrg, *, now: datetime, ask: bool = True) -> SecurityReview:
    """Review one connection. With `ask` Salesforce is asked about rights; what it refuses is unknown, never passed."""
    kept = SecurityReview.objects.filter(org=org).first()
    body: dict[str, Any] = kept.body if kept and not ask else {}
    if ask:
        body = _ask(org)
    findings = judge_connection(facts_of(org, body, now=now), now=now)
    findings += [Finding(**each) for each in body.get("rights_findings", [])]
    return _store(org, body | {"findings": [asdict(each) for each in findings]}, findings, now=now)


def _ask(org: SalesforceOrg) -> dict[str, Any]:
    """Everything that only Salesforce knows, ready to be stored; why not, when it does not answer."""
    wishes = needs.wishes_of(org)
    wanted = needs.user_rights_of(org)
    try:
        client = client_for(org, domain=DOMAIN)
        with client:
            facts = reading.read_objects(client, wishes)
            given = reading.read_given(client, org.user_id)
            addresses = reading.read_addresses(client, org.user_id)
            present = reading.read_present(client, permission_set.NAME)
    except (SalesforceError, Refusal) as error:
        message = getattr(error, "message", "") or str(error)
        finding = Finding(
            "asked", "Rights", UNKNOWN, f"Salesforce did not answer, so rights could not be compared: {message}",
            fix="Open the connection; its page says what is wrong.", url="connection", button="Open the connection",
        )  # fmt: skip
        return {"rights_findings": [asdict(finding)], "why_not": message}
    finally:
        flush_usage()
    lines = [line for asked in _by_object(wishes) for line in judge_object(asked, facts.get(asked[0].object.lower()), given)]
    users = judge_user(wanted, given)
    unneeded = unneeded_objects({wish.object for wish in wishes}, given)
    made = permission_set.build(wishes, facts, known_rights(wanted, given))
    return {
        "set": permission_set.to_json(made), "present": permission_set.to_json(present) if present else None,
        "lines": [asdict(line) for line in lines[:MOST_LINES]], "users": [asdict(line) for line in users],
        "unneeded": [[name, list(verbs)] for name, verbs in unneeded],
        "addresses": None if addresses is None else [asdict(each) for each in addresses], "sets": list(given.sets),
        "profile": given.profile, "license": given.license,
        "rights_findings": [asdict(each) for each in judge_rights(rights_facts(lines, users, unneeded, given))],
    }  # fmt: skip


def known_rights(wanted: Iterable[str], given: Given) -> list[str]:
    """The needed user permissions that this org has; all of them where that could not be read."""
    return [name for name in wanted if name in given.known or not given.known]


def _by_object(wishes: Iterable[Wish]) -> list[list[Wish]]:
    found: dict[str, list[Wish]] = {}
    for wish in wishes:
        found.setdefault(wish.object.lower(), []).append(wish)
    return [found[key] for key in sorted(found)]


def rights_facts(
    lines: Sequence[Line], users: Sequence[UserLine], unneeded: Sequence[tuple[str, tuple[str, ...]]], given: Given
) -> RightsFacts:
    """The comparison in words: what is missing, absent, unknown, too much."""

    def named(state: str, *, optional: bool | None = None) -> tuple[str, ...]:
        return tuple(
            f"{line.object}.{line.name}" if line.name else f"{line.object} ({', '.join(line.missing or line.extra) or 'read'})"
            for line in lines if line.state == state and (optional is None or line.optional is optional)
        )  # fmt: skip

    return RightsFacts(
        missing=named(MISSING, optional=False), absent=named(ABSENT, optional=False), unknown=named(NOT_READ),
        too_much=named(TOO_MUCH), unneeded=tuple(f"{name} ({', '.join(verbs)})" for name, verbs in unneeded),
        user_missing=tuple(each.label for each in users if each.state == MISSING),
        dangerous=tuple(f"{each.label} by {', '.join(each.given_by)}" for each in users if each.is_dangerous),
        sees_all=tuple(f"{each.label} by {', '.join(each.given_by)}" for each in users if each.name in SEES_ALL),
        deploying=tuple(each.label for each in users if each.name in DEPLOYING),
        can_read_sets=given.user_rights is not None, total=len(lines) + len(users),
    )  # fmt: skip


def facts_of(org: SalesforceOrg, body: dict[str, Any], *, now: datetime) -> ConnectionFacts:
    """What we know ourselves about how a connection signs in."""
    kinds = {"password": "password", "jwt": "private_key"}
    secret = OrgSecret.objects.filter(org=org, kind=kinds.get(org.login_method, "client_secret")).first()
    user = org.posture.get("user") or {}
    is_live = org.state == State.CONNECTED
    return ConnectionFacts(
        method=org.login_method, is_live=is_live, scope=org.scope, authorized_at=org.authorized_at if is_live else None,
        token_at=org.token_issued_at, secret_at=secret.updated_at if secret else None,
        certificate_ends=certificate_end(org.certificate), soap_ends=setup_guide.SOAP_ENDS, is_locked=vault.is_locked(org),
        revocation_pending=org.revocation_pending,
        suspicions=tuple(each.sentence for each in budget.suspicions(org, now=now)) if is_live else (),
        profile=str(body.get("profile") or user.get("Profile") or ""), license=str(body.get("license") or ""),
        user_name=org.user_name, authorized_by=org.authorized_by.get_username() if org.authorized_by else "",
    )  # fmt: skip


def certificate_end(text: str) -> datetime | None:
    """When a certificate (PEM) ends; None when there is none or it cannot be read."""
    try:
        return x509.load_pem_x509_certificate(text.encode()).not_valid_after_utc if text.strip() else None
    except ValueError:
        return None


def review_installation(*, now: datetime) -> SecurityReview:
    """Review keys, people and the audit."""
    facts, notes = installation.read_facts(now=now)
    findings = judge_installation(facts, now=now)
    return _store(None, notes | {"findings": [asdict(each) for each in findings]}, findings, now=now)


# --- history and alert ------------------------------------------------------------------------------------------------


@transaction.atomic
def _store(org: SalesforceOrg | None, body: dict[str, Any], findings: Sequence[Finding], *, now: datetime) -> SecurityReview:
    review = SecurityReview.objects.filter(org=org).first() or SecurityReview(org=org)
    review.at, review.verdict, review.body = now, verdict(findings), json.loads(json.dumps(body))  # as it will be read back
    review.save()
    new = _remember(org, findings, now=now)
    _tell(org, findings, new, now=now)
    return review


def _remember(org: SalesforceOrg | None, findings: Sequence[Finding], *, now: datetime) -> list[Finding]:
    """Keep since when each finding stands; returns those that are new or worse than before."""
    open_ = {row.key: row for row in SecurityFinding.objects.filter(org=org, ended_at=None)}
    new = []
    for each in findings:
        if each.state not in (WARN, BAD):
            continue
        row = open_.pop(each.key, None)
        if row is not None and row.state == each.state:
            values = {"title": each.title[:200], "sentence": each.sentence, "seen_at": now}
            SecurityFinding.objects.filter(pk=row.pk).update(**values)
            continue
        if row is not None:
            SecurityFinding.objects.filter(pk=row.pk).update(ended_at=now)
        SecurityFinding.objects.create(
            org=org, key=each.key, state=each.state, title=each.title[:200], sentence=each.sentence, since=now, seen_at=now
        )
        if row is None or each.state == BAD:
            new.append(each)
    SecurityFinding.objects.filter(pk__in=[row.pk for row in open_.values()]).update(ended_at=now)
    return new


def _tell(org: SalesforceOrg | None, findings: Sequence[Finding], new: Sequence[Finding], *, now: datetime) -> None:
    """One message about what is new and bad; closed when nothing bad is left. Lost access has an alert of its own."""
    key = f"security:{org.pk if org else 'installation'}"
    bad = [each for each in findings if each.state == BAD]
    if not bad:
        alerts.recover_alert(key, now=now, note="Nothing is left that needs somebody.")
        return
    told = Q(key=f"access:{org.pk}") | Q(key=f"usage:{org.pk}") if org else Q(pk=None)
    others = set(Alert.objects.filter(told, recovered_at=None).values_list("key", flat=True)) if org else set()
    covered = {"missing"} if any(name.startswith("access:") for name in others) else set()
    covered |= {"use"} if any(name.startswith("usage:") for name in others) else set()
    fresh = [each for each in new if each.state == BAD and each.key not in covered]
    if not fresh:
        return
    name = org.name if org else "This installation"
    alerts.raise_alert(
        key, code="+".join(sorted(each.key for each in fresh))[:60] + f"@{now:%Y%m%d%H%M}", severity="warning",
        title=f"{name}: {fresh[0].title.lower()}" + (f" and {len(fresh) - 1} more" if len(fresh) > 1 else ""),
        body="\n".join(f"{each.title}: {each.sentence} {each.fix}".strip() for each in fresh),
        url=f"/security/{org.pk}/" if org else "/security/", org=org, now=now,
    )  # fmt: skip


def since_by_key(org: SalesforceOrg | None) -> dict[str, datetime]:
    """Since when each open finding stands."""
    return dict(SecurityFinding.objects.filter(org=org, ended_at=None).values_list("key", "since"))


__all__ = [
    "BAD", "OK", "WARN", "certificate_end", "facts_of", "review_each", "review_installation", "review_org", "rights_facts",
    "run_daily", "since_by_key",
]  # fmt: skip
