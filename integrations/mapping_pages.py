"""What the mapping pages show: rules in words, lines with what may be chosen in each, samples, counts."""

from collections.abc import Mapping as Map
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, Q

from integrations.mapping_forms import NEW, MappingForm
from integrations.mapping_words import Said, say_changes
from integrations.models import Customer, EndUser, Entity, Mapping, MappingVersion, RecordLink, Run, SalesforceOrg
from integrations.salesforce.describe import FieldInfo
from integrations.sync.mapping import facts, versions
from integrations.sync.mapping.body import OBJECT_OF, PULL, PUSH, RULES_OF, read_body
from integrations.sync.mapping.catalogue import SourceField, source_fields
from integrations.sync.mapping.check import Known
from integrations.sync.mapping.preview import PairPreview, Preview
from integrations.sync.mapping.schedule import Timing, explain_timing
from integrations.sync.mapping.targets import TargetField, judge, match_fields, offered, target_fields

RULE_WORDS = {
    ("customer", "sfdc_id"): ("Salesforce id", "The record whose id the customer already carries."),
    ("customer", "custom_field"): ("Custom field", "Two fields of your choice hold the same value."),
    ("customer", "website_domain"): ("Website domain", "Both websites have the same domain."),
    ("customer", "name"): ("Name", "Both have the same name; upper and lower case do not count."),
    ("customer", "recent_user_domain"): (
        "Domain of recent users",
        "Of the 100 users seen last, more than 50 share an e-mail domain, and it is that of the record's website.",
    ),
    ("end_user", "sfdc_id"): ("Salesforce id", "The record whose id the user already carries."),
    ("end_user", "custom_field"): ("Custom field", "Two fields of your choice hold the same value."),
    ("end_user", "email"): ("E-mail", "The same e-mail address, if only one record has it."),
    ("end_user", "phone"): ("Phone", "The same phone number, if only one record has it."),
}
BLANK_LINES = 1


@dataclass(frozen=True)
class RuleRow:
    """One match rule of the page, in its fixed place."""

    number: int
    name: str
    label: str
    text: str
    data: Map[str, str]
    errors: Sequence[str]

    @property
    def prefix(self) -> str:
        """Beginning of its names in the form."""
        return f"rule-{self.name}-"


@dataclass(frozen=True)
class LineRow:
    """One line of the mapping, with what a person may choose in it."""

    number: int
    direction: str
    source: str
    target: str
    new: str
    accept_lossy: bool
    cut: bool
    values: str
    targets: Sequence[TargetField]
    judged: TargetField | None
    errors: Sequence[str]
    preview: PairPreview | None = None
    unknown_source: str = ""
    """What an imported line names and nobody here knows: it stays visible, so that it can be put right."""
    unknown_target: str = ""


@dataclass(frozen=True)
class MappingRow:
    """One mapping of the overview."""

    org: SalesforceOrg
    entity: str
    label: str
    mapping: Mapping
    object: str
    pulls: int
    pushes: int
    linked: int
    ambiguous: int
    total: int


@dataclass
class Editor:
    """Everything that the editing page needs besides the form."""

    org: SalesforceOrg
    entity: str
    mapping: Mapping
    form: MappingForm
    known: Known
    rules: list[RuleRow] = field(default_factory=list)
    lines: list[LineRow] = field(default_factory=list)
    sources: list[SourceField] = field(default_factory=list)
    attributes: list[SourceField] = field(default_factory=list)
    match_fields: list[FieldInfo] = field(default_factory=list)
    refused: dict[str, list[TargetField]] = field(default_factory=dict)
    objects: list[tuple[str, str]] = field(default_factory=list)
    preview: Preview | None = None
    linked: int = 0
    ambiguous: int = 0
    total: int = 0


def read_overview(*, org: SalesforceOrg | None, now: datetime) -> dict[str, Any]:
    """Every connection with the mappings of its two entities, and the timetable."""
    orgs = SalesforceOrg.objects.exclude(state__in=(SalesforceOrg.State.NEW, SalesforceOrg.State.DISCONNECTED))
    if org is not None:
        orgs = orgs.filter(pk=org.pk)
    stored = {(each.org_id, each.entity): each for each in Mapping.objects.select_related("org")}
    bodies = {each.mapping_id: read_body(each.body) for each in facts.newest_versions(stored.values())}
    counts = _count_links()
    totals = _count_records()
    groups = []
    for each in orgs:
        rows = []
        for entity, label in Entity.choices:
            mapping = stored.get((each.pk, entity)) or Mapping(org=each, entity=entity)
            body = bodies.get(mapping.pk)
            linked, ambiguous = counts.get((each.pk, entity), (0, 0))
            pulls, pushes = (len(body.pairs_of(way)) if body else 0 for way in (PULL, PUSH))
            shown = body.object if body else OBJECT_OF[entity]
            rows.append(MappingRow(each, entity, label, mapping, shown, pulls, pushes, linked, ambiguous, totals[entity]))
        going = Run.objects.filter(org=each, job="product.synchronize", state__in=Run.ACTIVE).first()
        groups.append({"org": each, "rows": rows, "going": going})
    return {"groups": groups, "timing": explain_timing(now=now)}


def _count_links() -> dict[tuple[int, str], tuple[int, int]]:
    rows = RecordLink.objects.values_list("org", "entity").annotate(
        active=Count("id", filter=Q(state=RecordLink.State.ACTIVE)), ambiguous=Count("id", filter=Q(candidates__gt=1))
    )
    return {(org, entity): (active, ambiguous) for org, entity, active, ambiguous in rows}


def _count_records() -> dict[str, int]:
    return {
        Entity.CUSTOMER.value: Customer.objects.filter(merged_into=None, erased_at=None).count(),
        Entity.END_USER.value: EndUser.objects.filter(erased_at=None).count(),
    }


def read_editor(org: SalesforceOrg, entity: str, form: MappingForm, known: Known, *, preview: Preview | None = None) -> Editor:
    """The page around a form; `known` is what exists in Salesforce and in the product."""
    mapping = versions.find_mapping(org, entity)
    editor = Editor(org, entity, mapping, form, known, preview=preview)
    editor.sources = sorted(known.sources.values(), key=lambda each: (each.group, each.label))
    editor.attributes = [each for each in editor.sources if each.attribute]
    editor.total = _count_records()[entity]
    editor.linked, editor.ambiguous = _count_links().get((org.pk, entity), (0, 0))
    editor.rules = [_rule(form, name, place) for place, name in enumerate(RULES_OF[entity], start=1)]
    samples = {each.place: each for each in preview.pairs} if preview else {}
    prefix = form.data.get("prefix", "")
    if known.info is not None:
        editor.match_fields = match_fields(known.info, prefix=prefix)
        choices = {way: target_fields(known.info, prefix=prefix, direction=way) for way in (PULL, PUSH)}
        editor.refused = {way: [each for each in fields if not each.allowed] for way, fields in choices.items()}
    else:
        choices = {PULL: [], PUSH: []}
    editor.lines = [_line(form, number, known, prefix, choices, samples.get(place)) for place, number in enumerate(form.lines)]
    return editor


def blank_line(number: int, direction: str, editor: Editor) -> LineRow:
    """A new line of one direction."""
    info, prefix = editor.known.info, editor.form.data.get("prefix", "")
    targets = offered(target_fields(info, prefix=prefix, direction=direction)) if info else []
    return LineRow(number, direction, "", "", "", False, False, "", targets, None, ())


def targets_for(known: Known, *, prefix: str, direction: str, source: str) -> list[TargetField]:
    """What a line with this source may choose."""
    if known.info is None:
        return []
    return offered(target_fields(known.info, prefix=prefix, direction=direction, source=known.sources.get(source)))


def _rule(form: MappingForm, name: str, place: int) -> RuleRow:
    label, text = RULE_WORDS[form.entity, name]
    prefix = f"rule-{name}-"
    data = {key.removeprefix(prefix): value for key, value in form.data.items() if key.startswith(prefix)}
    errors = [message for key, messages in form.errors.items() if key.startswith(prefix) for message in messages]
    return RuleRow(place, name, label, text, data, errors)


def _line(
    form: MappingForm,
    number: int,
    known: Known,
    prefix: str,
    choices: Map[str, list[TargetField]],
    preview: PairPreview | None,
) -> LineRow:
    def text(part: str) -> str:
        return form.data.get(f"pair-{number}-{part}", "")

    direction = text("direction") if text("direction") in (PULL, PUSH) else PULL
    source = known.sources.get(text("source"))
    fitting = [each for each in offered(choices[direction]) if source is None or each.product_type == source.type]
    info = known.info.field(text("target")) if known.info else None
    judged = judge(info, prefix=prefix, direction=direction, source=source) if info else None
    if judged and judged.name not in {each.name for each in fitting}:
        fitting = [judged, *fitting]  # what was chosen stays visible, with the reason why it cannot be saved
    errors = [message for key, messages in form.errors.items() if key.startswith(f"pair-{number}-") for message in messages]
    return LineRow(
        number, direction, text("source"), text("target"), text("new"), f"pair-{number}-accept_lossy" in form.data,
        f"pair-{number}-cut" in form.data, text("values"), fitting, judged, errors, preview,
        unknown_source=text("source") if text("source") not in {*known.sources, NEW} else "",
        unknown_target=text("target") if info is None else "",
    )  # fmt: skip


def read_versions(mapping: Mapping) -> list[dict[str, Any]]:
    """All versions, newest first, each with what it changed."""
    rows = versions.versions_of(mapping)
    bodies = {row.number: read_body(row.body, entity=mapping.entity) for row in rows}
    first = versions.body_of(mapping, 0)
    rules = {name: words[0] for (entity, name), words in RULE_WORDS.items() if entity == mapping.entity}
    sources = {each.key: each.label for each in source_fields(mapping.org, mapping.entity)}

    def said(row: MappingVersion) -> list[Said]:
        changes = versions.compare(bodies.get(row.number - 1, first), bodies[row.number])
        return say_changes(changes, rules=rules, sources=sources)

    return [{"version": row, "changes": said(row)} for row in rows]


def timing(*, now: datetime) -> Timing:
    """The product sync's next slots."""
    return explain_timing(now=now)
