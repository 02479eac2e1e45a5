"""The section "Integrations" of the key-result form: what is chosen so far, and what a person may choose next (BW-27..BW-32).

All of it travels in the form itself, so the same steps work with and without script, and nothing is written before Submit.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q

from integrations.access import DOMAIN_GROUPS, GROUPS, Refusal
from integrations.models import SalesforceOrg
from okr import licenses, linking
from okr import reports_metadata as metadata
from okr.forms import LinkOptionsForm, connected_orgs
from okr.models import KeyResult, License, ReportLink
from okr.periods import MOST_SETTLE_DAYS

CLOSED, SEARCH, REPORT = "", "search", "report"
ASSIGNERS = (GROUPS["operator"], GROUPS["admin"], DOMAIN_GROUPS["okr"])
MOST_ROWS = 10  # filter lines shown in the form


@dataclass
class Row:
    """One option of the row picker; `depth` indents it."""

    token: str
    label: str
    depth: int = 0
    chosen: bool = False


@dataclass
class FilterLine:
    """One filter as it stands in the form, with the operators that its column knows."""

    number: int
    column: str = ""
    operator: str = ""
    value: str = ""
    operators: Sequence[str] = ()
    values: Sequence[str] = ()


@dataclass
class Section:
    """State of the section; templates read it, `read_section` and `open_section` make it."""

    user: Any
    key_result: KeyResult | None
    orgs: list[SalesforceOrg]
    seats: list[SalesforceOrg]
    state: str = CLOSED
    org: SalesforceOrg | None = None
    query: str = ""
    page: int = 1
    report_id: str = ""
    field_name: str = ""
    row: list[dict[str, Any]] = field(default_factory=list)
    column: list[dict[str, Any]] = field(default_factory=list)
    filters: list[dict[str, str]] = field(default_factory=list)
    more_filters: bool = False
    unit_from: str = ""
    options: LinkOptionsForm = field(default_factory=LinkOptionsForm)
    found: linking.Found | None = None
    preview: linking.Preview | None = None
    error: str = ""
    helpers: list[Any] = field(default_factory=list)

    @property
    def link(self) -> ReportLink | None:
        """The link that stands now."""
        return getattr(self.key_result, "link", None) if self.key_result is not None else None

    @property
    def may_link(self) -> bool:
        """Whether this person holds a seat of any usable connection."""
        return bool(self.seats)

    @property
    def path(self) -> list[dict[str, Any]]:
        """Row and column together, as a link stores them."""
        return [*self.row, *self.column]

    @property
    def source(self) -> str:
        """Names what a unit was imported from."""
        return f"{self.report_id} {self.field_name}" if self.field_name else ""

    @property
    def rows(self) -> list[Row]:
        """Options of the row picker, the report's own order."""
        return _options(self.preview.groups.down if self.preview else (), self.row, "Grand total")

    @property
    def columns(self) -> list[Row]:
        """Options of the column picker of a matrix report; none for other reports."""
        across = self.preview.groups.across if self.preview else ()
        return _options(across, self.column, "All columns") if across or self.column else []

    @property
    def filter_lines(self) -> list[FilterLine]:
        """Filters in use, and one empty line when another was asked for."""
        known = {each.name: each for each in self.preview.filter_columns} if self.preview else {}
        lines = []
        for number, each in enumerate(self.filters):
            column = known.get(each["column"])
            lines.append(
                FilterLine(number, **each, operators=column.operators if column else (), values=column.values if column else ())
            )
        if self.more_filters or not lines:
            lines.append(FilterLine(len(lines)))
        return lines[:MOST_ROWS]

    @property
    def zero_allowed(self) -> bool:
        """Whether a missing row can mean zero for the chosen field."""
        return bool(self.preview and self.preview.field and self.preview.field.zero_is_true)


def _options(choices: Sequence[metadata.GroupChoice], chosen: Sequence[Mapping[str, Any]], total: str) -> list[Row]:
    wanted = _identity(chosen)
    rows = [Row("", total, chosen=not wanted)]
    rows += [
        Row(metadata.path_token(each.path), each.label, len(each.path) - 1, _identity(each.path) == wanted)
        for each in metadata.flatten(choices)
    ]
    if wanted and not any(row.chosen for row in rows):
        rows.append(Row(metadata.path_token(chosen), f"{metadata.path_label(chosen)} (not in the report now)", chosen=True))
    return rows


def _identity(path: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [(str(step.get("field")), json.dumps(step.get("value"), sort_keys=True)) for step in path]


def open_section(user: Any, key_result: KeyResult | None) -> Section:
    """The section as a freshly opened form shows it: closed, with the link that stands."""
    orgs = connected_orgs()
    held = set(License.objects.filter(user=user, org__in=orgs).values_list("org_id", flat=True)) if user.is_active else set()
    section = Section(user, key_result, orgs, [org for org in orgs if org.pk in held])
    section.org = section.seats[0] if section.seats else None
    if not section.may_link:
        section.helpers = people_who_can_help()
        section.org = orgs[0] if orgs else None
    return section


def people_who_can_help() -> list[Any]:
    """Up to five people who assign licenses."""
    people = get_user_model().objects.filter(is_active=True)
    return list(people.filter(Q(is_superuser=True) | Q(groups__name__in=ASSIGNERS)).distinct().order_by("username")[:5])


def pool_of(section: Section) -> licenses.Seats | None:
    """Use of the pool that the person would need a seat of."""
    return licenses.seats_of(section.org) if section.org is not None else None


def read_section(user: Any, key_result: KeyResult | None, data: Mapping[str, str]) -> Section:
    """The section as the sent form describes it, after the button that was pressed."""
    section = open_section(user, key_result)
    if not section.may_link:
        return section
    org_number = data.get("org", "")
    section.org = next((org for org in section.seats if str(org.pk) == org_number), section.org)
    section.state = data.get("linking", CLOSED) if data.get("linking") in {SEARCH, REPORT} else CLOSED
    section.query, section.unit_from = data.get("q", "")[:200], data.get("unit_from", "")[:300]
    section.page = int(data["page"]) if data.get("page", "").isdecimal() and len(data["page"]) < 6 else 1
    section.report_id, section.field_name = data.get("report", "")[:18], data.get("field", "")[:255]
    section.row, section.column = _path(section, data.get("row", "")), _path(section, data.get("column", ""))
    section.filters = _filters(data)
    section.options = LinkOptionsForm(data)
    _press(section, data)
    return section


def _press(section: Section, data: Mapping[str, str]) -> None:
    """What the pressed button changes."""
    step = data.get("step", "")
    if data.get("pick"):
        section.state, section.report_id = REPORT, data["pick"][:18]
        section.field_name, section.row, section.column, section.filters = "", [], [], []
        section.options = LinkOptionsForm()
    elif step == SEARCH:
        section.state = SEARCH
    elif step == "close":
        section.state = CLOSED
    elif step == "filter":
        section.more_filters = True
    elif step == "edit" and section.link is not None:
        _take_over(section, section.link)


def _take_over(section: Section, link: ReportLink) -> None:
    """Start from the link that stands."""
    known = next((org for org in section.seats if org.pk == link.org.pk), None)
    if known is None:
        section.error = f"You hold no license of {link.org.name}, which this key result is linked to."
        return
    section.state, section.org, section.report_id, section.field_name = REPORT, known, link.report_id, link.field
    section.row = [step for step in link.group_path if not step.get("across")]
    section.column = [step for step in link.group_path if step.get("across")]
    section.filters = [dict(each) for each in link.filters]
    section.unit_from = section.source
    section.options = LinkOptionsForm({"missing_row_is_zero": link.missing_row_is_zero, "settle_days": link.settle_days})


def _path(section: Section, token: str) -> list[dict[str, Any]]:
    try:
        return metadata.path_from_token(token[:5000])
    except ValueError:
        section.error = "The chosen row could not be read; choose it again."
        return []


def _filters(data: Mapping[str, str]) -> list[dict[str, str]]:
    lines = [
        {name: data.get(f"filter-{number}-{name}", "")[:1000].strip() for name in ("column", "operator", "value")}
        for number in range(MOST_ROWS)
    ]
    return [line for line in lines if line["column"]]


def complete_filters(section: Section) -> list[dict[str, str]]:
    """Filters that have an operator; the others are still being written."""
    return [each for each in section.filters if each["operator"]]


def look(section: Section, *, now: datetime) -> None:
    """Ask Salesforce for what the section shows: search results, or the report with its live value. Errors become words."""
    if section.org is None or not section.may_link:
        return
    try:
        if section.state == SEARCH:
            section.found = linking.search(section.org, section.query, user=section.user, page=section.page)
        elif section.state == REPORT and section.report_id:
            section.preview = linking.preview(
                section.org,
                section.report_id,
                user=section.user,
                now=now,
                field_name=section.field_name,
                group_path=section.path,
                filters=complete_filters(section),
                missing_row_is_zero=bool(section.options.data.get("missing_row_is_zero")),
            )
    except Refusal as refusal:
        section.error = refusal.message


def imported_unit(section: Section) -> tuple[str, str] | None:
    """Unit and label to import, once for each newly chosen field (BW-30); None when there is nothing new."""
    chosen = section.preview.field if section.preview else None
    if chosen is None or section.unit_from == section.source:
        return None
    if chosen.unit != metadata.CURRENCY:
        return chosen.unit, chosen.unit_label
    value = section.preview.value if section.preview else None
    return chosen.unit, (value.currency if value else "") or chosen.unit_label or _usual_currency(section)


def _usual_currency(section: Section) -> str:
    """The org's one currency, which its reports do not name; else what people called the money of this connection before."""
    if section.org is not None and section.org.currency:
        return section.org.currency
    known = KeyResult.objects.filter(link__org=section.org, unit=KeyResult.Unit.CURRENCY).exclude(unit_label="")
    return known.order_by("-link__linked_at").values_list("unit_label", flat=True).first() or ""


def choose(section: Section, *, unit: str | None, unit_label: str, now: datetime) -> linking.Choice:
    """The section's choice, checked live; a `Refusal` says what is wrong. Nothing is written."""
    if section.org is None or section.state != REPORT or not section.report_id:
        raise Refusal("report_missing", "Choose a report, or close the search.")
    if not section.options.is_valid():
        raise Refusal("options", f"The settle offset is 0 to {MOST_SETTLE_DAYS} days after the period's end.")
    return linking.choose(
        section.org,
        section.report_id,
        field_name=section.field_name,
        user=section.user,
        now=now,
        group_path=section.path,
        filters=complete_filters(section),
        missing_row_is_zero=section.options.cleaned_data["missing_row_is_zero"],
        settle_days=section.options.cleaned_data["settle_days"] or 0,
        unit=unit,
        unit_label=unit_label,
    )
