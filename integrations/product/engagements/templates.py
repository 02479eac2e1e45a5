"""Ready-made engagements with their segments, such as the one for customers whose renewal is near (PX-40)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from integrations.access import Person, Refusal
from integrations.models import Attribute, Entity
from integrations.product.engagements import authoring
from integrations.product.models.engagements import Engagement
from integrations.product.models.segments import Segment
from integrations.product.segments import saving
from integrations.product.segments.conditions import read_tree, write_tree
from integrations.product.segments.known import know

RENEWAL_DAYS = 90
DATE_WORDS = ("renewal", "renews", "contract_end", "subscription_end", "expires")


@dataclass(frozen=True)
class Template:
    """An engagement to begin with. `DATE` in conditions and texts stands for the key of a date attribute of customers."""

    key: str
    label: str
    about: str
    segment_name: str
    entity: str
    conditions: dict[str, Any]
    values: dict[str, Any]
    needs_date: bool = False


TEMPLATES: dict[str, Template] = {
    each.key: each
    for each in (
        Template(
            "renewal_90_days", "Renewal within 90 days",
            "A message to the people of every customer whose renewal date is within the next 90 days.",
            f"Renewal within {RENEWAL_DAYS} days", Entity.CUSTOMER,
            {"all": [{"field": "attributes.DATE", "op": "in_next", "value": {"n": RENEWAL_DAYS, "unit": "days"}}]},
            {
                "kind": "message", "name": "Renewal within 90 days", "title": "Your renewal is coming up",
                "body": "Hello {{user.first_name|there}},\n\nthe plan of {{account.name|your company}} renews on "
                "**{{account.attributes.DATE}}**. Tell us if anything should change before then.",
                "frequency": "weekly", "priority": 20,
            },
            needs_date=True,
        ),
        Template(
            "nps_quarterly", "NPS survey each quarter",
            "Asks people who have used the product for 30 days how likely they are to recommend it, every 90 days.",
            "In use for 30 days", Entity.END_USER,
            {"all": [{"field": "first_seen_at", "op": "more_than_ago", "value": {"n": 30, "unit": "days"}}]},
            {
                "kind": "nps", "name": "NPS survey", "title": "How likely are you to recommend us to a colleague?",
                "frequency": "quarterly", "priority": 10, "survey": "nps",
            },
        ),
        Template(
            "usage_falls", "Fewer people use it than last month",
            "Offers help to customers whose active users fell by 30 % or more in 30 days.",
            "Active users fell by 30 %", Entity.CUSTOMER,
            {"all": [{"field": "kpi.active_users_30d_pct", "op": "at_most", "value": "-30"}]},
            {
                "kind": "message", "name": "Help when usage falls", "title": "Can we help your team?",
                "body": "Fewer people at {{account.name|your company}} were here this month. Shall we show you what is new?",
                "frequency": "until_closed", "priority": 5,
            },
        ),
        Template(
            "welcome", "Welcome in the first week",
            "A first message to people who came in the last seven days.",
            "First seen in the last 7 days", Entity.END_USER,
            {"all": [{"field": "first_seen_at", "op": "in_last", "value": {"n": 7, "unit": "days"}}]},
            {
                "kind": "message", "name": "Welcome", "title": "Welcome, {{user.first_name|good to see you}}!",
                "body": "Three things to try:\n\n- make a first plan\n- invite a colleague\n- open **Help** when stuck",
                "frequency": "once",
            },
        ),
    )
}  # fmt: skip


def date_attributes() -> list[Attribute]:
    """Date attributes of customers, those that sound like a renewal first."""
    found = Attribute.objects.filter(entity=Entity.CUSTOMER, type=Attribute.Type.DATE_TIME).order_by("label", "key")
    return sorted(found, key=lambda each: not any(word in each.key.lower() for word in DATE_WORDS))


def from_template(key: str, *, attribute: str = "", user: Person | None, now: datetime) -> Engagement:
    """A draft and its segment; a segment of the same name and conditions is used again. `attribute` is the key of the date,
    by default the one that sounds like a renewal. Raises `Refusal` without a template or a date attribute of that name."""
    template = TEMPLATES.get(key)
    if template is None:
        raise Refusal("no_template", f"There is no template {key[:40]!r}. Known: {', '.join(TEMPLATES)}.")
    date = _date_key(attribute) if template.needs_date else ""
    with transaction.atomic():
        segment = _segment(template, _put(template.conditions, date), user=user, now=now)
        values = {name: _put(value, date) for name, value in template.values.items()}
        values |= {"segment": segment, "name": authoring.free_name(values["name"])}
        return authoring.create_engagement(values, user=user, now=now, template=key)


def _date_key(attribute: str) -> str:
    found = {each.key: each for each in date_attributes()}
    if attribute:
        if attribute not in found:
            known = f"Known: {', '.join(found)}." if found else "There is none yet."
            raise Refusal("no_date", f"Customers have no date attribute {attribute[:80]!r}. {known}")
        return attribute
    fitting = [each for each in found if any(word in each.lower() for word in DATE_WORDS)]
    if not fitting:
        fix = "Pull the renewal date from Salesforce (Mappings, Customers), or name the attribute that holds it."
        raise Refusal("no_date", f"No date attribute of customers sounds like a renewal. {fix}")
    return fitting[0]


def _put(value: Any, date: str) -> Any:
    """The value with the attribute's key in place of `attributes.DATE`."""
    if isinstance(value, dict):
        return {name: _put(each, date) for name, each in value.items()}
    if isinstance(value, list):
        return [_put(each, date) for each in value]
    return value.replace("attributes.DATE", f"attributes.{date}") if isinstance(value, str) else value


def _segment(template: Template, wanted: dict[str, Any], *, user: Person | None, now: datetime) -> Segment:
    conditions = write_tree(read_tree(wanted, know(template.entity)))
    names = [template.segment_name, *(f"{template.segment_name} ({number})" for number in range(2, 100))]
    taken = {each.name.lower(): each for each in Segment.objects.filter(archived_at=None)}
    for name in names:
        known = taken.get(name.lower())
        if known is None:
            return saving.save_segment(
                None, name=name, conditions=conditions, user=user, now=now, entity=template.entity, description=template.about
            )
        if known.conditions == conditions and known.entity == template.entity:
            return known
    raise Refusal("too_many", f"There are 99 segments called {template.segment_name}; archive some.")
