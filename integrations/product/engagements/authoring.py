"""Writing engagements: what may be in one, and how it goes live, pauses and ends. Every verb leaves an audit entry."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from integrations import audit
from integrations.access import Person, Refusal
from integrations.product.engagements import facts, markup, rules, variables
from integrations.product.models.engagements import Engagement
from integrations.sync.mapping.problems import Problem, ProblemsFound

State = Engagement.State
FIELDS = (
    "kind", "name", "title", "body", "button_label", "button_url", "survey", "segment", "url_match", "frequency", "priority",
    "starts_at", "ends_at",
)  # fmt: skip
TEXTS = {"name": 120, "title": 200, "body": markup.LONGEST, "button_label": 60, "button_url": 500, "survey": 60}
PRIORITIES = range(-100, 101)
DEFAULT_SURVEY = "nps"


def create_engagement(values: Mapping[str, Any], *, user: Person | None, now: datetime, template: str = "") -> Engagement:
    """A new draft. `values` are some of `FIELDS`. Raises `ProblemsFound` with every field that does not fit."""
    engagement = Engagement(created_at=now, updated_at=now, template=template)
    engagement.created_by = user if user is not None and user.is_authenticated else None  # pyright: ignore
    _apply(engagement, values)
    _save(engagement)
    audit.record("engagement.created", actor=user, target=f"engagement {engagement.pk}", after=_told(engagement))
    return engagement


def update_engagement(engagement: Engagement, values: Mapping[str, Any], *, user: Person | None, now: datetime) -> Engagement:
    """Change some fields. What was already shown stays counted. Raises `ProblemsFound`, and `Refusal` when it has ended."""
    if engagement.state == State.ENDED:
        raise Refusal("ended", "This engagement has ended. Copy it to show it again.")
    before = _told(engagement)
    _apply(engagement, values)
    engagement.updated_at = now
    _save(engagement)
    after = _told(engagement)
    changed = {name for name in after if before[name] != after[name]}
    if changed:
        audit.record(
            "engagement.changed", actor=user, target=f"engagement {engagement.pk}",
            before={name: before[name] for name in changed}, after={name: after[name] for name in changed},
        )  # fmt: skip
    return engagement


def set_state(engagement: Engagement, state: str, *, user: Person | None, now: datetime) -> Engagement:
    """Start, pause, go on with or end it. Raises `Refusal` for a step that there is not; the same state again is fine."""
    if state not in State.values:
        raise Refusal("unknown_state", f"There is no state {state[:40]!r}. Known: {', '.join(State.values)}.")
    with transaction.atomic():
        fresh = Engagement.objects.select_for_update().get(pk=engagement.pk)
        if fresh.state == state:
            return fresh
        if state not in rules.MOVES[fresh.state]:
            raise Refusal("no_such_step", f"It is {fresh.get_state_display().lower()}; {_ways(fresh.state)}")
        if state == State.LIVE:
            _refuse_useless(fresh, now)
        before, fresh.state, fresh.updated_at = fresh.state, state, now
        fresh.save(update_fields=["state", "updated_at"])
    target = f"engagement {fresh.pk}"
    audit.record(f"engagement.{state}", actor=user, target=target, before={"state": before}, after={"state": state})
    return fresh


def delete_engagement(engagement: Engagement, *, user: Person | None) -> None:
    """Delete a draft that nobody has seen; anything else is ended instead, so that figures stay true. Raises `Refusal`."""
    if engagement.state != State.DRAFT or engagement.views.exists():
        raise Refusal("was_live", "Only drafts can be deleted. End this one; its figures stay.")
    pk, told = engagement.pk, _told(engagement)
    engagement.delete()
    audit.record("engagement.deleted", actor=user, target=f"engagement {pk}", before=told)


def copy_engagement(engagement: Engagement, *, user: Person | None, now: datetime) -> Engagement:
    """A new draft with the same content, without its times."""
    values = {name: getattr(engagement, name) for name in FIELDS} | {"starts_at": None, "ends_at": None}
    values["name"] = free_name(engagement.name)
    return create_engagement(values, user=user, now=now, template=engagement.template)


def free_name(name: str) -> str:
    """`name`, or with the first number that makes it free."""
    taken = set(Engagement.objects.filter(name__startswith=name[:100]).values_list("name", flat=True))
    if name not in taken:
        return name
    return next(each for each in (f"{name[:100]} ({number})" for number in range(2, len(taken) + 3)) if each not in taken)


def find_problems(engagement: Engagement) -> list[Problem]:
    """Everything that does not fit, field by field."""
    found = [
        Problem(name, "too_long", f"Has {len(getattr(engagement, name)):,} characters; at most {most:,}.")
        for name, most in TEXTS.items()
        if len(getattr(engagement, name)) > most
    ]
    found += [Problem(name, "required", "Is required.") for name in ("name", "title") if not getattr(engagement, name).strip()]
    found += [
        Problem(name, "unknown", f"Must be one of {', '.join(choices.values)}.")
        for name, choices in (("kind", Engagement.Kind), ("frequency", Engagement.Frequency))
        if getattr(engagement, name) not in choices.values
    ]
    return found + _plan_problems(engagement) + _link_problems(engagement) + _variable_problems(engagement)


def _plan_problems(engagement: Engagement) -> list[Problem]:
    found: list[Problem] = []
    if engagement.priority not in PRIORITIES:
        found.append(Problem("priority", "out_of_range", f"Must be from {PRIORITIES[0]} to {PRIORITIES[-1]}."))
    if engagement.starts_at and engagement.ends_at and engagement.ends_at <= engagement.starts_at:
        found.append(Problem("ends_at", "before_start", "Must be after the start."))
    if len(engagement.url_match) > rules.LONGEST_PATTERN or engagement.url_match.count("*") > rules.MOST_STARS:
        text = f"At most {rules.LONGEST_PATTERN} characters and {rules.MOST_STARS} stars."
        found.append(Problem("url_match", "too_long", text))
    if any(each.isspace() for each in engagement.url_match):
        found.append(Problem("url_match", "invalid", "Must not contain spaces: write one pattern, such as /billing/*."))
    return found


def _link_problems(engagement: Engagement) -> list[Problem]:
    found: list[Problem] = []
    label, url = engagement.button_label.strip(), engagement.button_url.strip()
    if bool(label) != bool(url):
        missing = "button_url" if label else "button_label"
        found.append(Problem(missing, "required", "A button needs both a label and an address."))
    if engagement.kind == Engagement.Kind.GUIDE and not url:
        found.append(Problem("button_url", "required", "A guide link needs the address of the guide."))
    how = "Write a web address (https://...), a mail address (mailto:...) or a path of the product (/...)."
    if url and not markup.is_address(_without_variables(url)):
        found.append(Problem("button_url", "invalid", how))
    if url and variables.varies_before_path(url):
        found.append(Problem("button_url", "variable_host", "A variable may stand after the host's name only."))
    refused = markup.refused_links(_without_variables(engagement.body))
    found += [Problem("body", "invalid_link", f"{address[:80]} cannot be linked. {how}") for address in refused]
    varying = [each for each in markup.links_in(markup.parse(engagement.body)) if variables.varies_before_path(each)]
    text = "In a link, a variable may stand after the host's name only."
    return found + [Problem("body", "variable_host", text) for _ in varying[:1]]


def _variable_problems(engagement: Engagement) -> list[Problem]:
    attributes, kpis = None, None
    found: list[Problem] = []
    for name in ("title", "body", "button_label", "button_url"):
        text = getattr(engagement, name)
        if "{{" not in text:
            continue
        attributes = attributes or facts.known_attributes()
        kpis = kpis or facts.known_kpis()
        for unknown in variables.unknown_in([text], attributes=attributes, kpis=kpis):
            fix = "Write it like {{user.name|there}} or {{account.attributes.KEY}}."
            found.append(Problem(name, "unknown_variable", f"There is no variable {unknown}. {fix}"))
        if variables.leftovers(text):
            found.append(Problem(name, "broken_variable", "A {{ has no matching }}, or holds more than a name and a fallback."))
    return found


def _without_variables(text: str) -> str:
    return variables.replace_all(text, "x")


def _apply(engagement: Engagement, values: Mapping[str, Any]) -> None:
    unknown = sorted(set(values) - set(FIELDS))
    if unknown:
        raise ProblemsFound(Problem(name, "unknown_field", f"Unknown field. Known: {', '.join(FIELDS)}.") for name in unknown)
    segment = values.get("segment")
    # What uses an archived segment goes on with it; nothing new begins with one.
    newly_archived = segment is not None and segment.archived_at is not None and segment.pk != engagement.segment_id
    for name, value in values.items():
        setattr(engagement, name, value.strip() if isinstance(value, str) else value)
    engagement.body = engagement.body.replace("\r\n", "\n")
    if engagement.kind == Engagement.Kind.NPS:
        engagement.survey = engagement.survey or DEFAULT_SURVEY
    problems = find_problems(engagement)
    if newly_archived:
        problems.append(Problem("segment", "archived", "This segment is archived; choose another one."))
    if problems:
        raise ProblemsFound(problems)


def _save(engagement: Engagement) -> None:
    try:
        with transaction.atomic():
            engagement.save()
    except IntegrityError:
        if Engagement.objects.filter(name=engagement.name).exclude(pk=engagement.pk).exists():
            raise ProblemsFound([Problem("name", "taken", "Another engagement has this name.")]) from None
        raise


def _refuse_useless(engagement: Engagement, now: datetime) -> None:
    """What changed around a draft since it was written: an attribute is gone, the end has passed."""
    problems = find_problems(engagement)
    if problems:
        raise ProblemsFound(problems)
    if engagement.ends_at is not None and engagement.ends_at <= now:
        raise Refusal("over", "Its end has passed; give it a later end first.")


def _ways(state: str) -> str:
    ways = " or ".join(rules.MOVES[state])
    return f"it can become {ways} now." if ways else "copy it to show it again."


def _told(engagement: Engagement) -> dict[str, Any]:
    """What the audit keeps: everything that people see or that decides who sees it."""
    told = {name: getattr(engagement, name) for name in FIELDS if name != "segment"}
    return told | {"segment": engagement.segment_id}
