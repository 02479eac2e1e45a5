"""The accounts and audience explorers: what an address asks for, checked, and the rows that it shows.

An address holds everything: `c` (a condition as JSON `["field", "op", value]`, any number), `match` (all or any), `segment`,
`text`, `col` (a field, any number), `sort`, `group` and `measure` (`sum:FIELD` or `avg:FIELD`). Whoever may not see people gets
no condition on their addresses, and sees them masked (S-115).
"""

import calendar
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.http import QueryDict

from integrations.access import Person
from integrations.masking import hide_people, may_see_people
from integrations.models import Customer, EndUser, Entity, RecordLink, SalesforceOrg
from integrations.product.models.segments import Segment
from integrations.product.segments import asking
from integrations.product.segments.asking import AVERAGE, SUM, Question
from integrations.product.segments.conditions import ALL, ANY, Condition, CycleFound, Group, read_tree, say_condition
from integrations.product.segments.fieldtypes import Field, Known, find_op
from integrations.product.segments.history import BlankWords, first_seen_of
from integrations.product.segments.known import know, visible_to
from integrations.sync.mapping.problems import ProblemsFound
from integrations.sync.mapping.stored import write_plain
from integrations.sync.mapping.types import NUMBER, STRING

ROWS, MOST_COLUMNS, MOST_CHIPS = 50, 20, 50
COLUMNS = {
    "customer": ("kpi.active_users_30d", "kpi.nps_score_90d", "last_seen_at"),
    "end_user": ("email", "customer.name", "last_seen_at"),
}
FIRST = {"customer": "name", "end_user": "name"}


@dataclass(frozen=True)
class Chip:
    """A condition in use, in words, and the address without it."""

    text: str
    url: str
    bad: str = ""


@dataclass(frozen=True)
class Line:
    """One record of the list."""

    record: Any
    cells: Sequence[tuple[Field, Any]]
    links: Sequence[RecordLink]


@dataclass
class Explorer:
    """One address, read."""

    entity: str
    known: Known
    params: QueryDict
    columns: Sequence[Field] = ()
    chips: list[Chip] = field(default_factory=list)
    segment: Segment | None = None
    match: str = ALL
    text: str = ""
    sort: str = ""
    group: Field | None = None
    measure: tuple[str, Field] | None = None
    question: Question | None = None
    org: SalesforceOrg | None = None
    problems: list[str] = field(default_factory=list)
    sees_people: bool = True

    @property
    def conditions(self) -> dict[str, Any]:
        """What the address asks for as JSON, for a segment: the chips, the chosen segment, the searched text."""
        chips: list[Any] = [each for each in _raw_conditions(self.params) if each]
        others: list[Any] = []
        if self.segment is not None:
            others.append({"field": "segment", "op": "in", "value": self.segment.pk})
        if self.text and self.question is not None:
            others.append({ANY: [{"field": key, "op": "contains", "value": self.text} for key in self.question.searched]})
        if not others:
            return {self.match: chips}
        return {ALL: [*others, {ANY: chips}] if len(chips) > 1 and self.match == ANY else [*others, *chips]}

    @property
    def is_narrowed(self) -> bool:
        """Whether it asks for less than everybody."""
        return bool(self.chips or self.segment or self.text)


def read_explorer(
    params: QueryDict,
    entity: str,
    *,
    user: Person,
    org: SalesforceOrg | None = None,
    known: Known | None = None,
    segment: Segment | None = None,
) -> Explorer:
    """What an address asks for; what of it cannot be used is told, and everything else counts. `org`: whose ids are shown.
    `known` (everything that conditions may name) and the `segment` of the address, where they were read before."""
    sees = entity == Entity.CUSTOMER or may_see_people(user)
    known = known or know(entity)
    mine = visible_to(user, known)
    explorer = Explorer(entity, mine, params, sees_people=sees, org=org)
    explorer.match = ANY if params.get("match") == ANY else ALL
    explorer.text = params.get("text", "").replace("\0", "").strip()[:200]
    explorer.columns = _columns(params, mine, entity)
    sort = params.get("sort", "")
    explorer.sort = sort if _is_shown(mine, sort.removeprefix("-")) else FIRST[entity]
    _read_slice(explorer)
    trees = _read_chips(explorer)
    trees += _read_segment(explorer, known, segment)
    searched = asking.SEARCHED[entity] + (("email",) if entity == Entity.END_USER and sees else ())
    explorer.question = Question(known, trees, text=explorer.text, sort=explorer.sort, searched=searched)
    return explorer


def _columns(params: QueryDict, known: Known, entity: str) -> list[Field]:
    wanted = list(dict.fromkeys(params.getlist("col"))) or COLUMNS[entity]
    return [known.fields[key] for key in wanted if _is_shown(known, key)][:MOST_COLUMNS]


def _is_shown(known: Known, key: str) -> bool:
    return key in known.fields and known.fields[key].shown


def _read_slice(explorer: Explorer) -> None:
    key = explorer.params.get("group", "")
    if _is_shown(explorer.known, key):
        explorer.group = explorer.known.fields[key]
    kind, _, key = explorer.params.get("measure", "").partition(":")
    measured = explorer.known.fields.get(key)
    if kind in (SUM, AVERAGE) and measured is not None and measured.shown and measured.type == NUMBER:
        explorer.measure = (kind, measured)


def _raw_conditions(params: QueryDict) -> list[dict[str, Any] | None]:
    return [read_chip(each) for each in params.getlist("c")[:MOST_CHIPS]]


def read_chip(text: str) -> dict[str, Any] | None:
    """A condition of an address as JSON; None for what is none."""
    try:
        parts = json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parts, list) or not 2 <= len(parts) <= 3 or not all(isinstance(each, str) for each in parts[:2]):
        return None
    written = {"field": parts[0], "op": parts[1]}
    return written if len(parts) == 2 else {**written, "value": parts[2]}


def write_chip(condition: Condition) -> str:
    """A condition as an address holds it."""
    parts = [condition.field, condition.op] + ([] if condition.value is None else [condition.value])
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))


def _read_chips(explorer: Explorer) -> list[Group]:
    kept: list[Condition] = []
    for place, raw in enumerate(_raw_conditions(explorer.params)):
        url = _without(explorer.params, "c", place)
        if raw is None:
            explorer.chips.append(Chip("A filter that cannot be read", url, "Remove it."))
            continue
        try:
            condition = read_tree({ALL: [raw]}, explorer.known).of[0]
            assert isinstance(condition, Condition)
        except ProblemsFound as error:
            words = error.problems[0].message.removeprefix("Condition 1").lstrip(": ")
            explorer.chips.append(Chip(str(raw["field"])[:80], url, words))
        else:
            kept.append(condition)
            explorer.chips.append(Chip(say_condition(condition, explorer.known), url))
    explorer.problems += [f"{each.text}: {each.bad}" for each in explorer.chips if each.bad]
    return [Group(explorer.match, tuple(kept))] if kept else []


def _read_segment(explorer: Explorer, known: Known, read: Segment | None) -> list[Group]:
    number = explorer.params.get("segment", "")
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        return []
    if read is not None and read.pk == int(number):
        explorer.segment = read
    else:
        explorer.segment = Segment.objects.filter(pk=int(number), entity=explorer.entity).first()
    if explorer.segment is None:
        explorer.problems.append("The segment that this address names does not exist any more.")
        return []
    try:
        return [read_tree(explorer.segment.conditions, known)]
    except ProblemsFound as error:
        explorer.problems.append(f"The segment “{explorer.segment.name}” cannot be used: {error.problems[0].message}")
        return [Group(ANY)]  # nobody, rather than everybody


def _without(params: QueryDict, name: str, place: int) -> str:
    rest = params.copy()
    values = rest.getlist(name)
    rest.setlist(name, values[:place] + values[place + 1 :])
    rest.pop("page", None)
    return f"?{rest.urlencode()}"


def with_condition(params: QueryDict, condition: Condition) -> str:
    """The address with one more condition and without what was typed for it."""
    rest = params.copy()
    for name in [name for name in rest if name.startswith("new-")] + ["page"]:
        rest.pop(name, None)
    rest.appendlist("c", write_chip(condition))
    return f"?{rest.urlencode()}"


# --- Rows ---------------------------------------------------------------------------------------------------------------


def read_lines(explorer: Explorer, *, page: int, now: datetime) -> tuple[list[Line], int]:
    """The records of a page, with links; and how many there are in all. ProblemsFound or CycleFound for a broken segment."""
    assert explorer.question is not None
    first = (page - 1) * ROWS
    words = BlankWords(explorer.columns, explorer.known.fields)
    found = asking.read_page(explorer.question, [*explorer.columns, *words.asked], first=first, rows=ROWS, now=now)
    return list(_lines(explorer, list(zip(found.ids, found.values, strict=True)), words)), found.total


def export_lines(explorer: Explorer, *, now: datetime) -> Iterator[list[object]]:
    """Every record as a line of a CSV: ids, name, the columns, Salesforce ids with their connections."""
    assert explorer.question is not None
    for piece in asking.read_all(explorer.question, explorer.columns, now=now):
        for line in _lines(explorer, piece):
            cells = [plain(asked, value) for asked, value in line.cells]
            ids = "; ".join(link.salesforce_id for link in line.links)
            orgs = "; ".join(link.org.name for link in line.links)
            yield [line.record.external_id, line.record.name, *cells, ids, orgs]


def header(explorer: Explorer) -> list[str]:
    """The first line of the CSV."""
    return [explorer.entity, "name", *(each.key for each in explorer.columns), "salesforce_id", "connection"]


def _lines(explorer: Explorer, found: list[tuple[int, dict[str, Any]]], words: BlankWords | None = None) -> Iterator[Line]:
    """Records with what the database knows of them; those that are gone since the last copy are left out. `words` say on a page
    why figures are blank."""
    ids = [key for key, _ in found]
    model: Any = Customer if explorer.entity == Entity.CUSTOMER else EndUser
    side = "customer_id" if explorer.entity == Entity.CUSTOMER else "end_user_id"
    kept = model.objects.filter(pk__in=ids, erased_at=None).defer("attributes")
    if explorer.entity == Entity.END_USER and words is not None and words.columns:
        kept = kept.select_related("customer").defer("attributes", "customer__attributes")
    records = {each.pk: each for each in kept}
    seen = first_seen_of(records.values()) if words is not None and words.columns else {}
    links: dict[int, list[RecordLink]] = {}
    states = (RecordLink.State.ACTIVE, RecordLink.State.SUSPENDED)
    found_links = RecordLink.objects.filter(**{f"{side}__in": ids}, state__in=states)
    found_links = found_links if explorer.org is None else found_links.filter(org=explorer.org)
    for link in found_links.select_related("org").order_by("org__name"):
        links.setdefault(getattr(link, side), []).append(link)
    for key, values in found:
        record = records.get(key)
        if record is None:
            continue
        if not explorer.sees_people:
            record.name, record.external_id = hide_people(record.name), hide_people(record.external_id)
        told = values
        if words is not None and key in seen:
            told = {each.key: words.of(each, values, seen[key]) for each in explorer.columns}
        cells = [(each, _shown(explorer, each, told[each.key])) for each in explorer.columns]
        yield Line(record, cells, links.get(key, ()))


def _shown(explorer: Explorer, asked: Field, value: Any) -> Any:
    """A value for the page: instants as such, people's addresses hidden from those who need none."""
    if asked.type == "DATE_TIME" and isinstance(value, str):
        return datetime.fromisoformat(f"{value}+00:00")
    if isinstance(value, Decimal):
        return Decimal(write_plain(value))
    if asked.type == STRING and isinstance(value, str) and not explorer.sees_people and not asked.of_customer:
        return hide_people(value)
    return value


def plain(asked: Field, value: Any) -> object:
    """A value for a CSV."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat()
    return write_plain(value) if isinstance(value, Decimal) else value


# --- Slices ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SliceLine:
    """One group: its value in words, its count and figure, and the address of its records."""

    label: str
    records: int
    figure: Any
    url: str


def read_slices(explorer: Explorer, *, now: datetime) -> tuple[list[SliceLine], int, int]:
    """Groups by value (PX-02), how many groups there are, and how many records."""
    assert explorer.question is not None
    assert explorer.group is not None
    measures = [explorer.measure] if explorer.measure else []
    found = asking.slice_by(explorer.question, explorer.group, measures, now=now)
    return [_slice_line(explorer, each) for each in found.slices], found.groups, found.records


def _slice_line(explorer: Explorer, found: asking.Slice) -> SliceLine:
    asked, value = explorer.group, found.value
    assert asked is not None
    figure = found.measured[0] if found.measured else None
    figure = Decimal(str(round(figure, 2))) if figure is not None else None
    words = "blank" if value is None else ("Yes" if value else "No") if isinstance(value, bool) else plain(asked, value)
    shown = str(words) if explorer.sees_people or asked.of_customer else hide_people(str(words))
    # An address would tell in the open what is hidden here; and beside "any of" filters one more would widen, not narrow.
    tells = shown == str(words) and (explorer.match == ALL or len(explorer.chips) < 2)
    url = with_condition(_ungrouped(explorer.params), condition_for(asked, value)) if tells else ""
    return SliceLine(shown, found.records, figure, url)


def _ungrouped(params: QueryDict) -> QueryDict:
    rest = params.copy()
    for name in ("group", "measure", "match"):
        rest.pop(name, None)
    return rest


def condition_for(asked: Field, value: Any) -> Condition:
    """The condition that holds for the records of a group."""
    if value is None:
        return Condition(asked.key, "is_blank")
    if isinstance(value, bool):
        return Condition(asked.key, "is_true" if value else "is_false")
    if asked.type == "DATE_TIME":
        first = f"{value}-01"
        last = _month_end(str(value))
        return Condition(asked.key, "between", [first, last])
    assert find_op(asked.type, "is")
    return Condition(asked.key, "is", format(value, "f") if asked.type == NUMBER else str(value))


def _month_end(month: str) -> str:
    year, number = int(month[:4]), int(month[5:7])
    return f"{month}-{calendar.monthrange(year, number)[1]:02d}"


def words_of(error: Exception) -> str:
    """What stops the whole question."""
    return " ".join(each.message for each in error.problems) if isinstance(error, ProblemsFound) else str(error)


BROKEN = (ProblemsFound, CycleFound)
