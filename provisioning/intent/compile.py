"""A deal becomes an intent, or a list of all problems that stand against it (ST-30, ST-D4 to ST-D8, ST-D11, ST-D12). Pure.

A line states what shall be: an amendment's quantity is the new quantity, and 0 takes the line away. Days begin in the
connection's time zone; ends are exclusive.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from provisioning.intent.dates import day_words, problem_of_day, problem_of_term
from provisioning.intent.deal import Deal, DealLine
from provisioning.intent.facts import AutomationRule, Catalogue, FeatureFacts, OfferFacts, Rules, Running
from provisioning.intent.grouping import group_lines, live_of
from provisioning.intent.kinds import AMENDMENT, RENEWAL
from provisioning.intent.mapping import ENTITLEMENT, PLAN, WORDS, Mapped, choose_mapping, map_line
from provisioning.intent.quantities import UNLIMITED, problem_of_quantity
from provisioning.intent.result import (
    FROM_ACCOUNT,
    FROM_ACCOUNT_ID,
    FROM_CALLOUT,
    FROM_LINK,
    Intent,
    LineTrace,
    Problem,
    Problems,
    SubscriptionIntent,
)
from provisioning.intent.shaping import Case, Outcome, shape

NOTHING = "No line of this deal leads to the catalogue, and unmapped lines are left out."


def compile_intent(
    deal: Deal,
    *,
    settings: Rules,
    catalogue: Catalogue,
    running: Iterable[Running],
    automation: AutomationRule,
    now: datetime,
) -> Intent | Problems:
    """What `automation` makes of the deal. `running` are the subscriptions of the deal's customer, lapsed trials included."""
    subscriptions = tuple(running)
    live, kind = live_of(subscriptions), automation.trigger
    swaps = kind == AMENDMENT or (kind == RENEWAL and deal.has_quote_lines)
    problems = _problems_of_deal(deal)
    mapped: list[Mapped] = []
    traces: list[LineTrace] = []
    for line in deal.lines:
        found = map_line(line, catalogue, settings)
        wrong = found if isinstance(found, Problem) else None
        if isinstance(found, Mapped):
            wrong = problem_of_quantity(found, zero_cancels=swaps)
            mapped.append(found)
        traces.append(_trace(line, found if isinstance(found, Mapped) else None, ignored=found is None))
        problems += [wrong] if wrong else []
        problems += _problems_of_dates(line)
    if problems:
        return Problems(tuple(problems))
    groups, problems = group_lines(mapped, live, swaps=swaps)
    cases = [Case(deal, group, kind, settings, automation, subscriptions, now, catalogue.names) for group in groups]
    outcomes = [shape(each) for each in cases]
    problems += [problem for outcome in outcomes for problem in outcome.problems]
    if problems:
        return Problems(tuple(sorted(problems, key=lambda each: each.line)))
    return _intent(deal, automation, outcomes, tuple(traces))


def customer_of(deal: Deal, automation: AutomationRule | None) -> tuple[str, str]:
    """Where the customer's id comes from, and the id as far as it is known now (ST-D8)."""
    if automation is not None and automation.customer_path:
        return FROM_CALLOUT, ""
    if deal.customer_id:
        return FROM_ACCOUNT, deal.customer_id
    if deal.linked_customer_id:
        return FROM_LINK, deal.linked_customer_id
    return FROM_ACCOUNT_ID, f"sf-{deal.account_id}" if deal.account_id else ""


def _intent(deal: Deal, automation: AutomationRule, outcomes: list[Outcome], traces: tuple[LineTrace, ...]) -> Intent:
    source, customer_id = customer_of(deal, automation)
    made: list[SubscriptionIntent] = [each.intent for each in outcomes if each.intent is not None]
    notes = tuple(note for each in outcomes for note in each.notes) if outcomes else (NOTHING,)
    return Intent(automation.trigger, source, customer_id, deal.account_name, tuple(made), traces, notes)


def _problems_of_deal(deal: Deal) -> list[Problem]:
    """What is wrong with the deal as a whole (R-191)."""
    found = []
    if not deal.account_id:
        fix = "Choose the account on the opportunity."
        found.append(Problem(0, "no_account", "The opportunity has no account, so there is no customer.", fix))
    if not deal.lines:
        fix = "Add products to the opportunity."
        found.append(Problem(0, "no_lines", "The opportunity has no products.", fix))
    terms = {
        "opportunity": deal.term,
        "quote": deal.quote and deal.quote.term,
        "contract": deal.contract and deal.contract.term,
    }
    for name, term in terms.items():
        if words := problem_of_term(term):
            found.append(Problem(0, "bad_term", f"Of the {name}, {words}.", "Correct the term in Salesforce."))
    days: Mapping[str, object] = {
        "close date": deal.close_date, "start date": deal.start, "quote's start": deal.quote and deal.quote.start,
        "quote's end": deal.quote and deal.quote.end, "contract's start": deal.contract and deal.contract.start,
        "contract's end": deal.contract and deal.contract.end,
    }  # fmt: skip
    for name, day in days.items():
        if words := problem_of_day(day):  # pyright: ignore[reportArgumentType]
            found.append(Problem(0, "bad_date", f"The {name} {words}.", "Correct the date in Salesforce."))
    return found


def _problems_of_dates(line: DealLine) -> list[Problem]:
    words = problem_of_term(line.term)
    found = [("bad_term", words)] if words else []
    found += [("bad_date", f"the date {words}") for day in (line.start, line.end) if (words := problem_of_day(day))]
    if line.start and line.end and line.end < line.start:
        found.append(("bad_date", f"it ends on {day_words(line.end)} before it starts on {day_words(line.start)}"))
    fix = "Correct the dates of the line in Salesforce."
    return [Problem(line.number, code, f"{line.label}: {text}.", fix, line.name) for code, text in found]


def _trace(line: DealLine, mapped: Mapped | None, *, ignored: bool) -> LineTrace:
    quantity = "" if line.quantity is None else f"{line.quantity.normalize():f}"
    if mapped is None:
        chosen = choose_mapping(line)
        place = str(chosen.key_place or chosen.type_place or "")
        return LineTrace(line.number, line.name, chosen.type, chosen.key, "", place, quantity, ignored)
    return LineTrace(
        line.number, line.name, WORDS[mapped.type], mapped.key, mapped.entry.name, str(mapped.place), quantity,
        note=_meaning(mapped),
    )  # fmt: skip


def _meaning(mapped: Mapped) -> str:
    """What the quantity says (ST-D6)."""
    line, quantity = mapped.line, mapped.line.quantity
    if mapped.type == ENTITLEMENT:
        if line.unlimited or quantity == UNLIMITED:
            return "unlimited"
        if quantity is None:
            return "as the plan gives"
        if quantity == 0:
            return "revoked"
        is_yes_or_no = isinstance(mapped.entry, FeatureFacts) and mapped.entry.kind == "boolean"
        return "granted" if is_yes_or_no else f"limit {quantity.normalize():f}"
    if quantity == 0:
        return "taken away"
    if mapped.type == PLAN and quantity is not None and isinstance(mapped.entry, OfferFacts):
        if mapped.entry.per_seat:
            return f"{quantity.normalize():f} {'seat' if quantity == 1 else 'seats'}"
        return "the plan has no seats" if quantity != 1 else ""
    return ""
