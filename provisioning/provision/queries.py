"""What the pages and the API read about deals: lists, one deal with its steps, how each connection stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet

from integrations.models import SalesforceOrg
from integrations.salesforce.ids import is_id, to_18
from integrations.salesforce.links import record_url
from provisioning.automations.finding import templates_of
from provisioning.connection import is_working, peek_settings
from provisioning.models import Automation, Delivery, Provision, ProvisioningSettings, ProvisionStep, Subscription
from provisioning.provision import claims, saying, turns
from provisioning.provision.flags import MERGED
from provisioning.provision.places import account_fields, opportunity_fields
from provisioning.subscriptions.naming import sold_names

State = Provision.State
NEEDS = "needs"  # a person
BOTH_PATHS = timedelta(hours=24)
MOST_COMPARED = 1_000  # calls
LOOKS: Mapping[str, tuple[str, str, str]] = {
    State.WAITING: ("Waiting", "quiet", "clock"), State.RUNNING: ("Running", "info", "loader"),
    State.BLOCKED: ("Needs a person", "bad", "octagon-alert"), State.STOPPED: ("Stopped", "bad", "circle-stop"),
    State.INCOMPLETE: ("Write-back pending", "warn", "hourglass"), State.DONE: ("Done", "ok", "circle-check"),
    State.SKIPPED: ("Nothing to do", "quiet", "skip-forward"),
}  # fmt: skip
STEP_LOOKS: Mapping[str, tuple[str, str, str]] = {
    "waiting": ("Waiting", "quiet", "circle-dashed"), "running": ("Running", "info", "loader"),
    "done": ("Done", "ok", "circle-check"), "failed": ("Failed", "bad", "circle-x"),
    "skipped": ("Not needed", "quiet", "skip-forward"),
}  # fmt: skip
STEP_WORDS = {
    "compile": "Compile what the deal asks for", "callout": "Create the product's own resources",
    "customer": "Provision the customer", "subscription": "Provision the subscription",
    "write_back": "Write ids and addresses into Salesforce",
}  # fmt: skip
SOURCES = {"callout": "told by a flow", "message": "told by an outbound message", "poll": "found by Causeway",
           "manual": "started by a person"}  # fmt: skip
ANSWERS = {"keep": "keep what the customer has", "cancel_at_end": "cancel at the end of the period", "cancel_now": "cancel now"}
KINDS = {"won": "New business", "trial": "Trial", "amendment": "Amendment", "renewal": "Renewal"}
FLAGS = {
    "reopened": "Opened again after it was won", "lost": "Lost after it was won", "deleted": "Deleted after it was won",
    "merged": "Account was merged",
}  # fmt: skip
VERDICTS: Mapping[str, tuple[str, str, str]] = {
    "done": ("Done", "ok", "circle-check"), "already_done": ("Already done", "ok", "check"),
    "taken": ("Taken", "info", "hourglass"), "nothing_to_do": ("Nothing to do", "quiet", "skip-forward"),
    "blocked": ("Needs a person", "bad", "octagon-alert"), "stopped": ("Stopped", "bad", "circle-stop"),
    "not_found": ("Not found", "warn", "search"), "wrong_org": ("Wrong org", "bad", "octagon-alert"),
    "wrong_key": ("Wrong key", "bad", "lock"), "switched_off": ("Switched off", "quiet", "circle-pause"),
}  # fmt: skip


def needs_person() -> Q:
    """Deals that wait for somebody: blocked, stopped, or undone in Salesforce without an answer."""
    stopped = Q(state=State.STOPPED) & ~Q(reason_code="removed")
    return Q(state=State.BLOCKED) | stopped | (~Q(flag="") & Q(flag_answer=""))


def provisions(*, org: str = "", state: str = "", kind: str = "", search: str = "") -> QuerySet[Provision]:
    """Deals as the list and the API show them, newest first; unknown values match nothing."""
    rows = Provision.objects.select_related("org", "customer", "automation").defer("facts", "intent")
    if org:
        rows = rows.filter(org=int(org)) if org.isdecimal() and len(org) < 10 else rows.none()
    if state:
        rows = rows.filter(needs_person()) if state == NEEDS else rows.filter(state=state)
    if kind:
        rows = rows.filter(kind=kind)
    word = search.replace("\0", "").strip()
    if word and is_id(word):
        whole = to_18(word)
        rows = rows.filter(Q(opportunity_id=whole) | Q(account_id=whole))
    elif word:
        rows = rows.filter(Q(name__icontains=word) | Q(account_name__icontains=word) | Q(customer__external_id=word))
    return rows.order_by("-pk")


@dataclass
class Place:
    """How provisioning stands in one connection, for its card."""

    org: SalesforceOrg
    settings: ProvisioningSettings
    counts: dict[str, int] = field(default_factory=dict)
    needs: int = 0
    automations: list[Automation] = field(default_factory=list)
    both_paths: bool = False
    twice: list[tuple[str, datetime]] = field(default_factory=list)

    @property
    def state(self) -> tuple[str, str, str]:
        """The badge: what is wrong first."""
        if self.settings.removed_at is not None:
            return ("Removed", "quiet", "ban")
        if not self.org.is_connected:
            return ("Not connected", "quiet", "plug")
        if not is_working(self.org, self.settings):
            return ("Switched off", "quiet", "circle-pause")
        if self.needs or self.settings.poll_trouble:
            return ("Action needed", "bad", "octagon-alert")
        if not self.automations:
            return ("No automation is active", "warn", "triangle-alert")
        if not self.is_begun:
            return ("Not set up", "quiet", "circle-dashed")
        return ("Healthy", "ok", "circle-check")

    @property
    def is_begun(self) -> bool:
        """Whether somebody began to provision from it; one that nobody set up is neither polled nor watched."""
        return self.settings.checked_at is not None or bool(self.settings.callout_key_digest) or bool(self.counts)

    @property
    def is_removed(self) -> bool:
        """Whether it can be set up again."""
        return self.settings.removed_at is not None


def places(chosen: SalesforceOrg | None, *, now: datetime) -> list[Place]:
    """One card for each connection that was ever connected, problems first."""
    orgs = SalesforceOrg.objects.exclude(state=SalesforceOrg.State.NEW)
    if chosen is not None:
        orgs = orgs.filter(pk=chosen.pk)
    found = {org.pk: Place(org, peek_settings(org)) for org in orgs.order_by("name")}
    rows = Provision.objects.filter(org__in=found)
    for org_id, state, n in rows.values_list("org", "state").annotate(n=Count("id")).order_by():
        found[org_id].counts[state] = n
    for org_id, n in rows.filter(needs_person()).values_list("org").annotate(n=Count("id")).order_by():
        found[org_id].needs = n
    kept: dict[int, list[Automation]] = {}
    for automation in Automation.objects.filter(org__in=found).order_by("trigger", "name"):
        kept.setdefault(automation.org_id, []).append(automation)
    for pk, place in found.items():  # a connection that nobody looked at yet has the templates, which are active
        rows_of = kept.get(pk) or templates_of(place.org, now=now)
        place.automations = [each for each in rows_of if each.is_active]
        place.both_paths = has_both_paths(place.org, place.settings, now=now)
        called = place.settings.last_callout_at is not None and now - place.settings.last_callout_at < BOTH_PATHS
        place.twice = calls_twice(place.org, now=now) if called else []
    return sorted(found.values(), key=lambda place: (-place.needs, place.org.name))


def has_both_paths(org: SalesforceOrg, settings: ProvisioningSettings, *, now: datetime) -> bool:
    """ST-D14: an automation in Salesforce calls us while our poll looks at the same deals. Harmless, but worth knowing."""
    calls = settings.last_callout_at is not None and now - settings.last_callout_at < BOTH_PATHS
    polls = settings.polled_at is not None and now - settings.polled_at < BOTH_PATHS
    return calls and polls and is_working(org, settings)


def calls_twice(org: SalesforceOrg, *, now: datetime) -> list[tuple[str, datetime]]:
    """ST-38: the ways by which Salesforce told us of the same deal within a day, each with its last call; [] when it was one.

    A flow's callout and an outbound message do no harm together, but one of them is work for nothing.
    """
    rows = Delivery.objects.filter(org=org, received_at__gt=now - BOTH_PATHS, status__lt=300).order_by("-received_at")
    deals: dict[str, set[str]] = {}
    last: dict[str, datetime] = {}
    for source, ids, at in rows.values_list("source", "opportunity_ids", "received_at")[:MOST_COMPARED]:
        deals.setdefault(source, set()).update(ids)
        last.setdefault(source, at)
    same = len(deals) > 1 and bool(set.intersection(*deals.values()))
    return [(Provision.Source(source).label, last[source]) for source in sorted(deals)] if same else []


def deliveries(org: SalesforceOrg | None = None, *, most: int = 20) -> list[Delivery]:
    """The last incoming calls; of strangers, too, when no connection is chosen."""
    rows = Delivery.objects.select_related("org").order_by("-pk")
    return list((rows.filter(org=org) if org is not None else rows)[:most])


@dataclass(frozen=True)
class StepView:
    """A step as the page shows it."""

    name: str
    words: str
    row: ProvisionStep
    look: tuple[str, str, str]
    said: str = ""


def steps_of(provision: Provision) -> list[StepView]:
    """The five steps in their order."""
    rows, settings = turns.load_steps(provision), peek_settings(provision.org)
    named = {"account": account_fields(settings), "opportunity": opportunity_fields(settings)}
    written = [name for name, fields in named.items() if fields]
    return [
        StepView(name, STEP_WORDS[name], rows[name], STEP_LOOKS[rows[name].state], _said(provision, rows[name], written))
        for name in turns.NAMES
    ]


def _said(provision: Provision, row: ProvisionStep, written: list[str]) -> str:
    """What a step did or why it did not; notes of the first one stand behind what it counted."""
    skipped = row.state == ProvisionStep.State.SKIPPED
    if row.state not in turns.FINISHED or (row.sentence and (skipped or row.name != turns.COMPILE)):
        return row.sentence
    words = saying.said_of(
        row.name, skipped=skipped, intent=provision.intent, result=provision.result, detail=row.detail,
        zone=str(provision.facts.get("time_zone") or "UTC"), written=written,
        names=_sold(provision) if row.name == turns.SUBSCRIPTION else None,
    )  # fmt: skip
    return f"{words} {row.sentence}".strip()


def _sold(provision: Provision) -> dict[str, str]:
    """What the catalogue calls the products and plans of a deal."""
    steps = provision.intent.get("subscriptions") or []
    return sold_names([each["product"] for each in steps], [each["terms"]["plan"] for each in steps])


def resumable(provision: Provision, *, now: datetime) -> str:
    """The step where a person may try again, "" when there is nothing to try."""
    held = provision.claimed_until is not None and provision.claimed_until > now
    if provision.state in (State.DONE, State.SKIPPED) or held or provision.reason_code == "removed":
        return ""
    return next((name for name, row in turns.load_steps(provision).items() if row.state not in turns.FINISHED), "")


def is_moving(provision: Provision) -> bool:
    """Whether the page should look again by itself."""
    return provision.state in (State.WAITING, State.RUNNING, State.INCOMPLETE)


def may_answer(provision: Provision) -> list[tuple[str, str]]:
    """What a person can decide about a flagged deal."""
    if not provision.flag or provision.flag_answer:
        return []
    keep = [("keep", "Keep what the customer has")]
    if provision.flag == MERGED:
        return keep
    return [*keep, ("cancel_at_end", "Cancel at the end of the period"), ("cancel_now", "Cancel now")]


def links_of(provision: Provision) -> dict[str, str]:
    """Addresses of the records in Salesforce, "" where they are not known."""
    base = provision.org.instance_url
    return {
        "opportunity": record_url(base, provision.opportunity_id) if base else "",
        "account": record_url(base, provision.account_id) if base and provision.account_id else "",
    }


def may_ask_again(provision: Provision) -> bool:
    """Whether a person may let a deal be provisioned anew: everything that it gave has ended."""
    if provision.state not in (State.DONE, State.INCOMPLETE):
        return False
    newest = claims.newest(provision.org, provision.opportunity_id).get(provision.slot)
    keys = provision.result.get("subscription_ids") or []
    ended = not Subscription.objects.filter(key__in=keys).exclude(running_key=None).exists()
    return newest is not None and newest.pk == provision.pk and bool(keys) and ended


def as_json(provision: Provision, *, whole: bool = False) -> dict[str, Any]:
    """A deal as the API shows it; `whole` with steps, intent and problems."""
    result = provision.result
    shown: dict[str, Any] = {
        "id": provision.pk, "connection": provision.org_id, "opportunity_id": provision.opportunity_id, "name": provision.name,
        "account_id": provision.account_id, "account_name": provision.account_name, "kind": provision.kind,
        "slot": provision.slot, "version": provision.version, "source": provision.source, "state": provision.state,
        "reason_code": provision.reason_code, "sentence": provision.sentence, "problems": provision.problems,
        "flag": provision.flag, "flag_answer": provision.flag_answer,
        "automation": provision.automation.name if provision.automation else "",
        "automation_version": provision.automation_version,
        "customer_id": result.get("customer_id", ""), "customer_url": result.get("customer_url", ""),
        "subscription_ids": result.get("subscription_ids", []), "subscription_urls": result.get("subscription_urls", []),
        "opened_at": provision.opened_at, "finished_at": provision.finished_at, "next_try_at": provision.not_before,
    }  # fmt: skip
    if whole:
        shown["intent"] = provision.intent
        shown["steps"] = [
            {
                "name": each.name, "state": each.row.state, "attempts": each.row.attempts, "started_at": each.row.started_at,
                "ended_at": each.row.ended_at, "reason_code": each.row.reason_code, "sentence": each.row.sentence,
            }
            for each in steps_of(provision)
        ]  # fmt: skip
    return shown
