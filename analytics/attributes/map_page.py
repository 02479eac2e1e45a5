"""What the pages of the attribute map show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analytics.attributes import editing, linking
from analytics.attributes.body import ACCOUNT, OPERATORS, MapBody, Source, fields_needed
from analytics.attributes.catalogue import BY_KEY, CATALOGUE, GROUP_LABELS, MAIN_OF, RECORD_LABELS, Desired
from analytics.attributes.coverage import Coverage, coverage_of
from analytics.attributes.editing import AS_IT_IS
from analytics.attributes.presets import Note
from analytics.attributes.seeing import DOMAIN, Listed, describe_objects, list_objects
from integrations.models import SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce.describe import ObjectInfo
from integrations.salesforce.errors import SalesforceError

RESULT_WORDS = {
    "recurring": "Recurring", "one_time": "One-time", "trial": "Trial", "sent": "Sent", "delivered": "Delivered",
    "opened": "Opened", "clicked": "Clicked", "responded": "Responded",
}  # fmt: skip
FILTER_PARTS = (("field", ""), ("op", "="), ("value", ""))
NOTE_BADGES = {"found": "ok", "guess": "warning", "missing": "unknown", "wrong_type": "degraded"}


@dataclass(frozen=True, slots=True)
class Row:
    """One attribute in the list."""

    desired: Desired
    source: Source | None
    note: Note | None = None
    coverage: Coverage | None = None
    greyed: Sequence[str] = ()
    """Labels of analyses that cannot be asked while it is not mapped."""

    @property
    def words(self) -> str:
        """Where it stands."""
        return editing.words_of_source(self.source) if self.source is not None else ""

    @property
    def fallbacks(self) -> list[str]:
        """What is used where it is blank."""
        return [editing.words_of_source(each) for each in self.source.chain()[1:]] if self.source is not None else []

    @property
    def conditions(self) -> list[str]:
        """Which records count."""
        return editing.words_of_where(self.source) if self.source is not None else []

    @property
    def pick(self) -> str:
        """Which of several records says it."""
        if self.source is None or self.source.object == ACCOUNT or self.desired.records:
            return ""
        by = self.source.order_by or "CreatedDate"
        return {"first": f"first by {by}", "latest": f"latest by {by}", "every": "every record"}[self.source.pick]


@dataclass
class Group:
    """One group of the catalogue."""

    key: str
    label: str
    rows: list[Row]

    @property
    def mapped(self) -> int:
        """How many have a source."""
        return sum(1 for each in self.rows if each.source is not None)


def groups_of(body: MapBody, *, notes: Mapping[str, Note], labels: Mapping[str, str]) -> list[Group]:
    """The attributes in their groups. `labels`: kinds of analyses by name."""
    found = []
    for key, label in GROUP_LABELS.items():
        rows = [_row(each, body, notes.get(each.key), labels) for each in CATALOGUE if each.group == key]
        found.append(Group(key, label, rows))
    return found


def _row(desired: Desired, body: MapBody, note: Note | None, labels: Mapping[str, str]) -> Row:
    source = body.get(desired.key)
    greyed = [] if source is not None or desired.derived else [labels.get(each, each.capitalize()) for each in desired.used_by]
    return Row(desired, source, note, None, greyed)


# --- The editor of one attribute -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FilterRow:
    """One condition as the form shows it."""

    number: int
    field: str = ""
    op: str = "="
    value: str = ""


@dataclass(frozen=True, slots=True)
class ValueRow:
    """One value of a picklist and what it means."""

    number: int
    value: str
    label: str
    result: str


@dataclass
class Editor:
    """The form of one attribute."""

    desired: Desired
    source: Source | None
    object: str
    objects: Mapping[str, ObjectInfo]
    listed: Sequence[Listed]
    fields: list[editing.Options]
    chosen: list[str]
    path: str = ""
    paths: Sequence[tuple[str, str]] = ()
    filter_fields: list[editing.Options] = field(default_factory=list)
    filters: Sequence[FilterRow] = ()
    values: Sequence[ValueRow] = ()
    more_values: str = ""
    otherwise: str = ""
    keep_words: str = ""
    pick: str = ""
    order_by: str = ""
    dates: Sequence[tuple[str, str]] = ()
    coverage: Coverage | None = None
    candidates: Sequence[linking.Candidate] = ()
    problems: Sequence[str] = ()

    @property
    def results(self) -> list[tuple[str, str]]:
        """What values may lead to, where that is fixed."""
        return [(each, RESULT_WORDS[each]) for each in self.desired.results]

    @property
    def operators(self) -> Sequence[str]:
        """How a condition compares."""
        return OPERATORS

    @property
    def is_main(self) -> bool:
        """Whether conditions are set here: accounts' own attributes, and the main one of a record group."""
        return not self.desired.records or MAIN_OF[self.desired.records] == self.desired.key

    @property
    def records_label(self) -> str:
        """Name of its record group."""
        return RECORD_LABELS.get(self.desired.records, "")

    @property
    def main_label(self) -> str:
        """The attribute that names its group's object and conditions."""
        return BY_KEY[MAIN_OF[self.desired.records]].label if self.desired.records else ""


def open_editor(org: SalesforceOrg, key: str, body: MapBody, data: Mapping[str, str]) -> Editor:
    """The form for `key`: what the map says, changed by what the person has chosen in it so far (`data`)."""
    desired, source = BY_KEY[key], body.get(key)
    with client_for(org, domain=DOMAIN) as client:
        listed = list_objects(org, client=client)
        name = data.get("object") or (source.object if source is not None else _usual_object(desired, body))
        first = describe_objects(org, [name], client=client)
        names = editing.objects_to_see([name, *fields_needed(body)], first.get(name))
        objects = describe_objects(org, names, client=client)
        candidates = linking.measure(org, client=client) if key == "linking_id" else ()
    editor = Editor(desired, source, name, objects, listed, editing.field_options(objects, name, desired), [])
    editor.candidates = candidates
    _choose(editor, data)
    _fill_in(editor, data)
    editor.coverage = _coverage(org, editor, body)
    return editor


def source_of(editor: Editor, data: Mapping[str, str]) -> Source:
    """What the form says; ValueError with a sentence."""
    return editing.source_from_form(data, editor.desired, editor.objects, editor.source)


def _usual_object(desired: Desired, body: MapBody) -> str:
    group = body.group(desired.records) if desired.records else None
    if group is not None:
        return group.object
    return {"tickets": "Case", "campaigns": "CampaignMember", "contacts": "Contact", "transactions": "Opportunity"}.get(
        desired.records, ACCOUNT
    )


def _choose(editor: Editor, data: Mapping[str, str]) -> None:
    """The fields: those of the form, else those of the map while its object is shown."""
    source = editor.source
    given = [text for number in range(editing.SEVERAL) if (text := data.get(f"field-{number}", ""))]
    known = {option.value for group in editor.fields for option in group.options}
    if "object" in data:
        editor.chosen = [each for each in given if each in known]
    elif source is not None:
        editor.chosen = [editing.encode(source.of, each) for each in source.fields]
    wanted = editing.SEVERAL if editor.desired.several else 1
    editor.chosen += [""] * (wanted - len(editor.chosen))


def _fill_in(editor: Editor, data: Mapping[str, str]) -> None:
    """Everything else: of the form where it was sent, else of the map."""
    same = editor.source if editor.source is not None and editor.source.object == editor.object else None
    editor.paths = editing.path_options(editor.objects, editor.object)
    editor.path = data.get("path") or (editing.encode(same.path, "") if same is not None else "")
    editor.filter_fields = editing.field_options(editor.objects, editor.object, None)
    editor.filters = _filters(same, data)
    editor.values, editor.more_values = _values(editor, same, data)
    editor.pick = data.get("pick") or (same.pick if same is not None else "every" if editor.desired.every else "latest")
    editor.order_by = data.get("order_by", same.order_by if same is not None else "")
    editor.dates = [(each.name, each.label) for each in editing.date_fields(editor.objects.get(editor.object))]
    rest = same.otherwise if same is not None else None
    editor.keep_words = editing.words_of_source(rest) if rest is not None else ""
    editor.otherwise = data.get("otherwise", "keep" if rest is not None else "")


def _filters(source: Source | None, data: Mapping[str, str]) -> list[FilterRow]:
    if "where-0-field" in data:
        return [
            FilterRow(number, *(data.get(f"where-{number}-{part}", usual) for part, usual in FILTER_PARTS))
            for number in range(editing.FILTER_ROWS)
        ]
    wheres = source.where if source is not None else ()
    rows = [
        FilterRow(number, editing.encode(each.of, each.field), each.op, ", ".join(each.values))
        for number, each in enumerate(wheres)
    ]
    return rows + [FilterRow(number) for number in range(len(rows), editing.FILTER_ROWS)]


def _values(editor: Editor, source: Source | None, data: Mapping[str, str]) -> tuple[list[ValueRow], str]:
    """Lines of the value table: a picklist's active values first, then what the map translates besides."""
    table = dict(source.values) if source is not None else {}
    choices: list[tuple[str, str]] = []
    if editor.chosen and editor.chosen[0]:
        of, name = editing.decode(editor.chosen[0])
        holder = editor.objects.get(of[-1].object if of else editor.object)
        info = holder.field(name) if holder is not None else None
        if info is not None and not editor.desired.several and editor.desired.kind == "text":
            choices = [(each.value, each.label) for each in info.choices if each.active][: editing.MOST_CHOICES]
    rows = [
        ValueRow(
            number, value, label, data.get(f"value-{number}-to", table.get(value, AS_IT_IS if editor.desired.results else ""))
        )
        for number, (value, label) in enumerate(choices)
    ]
    rest = [f"{value} = {result}" for value, result in table.items() if value not in {each.value for each in rows}]
    return rows, data.get("more_values", "\n".join(rest))


def _coverage(org: SalesforceOrg, editor: Editor, body: MapBody) -> Coverage | None:
    """Of the field that is chosen in the form."""
    chosen = [editing.decode(each) for each in editor.chosen if each]
    if not chosen:
        return None
    trial = Source(editor.object, tuple(each[1] for each in chosen), of=chosen[0][0])
    key = editor.desired.key
    try:
        return coverage_of(org, MapBody({**body.attributes, key: trial}, body.settings), keys=[key]).get(key)
    except SalesforceError as error:
        return Coverage(problem=error.message)
