"""A catalogue for the demonstration: plans for the editions that the demo org sells, add-ons, support, features of every kind.

Everything is fixed, so that filling again changes nothing; a second version and a draft show how a catalogue grows.
"""

from datetime import datetime, timedelta
from typing import Any

from provisioning.catalogue import authoring, finding, yaml_text
from provisioning.catalogue.files import load
from provisioning.models import Offer, OfferVersion, Product

LINES = ("Planning", "Forecasting", "Workspace", "Connect", "Insights")
FEATURES: tuple[dict[str, Any], ...] = (
    {
        "key": "feature-sso",
        "name": "Single sign-on",
        "kind": "boolean",
        "description": "Sign in by your own identity provider.",
    },
    {"key": "feature-audit-trail", "name": "Audit trail", "kind": "boolean"},
    {"key": "feature-data-residency", "name": "Data residency EU", "kind": "boolean"},
    {"key": "feature-custom-roles", "name": "Custom roles", "kind": "boolean"},
    {"key": "feature-priority-support", "name": "Priority support", "kind": "boolean"},
    {"key": "feature-seats", "name": "Seats", "kind": "numeric", "unit": "seats"},
    {"key": "feature-sandboxes", "name": "Sandboxes", "kind": "numeric", "unit": "sandboxes"},
    {"key": "feature-models", "name": "Models", "kind": "numeric", "unit": "models"},
    {"key": "feature-api-calls", "name": "API calls", "kind": "metered", "unit": "calls"},
    {"key": "feature-storage", "name": "Storage", "kind": "metered", "unit": "GB"},
    {"key": "feature-workflow-runs", "name": "Workflow runs", "kind": "metered", "unit": "runs"},
    {"key": "feature-exports", "name": "Exports", "kind": "metered", "unit": "exports", "event_name": "report_exported"},
    {"key": "feature-assistant", "name": "Assistant answers", "kind": "metered", "unit": "answers"},
    {"key": "feature-tickets", "name": "Support tickets", "kind": "metered", "unit": "tickets"},
)


def _line(feature: str, limit: int | None = None, **more: Any) -> dict[str, Any]:
    return {"feature": f"feature-{feature}", **({} if limit is None else {"limit": limit}), **more}


def _edition(edition: str) -> list[dict[str, Any]]:
    team = [
        _line("seats", 1, per_seat=True), _line("models", 5), _line("api-calls", 100_000, reset="month"),
        _line("storage", 10), _line("workflow-runs", 1_000, reset="month"), _line("exports", 20, reset="day", soft=True),
    ]  # fmt: skip
    business = [
        _line("seats", 1, per_seat=True), _line("models", 50), _line("sandboxes", 1), _line("sso"), _line("custom-roles"),
        _line("api-calls", 1_000_000, reset="month"), _line("storage", 2, per_seat=True),
        _line("workflow-runs", 20_000, reset="month", soft=True), _line("exports", 200, reset="day", soft=True),
        _line("assistant", 100, reset="hour"),
    ]  # fmt: skip
    enterprise = [
        _line("seats", 1, per_seat=True), _line("models", unlimited=True), _line("sandboxes", 3), _line("sso"),
        _line("audit-trail"), _line("custom-roles"), _line("api-calls", unlimited=True), _line("storage", 10, per_seat=True),
        _line("workflow-runs", unlimited=True), _line("exports", unlimited=True),
        _line("assistant", 1_000, reset="hour", soft=True),
    ]  # fmt: skip
    return {"Team": team, "Business": business, "Enterprise": enterprise}[edition]


def _plans() -> list[dict[str, Any]]:
    prices = {"Team": 900, "Business": 2400, "Enterprise": 7200}
    found = [
        {"key": f"plan-{line.lower()}-{edition.lower()}", "name": f"{line} {edition}", "product": "platform", "per_seat": True,
         "trial_days": 30 if edition == "Enterprise" else None, "price": {"amount": price, "currency": "USD", "months": 12},
         "entitlements": _edition(edition)}
        for line in LINES for edition, price in prices.items()
    ]  # fmt: skip
    support = (("standard", "Standard Support", 1000, 24, False), ("premier", "Premier Support", 9500, 120, True),
               ("hotline", "24/7 Hotline", 15000, None, True))  # fmt: skip
    for key, name, price, tickets, first in support:
        lines = [_line("tickets", tickets, reset="year", soft=True) if tickets else _line("tickets", unlimited=True)]
        lines += [_line("priority-support")] if first else []
        found.append({"key": f"plan-support-{key}", "name": name, "product": "support", "entitlements": lines,
                      "price": {"amount": price, "currency": "USD", "months": 12}})  # fmt: skip
    return found


def _add_ons() -> list[dict[str, Any]]:
    rows = (
        ("seats-10", "Additional seats (10)", 1200, 12, _line("seats", 10)),
        ("api-calls-1m", "API calls (1 million)", 250, 1, _line("api-calls", 1_000_000, reset="month")),
        ("storage-100gb", "Stored gigabytes (100)", 90, 1, _line("storage", 100)),
        ("workflow-runs-10k", "Workflow runs (10,000)", 120, 1, _line("workflow-runs", 10_000, reset="month")),
        ("sandbox", "Sandbox environment", 3000, 12, _line("sandboxes", 1)),
        ("model-library", "Model library", 2200, 12, _line("models", 200)),
    )
    return [
        {"key": f"addon-{key}", "name": name, "product": "platform", "entitlements": [line],
         "price": {"amount": price, "currency": "USD", "months": months}}
        for key, name, price, months, line in rows
    ]  # fmt: skip


def catalogue() -> dict[str, Any]:
    """The catalogue as a file has it."""
    return {
        "products": [
            {"key": "platform", "name": "Platform", "description": "One edition a customer, sold by the seat."},
            {"key": "support", "name": "Support", "description": "Help beside the platform."},
        ],
        "features": list(FEATURES), "plans": _plans(), "addons": _add_ons(),
    }  # fmt: skip


def fill(now: datetime) -> bool:
    """Write everything once; False when there is a catalogue already."""
    if Product.objects.exists():
        return False
    before = now - timedelta(days=200)
    report = load(yaml_text.write(_without_blanks(catalogue())), actor=None, now=before)
    if report.problems:
        raise ValueError(f"{report.problems[0].path}: {report.problems[0].message}")
    _grow(now)
    return True


def _without_blanks(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_blanks(each) for name, each in value.items() if each is not None}
    return [_without_blanks(each) for each in value] if isinstance(value, list) else value


def _grow(now: datetime) -> None:
    """Planning Business gets more calls in a second version, and a draft waits for somebody to publish it."""
    offer = Offer.objects.get(key="plan-planning-business")
    authoring.publish(
        _changed(offer, "feature-api-calls", "1500000", "More API calls", now), actor=None, now=now - timedelta(days=20)
    )
    _changed(Offer.objects.get(key="plan-planning-team"), "feature-models", "10", "Ten models instead of five", now)


def _changed(offer: Offer, feature: str, limit: str, note: str, now: datetime) -> OfferVersion:
    sold = finding.published_of(offer)
    assert sold is not None
    given = authoring.as_given(finding.contents_of(sold))
    for line in given["entitlements"]:
        if line["feature"] == feature:
            line["limit"] = limit
    return authoring.save_draft(offer, **{**given, "note": note}, actor=None, now=now)
