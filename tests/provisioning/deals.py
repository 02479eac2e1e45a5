"""A small catalogue and deals as plain values, for tests of decisions."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from provisioning.intent.compile import compile_intent
from provisioning.intent.deal import Deal, DealLine, MappedTo, Place
from provisioning.intent.facts import AutomationRule, Catalogue, FeatureFacts, OfferFacts, Rules, Running
from provisioning.intent.result import Intent, Problems
from provisioning.subscriptions.spec import AddOnLine, OverrideLine, TermsSpec

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ACCOUNT, OPPORTUNITY = "001000000000001AAA", "006000000000001AAA"


def offer(key: str, product: str = "crm", **more: Any) -> OfferFacts:
    return OfferFacts(key, key.partition("-")[2].title(), product, product.upper(), **more)


CATALOGUE = Catalogue(
    plans={
        each.key: each
        for each in (
            offer("plan-basic", features=frozenset(["feature-calls"])),
            offer("plan-pro", per_seat=True, features=frozenset(["feature-calls", "feature-sso"])),
            offer("plan-old", archived=True),
            offer("plan-draft", published=False),
            offer("plan-desk", "desk", trial_days=30, features=frozenset(["feature-tickets"])),
        )
    },
    add_ons={each.key: each for each in (offer("addon-support"), offer("addon-storage"), offer("addon-desk", "desk"))},
    features={
        each.key: each
        for each in (
            FeatureFacts("feature-calls", "API calls", "metered"),
            FeatureFacts("feature-sso", "Single sign-on", "boolean"),
            FeatureFacts("feature-tickets", "Tickets", "numeric"),
        )
    },
)


def line(number: int, key: str = "", quantity: Any = 1, *, type_: str | None = None, place: Place = Place.PRODUCT,
         **more: Any) -> DealLine:  # fmt: skip
    """A line that is mapped on the product unless `place` says otherwise."""
    word = {"plan": "Plan", "addon": "Add-on", "feature": "Entitlement"}.get(key.partition("-")[0], "")
    mapped = (MappedTo(place, word if type_ is None else type_, key),)
    amount = None if quantity is None else Decimal(str(quantity))
    return DealLine(
        f"00k{number:012d}AAA", number, f"Item {number}", quantity=amount, mappings=more.pop("mappings", mapped), **more
    )


def deal(*lines: DealLine, **more: Any) -> Deal:
    """A won deal of 22 November 2026."""
    given: dict[str, Any] = {
        "id": OPPORTUNITY, "name": "Acme", "stage": "Closed Won", "is_closed": True, "is_won": True,
        "close_date": date(2026, 11, 22), "account_id": ACCOUNT, "account_name": "Acme",
    }  # fmt: skip
    return Deal(**{**given, **more}, lines=lines)


def automation(trigger: str = "won", **more: Any) -> AutomationRule:
    return AutomationRule(1, f"On {trigger}", trigger, **more)


def compiled(given: Deal, *, trigger: str = "won", running: tuple[Running, ...] = (), rules: Rules | None = None,
             now: datetime = NOW, catalogue: Catalogue = CATALOGUE, **more: Any) -> Intent | Problems:  # fmt: skip
    return compile_intent(
        given, settings=rules or Rules(), catalogue=catalogue, running=running, automation=automation(trigger, **more), now=now
    )


def intent(given: Deal, **more: Any) -> Intent:
    """The intent of a deal that has no problems."""
    found = compiled(given, **more)
    assert isinstance(found, Intent), found
    return found


def problems(given: Deal, **more: Any) -> list[tuple[int, str]]:
    """(line, code) of what stands against a deal."""
    found = compiled(given, **more)
    assert isinstance(found, Problems), found
    return [(each.line, each.code) for each in found.items]


def terms(plan: str = "plan-pro", seats: Any = None, add_ons: dict[str, Any] | None = None,
          overrides: tuple[OverrideLine, ...] = ()) -> TermsSpec:  # fmt: skip
    lines = tuple(AddOnLine(key, Decimal(str(number))) for key, number in (add_ons or {}).items())
    return TermsSpec(plan, None if seats is None else Decimal(str(seats)), lines, overrides)


def subscription(spec: TermsSpec | None = None, **more: Any) -> Running:
    """A paid subscription of the year 2026 that another deal made."""
    given: dict[str, Any] = {
        "key": "sub-1", "product": "crm", "status": "active", "starts_at": datetime(2026, 1, 1, tzinfo=UTC),
        "ends_at": datetime(2027, 1, 1, tzinfo=UTC), "opportunity_id": "006000000000009AAA",
    }  # fmt: skip
    given |= more
    known = CATALOGUE.plans[(spec or terms()).plan]
    given.setdefault("terms", ((given["starts_at"], spec or terms(seats=10)),))
    return Running(**{"features": known.features, **given})


def trial(**more: Any) -> Running:
    """A trial of the same deal that began two weeks ago."""
    given: dict[str, Any] = {
        "key": "sub-2", "status": "trial", "is_trial": True, "starts_at": datetime(2026, 11, 10, 9, 30, tzinfo=UTC),
        "trial_ends_at": datetime(2026, 11, 24, 9, 30, tzinfo=UTC), "ends_at": None, "opportunity_id": OPPORTUNITY,
    }  # fmt: skip
    return subscription(terms(seats=5), **{**given, **more})


def with_lines(given: Deal, *lines: DealLine) -> Deal:
    return replace(given, lines=lines)
