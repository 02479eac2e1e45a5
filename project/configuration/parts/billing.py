"""Billing: metrics, plans and their prices, and how billing goes to each connection."""

from decimal import Decimal
from typing import Any

from billing import configuring, saving
from billing.models import BillableMetric, Plan, Price
from integrations import audit
from integrations.sync.mapping.problems import Problem, ProblemsFound
from project.configuration.section import ONE, Entry, Part, Section, Work, flag, json_ready, plain, text, whole

SOURCE = "file"
NUMBERS = ("amount", "included", "size", "minimum")
TIER = ("up_to", "unit", "flat")


class _Rows(Section):
    """Objects of billing that come in rows, by id."""

    keys, removable = ("id",), True
    object_key, model = "", Plan

    def read(self, work: Work) -> dict[str, Entry]:
        """Those that were not deleted."""
        rows: Any = self.model._default_manager.filter(deleted_at=None).order_by("key")
        return {each.key: plain({"id": each.key, **{name: getattr(each, name) for name in self.parts}}) for each in rows}

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """As a row that arrives now."""
        self._take(json_ready(entry), work, "billing.changed" if before is not None else "billing.created", before)

    def remove(self, key: str, entry: Entry, work: Work) -> None:
        """It stays as a tombstone."""
        self._take({"id": key, "deleted": True}, work, "billing.deleted", entry)

    def _take(self, row: Entry, work: Work, action: str, before: Entry | None) -> None:
        result = saving.save_rows(self.object_key, [row], source=SOURCE, now=work.now).rows[0]
        if result.status == "failed":
            raise ProblemsFound(Problem(name, "invalid", f"{words}.") for name, words in result.errors.items())
        if result.status == "stale":
            raise ProblemsFound([Problem("", "stale", "The billing system sent a later version of it; nothing was changed.")])
        if result.status != "unchanged":
            audit.record(action, actor=work.actor, target=f"{self.label}: {row['id']}", before=json_ready(before), after=row)


class Metrics(_Rows):
    """What is counted."""

    place, label, object_key, model = ("billing", "metrics"), "Billable metrics", "billable-metrics", BillableMetric  # type: ignore[assignment]
    parts = {
        "name": text(), "event_name": text(), "aggregation": text("sum"), "event_property": text(),
        "filters": Part("object", {}), "unit": text(),
    }  # fmt: skip


class Plans(_Rows):
    """Price plans."""

    place, label, object_key, model = ("billing", "plans"), "Plans", "plans", Plan
    parts = {"name": text(), "description": text(), "currency": text("USD"), "period_months": whole(1)}


class Prices(Section):
    """Prices of plans, by id."""

    place, label, keys, removable = ("billing", "prices"), "Prices", ("id",), True
    parts = {
        "plan_id": text(), "name": text(), "model": text("per_unit"), "metric_id": text(), "amount": Part("number", 0),
        "included": Part("number", 0), "size": Part("number", 1), "minimum": Part("number", 0), "tiers": Part("list", []),
        "position": whole(0),
    }  # fmt: skip

    def read(self, work: Work) -> dict[str, Entry]:
        """All of them, in the order of their plans."""
        return {each.key: self._entry(each) for each in Price.objects.order_by("plan_key", "position", "key")}

    def _entry(self, price: Price) -> Entry:
        numbers = {name: getattr(price, name) for name in NUMBERS}
        tiers = [{name: _number(each.get(name)) for name in TIER} for each in price.tiers]
        entry = {"plan_id": price.plan_key, "name": price.name, "model": price.model, "metric_id": price.metric_key, **numbers,
                 "tiers": tiers, "position": price.position}  # fmt: skip
        return {"id": price.key, **plain(entry)}

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """Draft invoices follow at the next rating."""
        tiers = [{name: _written(each.get(name, 0)) for name in TIER} for each in entry["tiers"]]
        terms = {**entry, **{name: Decimal(entry[name]) for name in NUMBERS}, "metric_key": entry["metric_id"], "tiers": tiers}
        configuring.save_price(key, entry["plan_id"], terms, actor=work.actor, now=work.now)

    def remove(self, key: str, entry: Entry, work: Work) -> None:
        """Final invoices stay as they are."""
        configuring.delete_price(Price.objects.get(key=key), actor=work.actor)


def _number(value: Any) -> Decimal | None:
    return None if value in (None, "") else Decimal(str(value))


def _written(value: Any) -> str | None:
    return None if value is None else f"{value:f}" if isinstance(value, Decimal) else str(value)


class BillingSettings(Section):
    """How billing goes to a connection. The prefix of its objects is the org's own and found there."""

    place, label, form, per_org = ("billing",), "Billing", ONE, True
    parts = {
        "scope": text("linked"), "many_accounts": text("rows"), "current_wording": flag(False), "pending_wording": flag(False),
        "last_included_day": flag(False),
    }  # fmt: skip

    def read(self, work: Work) -> dict[str, Entry]:
        """The settings, or those that are usual."""
        found = configuring.peek_settings(work.place)
        return {"": plain({name: getattr(found, name) for name in self.parts})}

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """The next push follows."""
        changed = {name: value for name, value in entry.items() if before is None or before[name] != value}
        configuring.change_settings(work.place, changed, actor=work.actor)


SECTIONS = (Metrics(), Plans(), Prices(), BillingSettings())
