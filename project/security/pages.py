"""What the pages of security show, read from the reviews that are kept; nothing is asked of Salesforce here."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Sum
from django.urls import reverse

from integrations.models import ApiUsage, AuditEntry, OrgSecret, SalesforceOrg, SecurityFinding, SecurityReview
from integrations.orgs import budget, setup_guide
from integrations.orgs.states import State
from project.security import permission_set, usage
from project.security.posture import BAD, OK, ORDER, UNKNOWN, WARN
from project.security.review import since_by_key

BADGES = {
    OK: ("ok", "Good", "shield-check"), UNKNOWN: ("quiet", "Not known", "circle-dashed"),
    WARN: ("warn", "Look at it", "triangle-alert"), BAD: ("bad", "Act now", "octagon-alert"),
}  # fmt: skip
LINE_BADGES = {
    "ok": ("ok", "As needed", "circle-check"), "missing": ("bad", "Missing", "octagon-alert"),
    "absent": ("warn", "Not in the org", "circle-question-mark"), "unknown": ("quiet", "Not told", "circle-dashed"),
    "too_much": ("warn", "More than needed", "triangle-alert"),
}  # fmt: skip
TOO_BROAD = ("bad", "Too broad", "octagon-alert")
STEPS = ("list", "revoke", "rotate", "used")


def places_of(org: SalesforceOrg | None) -> dict[str, str]:
    """Where the button of a finding leads, by the word in the finding."""
    places = {
        "drill": reverse("security_drill"), "audit": reverse("audit_log"), "people": reverse("security_people"),
        "api_keys": reverse("admin:integrations_apikey_changelist"),
    }  # fmt: skip
    if org is not None:
        places |= {
            "connection": reverse("integrations:connection", args=[org.pk]),
            "credentials": reverse("integrations:connection_credentials", args=[org.pk]),
            "permission_set": reverse("security_permission_set", args=[org.pk]),
        }
    return places


def findings_of(review: SecurityReview | None, org: SalesforceOrg | None) -> list[dict[str, Any]]:
    """The findings with their badge, button and since when; the worst first."""
    if review is None:
        return []
    since, places = since_by_key(org), places_of(org)
    rows = [
        {**each, "badge": BADGES[each["state"]], "since": since.get(each["key"]), "href": places.get(each["url"], "")}
        for each in review.body.get("findings", [])
    ]
    return sorted(rows, key=lambda row: -ORDER.index(row["state"]))


def overview() -> dict[str, Any]:
    """One line a connection with its verdict, and the installation."""
    reviews = {each.org.pk if each.org else 0: each for each in SecurityReview.objects.select_related("org")}
    rows = []
    for org in SalesforceOrg.objects.all():
        review = reviews.get(org.pk)
        findings = findings_of(review, org)
        urgent = [each for each in findings if each["state"] in (BAD, WARN)]
        is_live = org.state == State.CONNECTED
        rows.append({
            "org": org, "review": review, "badge": BADGES[review.verdict if review else UNKNOWN], "first": urgent[:1],
            "count": len(urgent), "is_live": is_live, "rank": ORDER.index(review.verdict) if review else 0,
            "soap": org.login_method == SalesforceOrg.LoginMethod.PASSWORD,
        })  # fmt: skip
    rows.sort(key=lambda row: (-row["rank"], row["org"].name.lower()))
    installation = reviews.get(0)
    return {
        "rows": rows, "installation": installation, "installation_findings": findings_of(installation, None),
        "installation_badge": BADGES[installation.verdict if installation else UNKNOWN],
        "live": sum(row["is_live"] for row in rows),
    }  # fmt: skip


def one(org: SalesforceOrg, *, domain: str = "", show: str = "", now: datetime) -> dict[str, Any]:
    """Everything about one connection. `domain` and `show` (all or deviating) narrow the table."""
    review = SecurityReview.objects.filter(org=org).first()
    body: Mapping[str, Any] = review.body if review else {}
    lines = [each | {"badge": LINE_BADGES[each["state"]]} for each in body.get("lines", [])]
    domains = sorted({name for each in lines for name in each["domains"]})
    shown = [
        each for each in lines
        if (not domain or domain in each["domains"]) and (show == "all" or each["state"] != "ok")
    ]  # fmt: skip
    soap = org.login_method == SalesforceOrg.LoginMethod.PASSWORD
    return {
        "review": review, "badge": BADGES[review.verdict if review else UNKNOWN], "findings": findings_of(review, org),
        "groups": _grouped(shown), "domains": domains, "domain": domain, "show": show, "line_count": len(lines),
        "good_count": sum(each["state"] == "ok" for each in lines), "shown_count": len(shown),
        "users": [each | {"badge": _user_badge(each)} for each in body.get("users", [])],
        "unneeded": body.get("unneeded", []), "addresses": body.get("addresses"), "sets": body.get("sets", []),
        "soap_days": (setup_guide.SOAP_ENDS - now.date()).days if soap else None, "soap_ends": setup_guide.SOAP_ENDS,
        "secrets": list(OrgSecret.objects.filter(org=org).order_by("kind")), "usage": usage_of(org, now=now),
        "history": list(SecurityFinding.objects.filter(org=org)[:30]), "base_url": settings.BASE_URL,
        "has_set": bool(body.get("set")),
    }  # fmt: skip


def _user_badge(line: Mapping[str, Any]) -> tuple[str, str, str]:
    return TOO_BROAD if line["is_dangerous"] else LINE_BADGES[line["state"]]


def _grouped(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines by object, in their order."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        groups.setdefault(line["object"], []).append(line)
    return [{"object": name, "lines": found} for name, found in groups.items()]


def usage_of(org: SalesforceOrg, *, now: datetime) -> dict[str, Any]:
    """Figures behind "unusual use" (S-011): what was counted, and what it is compared with."""
    use = budget.allowance(org, now=now)
    compared = usage.compared(org, now=now)
    return {
        "allowance": use, "suspicions": budget.suspicions(org, now=now), "compared": compared,
        "others": max(0, use.used - use.ours) if use.used is not None else None,
        "stranger_share": round(budget.STRANGER_SHARE * 100), "factor": budget.UNUSUAL_FACTOR, "from": budget.UNUSUAL_FROM,
    }  # fmt: skip


def preview(org: SalesforceOrg, *, all_records: bool) -> dict[str, Any]:
    """The generated set, and what deploying it would change in the org as of the latest review."""
    review = SecurityReview.objects.filter(org=org).first()
    body = review.body if review else {}
    if not body.get("set"):
        return {"review": review, "made": None}
    made = permission_set.from_json(body["set"], all_records=all_records)
    present = permission_set.from_json(body["present"]) if body.get("present") else None
    return {
        "review": review, "made": made, "present": present, "changes": permission_set.changes(present, made),
        "xml": permission_set.file_of(made).decode(), "name": permission_set.NAME, "all_records": all_records,
        "users": [each for each in body.get("users", []) if each["name"] in made.user_permissions],
        "license": body.get("license", ""), "sets": body.get("sets", []),
    }  # fmt: skip


def drill(*, now: datetime) -> dict[str, Any]:
    """Where the drill of a stolen token stands (S-116), counted from what was done since it began."""
    began = AuditEntry.objects.filter(action="security.drill_started").first()
    since = began.at if began else None
    ended = AuditEntry.objects.filter(action="security.drill_ended", at__gte=since).first() if since else None
    live = SalesforceOrg.objects.exclude(state__in=[State.NEW, State.DISCONNECTED])
    steps = dict.fromkeys(STEPS, False)
    if since:
        done = AuditEntry.objects.filter(at__gte=since)
        steps |= {
            "list": True,
            "revoke": done.filter(action__in=["connection.all_revoked", "connection.disconnected"]).exists(),
            "rotate": done.filter(action="vault.rotated").exists(), "used": ended is not None,
        }  # fmt: skip
    orgs = [{"org": org, "secrets": OrgSecret.objects.filter(org=org).count(), "calls": _calls(org, now=now)} for org in live]
    minutes = int(((ended.at if ended else now) - since).total_seconds() // 60) if since else None
    return {
        "began": began, "ended": ended, "steps": steps, "orgs": orgs, "minutes": minutes,
        "is_late": bool(minutes and minutes > 15),
        "pending": SalesforceOrg.objects.filter(revocation_pending=True).count(), "used": used_lately(now=now),
        "day": (now - timedelta(days=1)).date(), "keys": len(settings.FIELD_ENCRYPTION_KEYS),
    }  # fmt: skip


def _calls(org: SalesforceOrg, *, now: datetime) -> int:
    day = ApiUsage.objects.filter(org=org, hour__gte=now - timedelta(hours=24))
    return day.aggregate(n=Sum("calls", default=0))["n"]


def used_lately(*, now: datetime, most: int = 100) -> list[AuditEntry]:
    """Who did what with connections, secrets and keys in the last seven days, the newest first."""
    nouns = ("connection.", "vault.", "api_key.", "write_key.", "export.", "login.", "signin.", "security.", "user.")
    entries = AuditEntry.objects.filter(at__gte=now - timedelta(days=7))
    found = entries.none()
    for noun in nouns:
        found = found | entries.filter(action__startswith=noun)
    return list(found.order_by("-id")[:most])
