"""Knowing before closing: what each open deal would provision if it were won today, and a dry run of any deal.

The same reading, choosing and compiling as the real thing; nothing is written, here or in Salesforce.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from integrations.models import SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce.client import Client
from integrations.salesforce.soql import select, selects
from provisioning.automations.callout import Request, render, values_of
from provisioning.automations.finding import read_automations
from provisioning.automations.matching import choose, why_not
from provisioning.automations.placeholders import TemplateWrong
from provisioning.automations.stages import Stage, read_stages
from provisioning.connection import DOMAIN, settings_of
from provisioning.intent.compile import compile_intent, customer_of
from provisioning.intent.dates import day_of, zone_of
from provisioning.intent.deal import Deal
from provisioning.intent.facts import AutomationRule, Catalogue, Rules
from provisioning.intent.lines import MOST_LINES, Reading, read_deal
from provisioning.intent.loading import (
    accounts_with_customer,
    load_catalogue,
    load_running,
    names_known,
    rule_of,
    rules_of,
)
from provisioning.intent.needed import fields_of
from provisioning.intent.result import Intent, Problem, Problems
from provisioning.intent.seeing import QUOTE, QUOTE_LINE
from provisioning.intent.wording import sentence_of
from provisioning.models import Automation
from provisioning.provision.customers import find_customer

MOST_DEALS = 200
DRY_RUN_KEY = "dry-run"
OBSTACLES = {
    "unmapped": "leads nowhere", "unknown_id": "leads to something that the catalogue does not have",
    "prefix_mismatch": "type and id disagree", "no_type": "has an id but no type", "no_id": "has a type but no id",
    "unknown_type": "has an unknown type", "archived": "leads to something archived", "not_published": "leads to a draft",
    "no_lines": "No products on the opportunity", "no_account": "No account on the opportunity",
    "bad_quantity": "has an impossible quantity", "two_plans": "two plans of one product",
    "no_plan": "needs a plan that the customer does not have", "already_subscribed": "the customer has it already",
}  # fmt: skip


@dataclass(frozen=True)
class Forecast:
    """What would become of a deal. `assumed`: it was taken as won today, though it is open."""

    deal: Deal
    automation: Automation | None = None
    intent: Intent | None = None
    problems: tuple[Problem, ...] = ()
    why_not: str = ""
    assumed: bool = False
    request: Request | None = None
    request_problem: str = ""
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """`ready`, `blocked` or `nothing`."""
        return "blocked" if self.problems else "ready" if self.intent is not None and self.intent.subscriptions else "nothing"

    @property
    def sentence(self) -> str:
        """For a person: what would happen, or what stands against it."""
        today = "Closed today, this" if self.assumed else "This"
        if self.problems:
            return f"{today} would fail: {' '.join(each.message for each in self.problems)}"
        if self.intent is None or not self.intent.subscriptions:
            why = self.why_not or " ".join(self.intent.notes if self.intent else ())
            return f"{today} would provision nothing. {why}".strip()
        return f"{today} would provision {self._said(self.intent)}."

    @property
    def words(self) -> str:
        """The same for a list whose columns say already whether it would fail."""
        if self.problems:
            return " ".join(each.message for each in self.problems)
        if self.intent is None or not self.intent.subscriptions:
            return self.why_not or " ".join(self.intent.notes if self.intent else ())
        said = self._said(self.intent)
        return f"{said[0].upper()}{said[1:]}."

    def _said(self, intent: Intent) -> str:
        return sentence_of(intent, self.names, zone=self.deal.time_zone)

    def as_dict(self) -> dict[str, Any]:
        """JSON for the API."""
        deal = self.deal
        return {
            "opportunity_id": deal.id, "name": deal.name, "stage": deal.stage, "close_date": deal.close_date,
            "account_id": deal.account_id, "account_name": deal.account_name, "state": self.state, "sentence": self.sentence,
            "assumed_won_today": self.assumed, "automation": self.automation.name if self.automation else "",
            "problems": [each.as_dict() for each in self.problems], "intent": self.intent.as_dict() if self.intent else None,
            "request": _shown(self.request), "request_problem": self.request_problem,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing that would make deals fail. `name` is the product's, empty when it is about whole deals."""

    code: str
    name: str
    deals: int
    fix: str

    @property
    def words(self) -> str:
        """For a person."""
        what = OBSTACLES.get(self.code, self.code.replace("_", " "))
        return f"{self.name}: {what}" if self.name else what


@dataclass(frozen=True)
class Preflight:
    """The open deals of a connection, soonest close date first; `more`: there are further ones that were not looked at."""

    forecasts: tuple[Forecast, ...]
    more: bool
    looked_at: datetime

    @property
    def obstacles(self) -> list["Obstacle"]:
        """What stands in the way of most deals, most first: a product that leads nowhere is one obstacle for all its deals."""
        deals: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        fixes: dict[tuple[str, str], str] = {}
        for each in self.forecasts:
            for problem in each.problems:
                key = (problem.code, problem.name or each.deal.name if problem.line else "")
                deals[key].add(each.deal.id)
                fixes.setdefault(key, problem.fix)
        found = [Obstacle(code, name, len(ids), fixes[code, name]) for (code, name), ids in deals.items()]
        return sorted(found, key=lambda each: (-each.deals, each.code, each.name))

    def count(self, state: str) -> int:
        """How many are ready, blocked, or call for nothing."""
        return sum(each.state == state for each in self.forecasts)


@dataclass(frozen=True)
class Ground:
    """What every forecast of a connection needs."""

    org: SalesforceOrg
    automations: tuple[Automation, ...]
    rules: Rules
    catalogue: Catalogue
    stages: tuple[Stage, ...]
    now: datetime
    names: frozenset[str] | None = None  # ids of customers that exist, where many deals are judged; None = any


def check_open_deals(
    org: SalesforceOrg, *, now: datetime, most: int = MOST_DEALS, opportunity_ids: Iterable[str] = ()
) -> Preflight:
    """Every open deal as if it were won today, at most `most`. A handful of calls; raises what the connection raises."""
    with client_for(org, domain=DOMAIN) as client:
        ground = ground_of(org, client, now=now)
        extra = [name for each in ground.automations for name in fields_of(each)]
        deals, more = _read_open(Reading(client, org, extra), client, most, tuple(opportunity_ids))
    ground = replace(ground, names=names_known({customer_of(each, None)[1] for each in deals}))
    return Preflight(tuple(forecast(ground, each, closing=True) for each in deals), more, now)


def dry_run(org: SalesforceOrg, opportunity_id: str, *, now: datetime, automation: Automation | None = None) -> Forecast:
    """What the deal would provision now, whether it is open, won or lost.

    `automation`: what this one would do, also while it is not active or not saved. Raises `DealGone`, `SalesforceError`,
    `NotConnected`.
    """
    with client_for(org, domain=DOMAIN) as client:
        deal = read_deal(client, org, opportunity_id, extra=fields_of(automation) if automation else ())
        ground = ground_of(org, client, now=now)
    return forecast(ground, deal, automation)


def ground_of(org: SalesforceOrg, client: Client, *, now: datetime) -> Ground:
    """Settings, automations, catalogue and stages of a connection."""
    active = [each for each in read_automations(org, now=now) if each.is_active]
    return Ground(org, tuple(active), rules_of(settings_of(org)), load_catalogue(), read_stages(org, client), now)


def forecast(ground: Ground, deal: Deal, automation: Automation | None = None, *, closing: bool = False) -> Forecast:
    """What becomes of one deal as it stands; an open one that nothing answers to is taken as won today.

    `closing`: an open deal is taken as won today even if a trial answers to it now.
    """
    known = [automation] if automation is not None else list(ground.automations)
    rules = [replace(rule_of(each), is_active=True) for each in known]
    as_won = [] if deal.is_closed else _as_won(ground, deal)
    for shape in as_won if closing and as_won else [deal, *as_won]:
        chosen = choose(rules, shape, rules=ground.rules)
        if chosen is not None:
            return replace(_judge(ground, shape, known[rules.index(chosen)], assumed=shape is not deal), deal=deal)
    return Forecast(deal, automation, why_not=_why_nothing(ground, rules, as_won[0] if as_won else deal), assumed=bool(as_won))


def _as_won(ground: Ground, deal: Deal) -> list[Deal]:
    """The open deal in each stage that means won; the usual one first."""
    today = day_of(ground.now, zone_of(deal.time_zone))
    won = [each.name for each in ground.stages if each.is_won] or ["Closed Won"]
    values = {**deal.values, "IsWon": True, "IsClosed": True, "CloseDate": today.isoformat()}
    return [
        replace(
            deal, stage=stage, is_won=True, is_closed=True, close_date=today, values={**values, "StageName": stage}
        ) for stage in won
    ]  # fmt: skip


def _why_nothing(ground: Ground, rules: list[AutomationRule], deal: Deal) -> str:
    """The reason that says most: one automation's own, or the first that is not just another sort of deal."""
    if not rules:
        return "No automation is active."
    if deal.is_closed and not deal.is_won:
        return "The opportunity is lost."
    reasons = [why_not(each, deal, ground.rules) for each in rules if each.trigger != "trial" or len(rules) == 1]
    told = [each for each in reasons if not each.startswith("The deal is ")] or reasons
    return f"No active automation answers to it. {told[0]}" if told and len(rules) > 1 else told[0] if told else ""


def _judge(ground: Ground, deal: Deal, automation: Automation, *, assumed: bool = False) -> Forecast:
    name = customer_of(deal, None)[1]
    owner = find_customer(name) if ground.names is None or name in ground.names else None
    found = compile_intent(
        deal, settings=ground.rules, catalogue=ground.catalogue, running=load_running(owner, now=ground.now),
        automation=rule_of(automation), now=ground.now,
    )  # fmt: skip
    if isinstance(found, Problems):
        return Forecast(deal, automation, problems=found.items, assumed=assumed)
    request, problem = _request(ground, deal, automation, found)
    names = ground.catalogue.names
    return Forecast(deal, automation, found, assumed=assumed, request=request, request_problem=problem, names=names)


def _request(ground: Ground, deal: Deal, automation: Automation, intent: Intent) -> tuple[Request | None, str]:
    """The request that the automation would send, without secrets; nothing is sent."""
    if not (isinstance(automation.callout, dict) and automation.callout.get("url")):
        return None, ""
    values = values_of(deal, intent, key=DRY_RUN_KEY, org_id=ground.org.org_id)
    try:
        return render(automation.callout, values), ""
    except TemplateWrong as error:
        return None, str(error)


def _shown(request: Request | None) -> dict[str, Any] | None:
    if request is None:
        return None
    return {"method": request.method, "url": request.url, "headers": dict(request.shown), "body": request.body}


# --- reading many at once ----------------------------------------------------------------------------------------------------


def _read_open(reading: Reading, client: Client, most: int, only: tuple[str, ...]) -> tuple[list[Deal], bool]:
    """Open deals with their lines: one query for the deals, one for their lines (more only where addresses get too long)."""
    reading.look()
    names = reading.opportunity_fields()
    if only:
        queries = selects("Opportunity", names, key="Id", values=only[:most], where=["IsClosed = false"])
        records = [row for query in queries for row in client.query_all(query)]
    else:
        order = ["CloseDate ASC", "Id ASC"]
        records = client.query_all(select("Opportunity", names, where=["IsClosed = false"], order_by=order, limit=most + 1))
    more, records = len(records) > most, records[:most]
    ids = [str(each["Id"]) for each in records]
    reading.known_accounts = accounts_with_customer(reading.org, [str(each.get("AccountId") or "") for each in records])
    lines = _grouped(client, "OpportunityLineItem", reading.line_fields(), "OpportunityId", ids)
    quotes: dict[str, list[dict[str, Any]]] = {}
    if ids and reading.sight.has_quotes() and reading.sight.field(QUOTE, "SBQQ__Primary__c") is not None:
        parent = "SBQQ__Quote__r.SBQQ__Opportunity2__c"
        where = ["SBQQ__Quote__r.SBQQ__Primary__c = true"]
        quotes = _grouped(client, QUOTE_LINE, [*reading.quote_line_fields(), parent], parent, ids, where)
    return [reading.deal(each, lines.get(each["Id"], []), quotes.get(each["Id"], [])) for each in records], more


def _grouped(
    client: Client, object_: str, names: list[str], key: str, ids: list[str], where: Iterable[str] = ()
) -> dict[str, list[dict[str, Any]]]:
    """Rows of many deals by deal. A deal with too many lines keeps one more than are allowed, so that it is noticed."""
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for query in selects(object_, names, key=key, values=ids, where=list(where)) if ids else ():
        for row in client.query(query):
            value: Any = row
            for step in key.split("."):
                value = (value or {}).get(step)
            if len(found[str(value)]) <= MOST_LINES:
                found[str(value)].append(row)
    return found
