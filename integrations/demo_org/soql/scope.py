"""What names mean inside one SELECT: fields, relationships, and the joins that they need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import NoReturn

from integrations.demo_org.schema.types import Field, ObjectType, Schema
from integrations.demo_org.soql import faults
from integrations.demo_org.soql.dates import Calendar
from integrations.demo_org.soql.tree import Path

MAX_LEVELS = 5
COMPOUND = frozenset({"address", "location"})
NAME_FIELDS = frozenset({
    "id", "name", "type", "firstname", "lastname", "alias", "email", "isactive", "phone", "profileid", "title", "username",
    "userroleid", "recordtypeid",
})  # fmt: skip
TYPE_FIELD = Field("Type", "Type", "picklist", length=40, createable=False, updateable=False)


HiddenRows = tuple[str, Sequence[str]]


@dataclass
class Build:
    """What all parts of one statement share. `aliases` numbers the tables; `semi_joins` counts nested selections.

    `hidden_rows`: by object name in lower case, the field and the values of it whose rows the user may not see.
    """

    text: str
    schema: Schema
    calendar: Calendar
    user_id: str = ""
    all_rows: bool = False
    bulk: bool = False
    hidden_rows: Mapping[str, HiddenRows] = field(default_factory=dict)
    aliases: count = field(default_factory=count)
    semi_joins: int = 0

    def alias(self) -> str:
        """A fresh table alias."""
        return f"t{next(self.aliases)}"


@dataclass(frozen=True)
class Term:
    """A compiled expression: its SQL, the type of its value (a describe word), and the field behind it if there is one."""

    sql: str
    type: str
    name: str
    field: Field | None = None
    entity: str = ""
    at: int = 0
    aggregate: bool = False

    @property
    def is_text(self) -> bool:
        """Whether values compare as text without case."""
        sensitive = self.field is not None and self.field.case_sensitive
        return not sensitive and (self.type == "string" or (self.field is not None and self.field.is_text))


@dataclass
class Step:
    """A place on a path where fields can be read: one table, or several for a reference to more than one object."""

    tables: list[tuple[ObjectType, str]]
    key: str
    relationship: str = ""
    polymorphic: bool = False

    @property
    def kind(self) -> ObjectType:
        """The (first) object."""
        return self.tables[0][0]

    @property
    def id_sql(self) -> str:
        """The id of the record found here, NULL when there is none."""
        found = [f'{alias}."Id"' for _, alias in self.tables]
        return found[0] if len(found) == 1 else f"COALESCE({', '.join(found)})"


def column_sql(alias: str, field: Field) -> str:
    """A field of a table: its column, or its formula."""
    if field.formula is None:
        return f'{alias}."{field.name}"'
    formula = f"({field.formula.replace('{row}', alias)})"
    return f"({formula} COLLATE NOCASE)" if field.is_text and not field.case_sensitive else formula


def quote_text(text: str) -> str:
    """A text literal inside SQL, for the catalogue's own texts only; what users send is always a parameter."""
    return "'" + text.replace("'", "''") + "'"


class Scope:
    """One object and the parents that its paths reach."""

    def __init__(self, build: Build, kind: ObjectType, alias: str | None = None) -> None:
        self.build = build
        self.kind = kind
        self.root = build.alias()
        self.names = {each.lower() for each in (kind.name, alias) if each}
        self.shortcuts: dict[str, Path] = {}
        self.joins: list[str] = []
        self.steps: dict[tuple[str, ...], Step] = {(): Step([(kind, self.root)], f'{self.root}."Id"')}

    def from_sql(self) -> str:
        """The FROM part."""
        return " ".join([f'"{self.kind.name}" AS {self.root}', *self.joins])

    def own_names(self, path: Path) -> tuple[str, ...]:
        """The names of a path without the object's own name or alias in front, with FROM's relationship aliases resolved."""
        head = path.names[0].lower()
        if head in self.shortcuts and len(path.names) > 1:
            return self.own_names(replace(path, names=self.shortcuts[head].names + path.names[1:]))
        if len(path.names) > 1 and head in self.names and not self.kind.by_relationship(head):
            return path.names[1:]
        return path.names

    def resolve(self, path: Path) -> Term:
        """The field at the end of a path. ApiError INVALID_FIELD when there is none."""
        names = self.own_names(path)
        step = self.step(path, names[:-1])
        return self.field_at(step, names[-1], path)

    def step(self, path: Path, names: tuple[str, ...]) -> Step:
        """The place that relationships lead to, joining what is not joined yet."""
        if len(names) > MAX_LEVELS:
            sentence = f"SOQL relationship paths can have at most {MAX_LEVELS} levels: {path.text}"
            raise faults.fault(self.build.text, path.at, sentence, "INVALID_FIELD")
        key = tuple(each.lower() for each in names)
        if key not in self.steps:
            before = self.step(path, names[:-1])
            self.steps[key] = self._join(before, names[-1], path)
        return self.steps[key]

    def _join(self, before: Step, name: str, path: Path) -> Step:
        """Join the parents that relationship `name` of `before` can point to."""
        for kind, alias in before.tables:
            reference = kind.by_relationship(name)
            if reference:
                return self._join_targets(reference, alias, path)
        return self._no_relationship(name, path)

    def _no_relationship(self, name: str, path: Path) -> NoReturn:
        raise faults.no_relationship(self.build.text, path.at, name)

    def _join_targets(self, reference: Field, alias: str, path: Path) -> Step:
        targets = [kind for kind in map(self.build.schema.find, reference.reference_to) if kind]
        if not targets:
            self._no_relationship(reference.relationship_name or reference.name, path)
        key = f'{alias}."{reference.name}"'
        tables = []
        for kind in targets:
            joined = self.build.alias()
            tables.append((kind, joined))
            self.joins.append(f'LEFT JOIN "{kind.name}" AS {joined} ON {joined}."Id" = {key}')
        many = len(reference.reference_to) > 1
        return Step(tables, key, reference.relationship_name or "", many)

    def field_at(self, step: Step, name: str, path: Path) -> Term:
        """A field of the record(s) at a step."""
        if step.polymorphic:
            return self._name_field(step, name, path)
        found = step.kind.find(name)
        if found is None:
            raise faults.no_column(self.build.text, path.at, name, step.kind.name)
        sql = column_sql(step.tables[0][1], found) if found.type not in COMPOUND else "NULL"
        return Term(sql, found.type, found.name, found, step.kind.name, path.at)

    def _name_field(self, step: Step, name: str, path: Path) -> Term:
        """A field of a reference to several objects: those that all named things have in common."""
        lower = name.lower()
        if lower == "type":
            return Term(self._type_sql(step), "picklist", "Type", TYPE_FIELD, "Name", path.at)
        found = [
            (alias, each)
            for kind, alias in step.tables
            for each in [self._name_of(kind) if lower == "name" else kind.find(name)]
            if each is not None
        ]
        if lower not in NAME_FIELDS or not found:
            raise faults.no_column(self.build.text, path.at, name, "Name")
        columns = [column_sql(alias, each) for alias, each in found]
        first = found[0][1]
        sql = columns[0] if len(columns) == 1 else f"COALESCE({', '.join(columns)})"
        sql = f"({sql} COLLATE NOCASE)" if first.is_text else sql
        title = "Name" if lower == "name" else first.name
        return Term(sql, first.type, title, first, "Name", path.at)

    @staticmethod
    def _name_of(kind: ObjectType) -> Field | None:
        """The field that names records of an object (CaseNumber for a case)."""
        return kind.find("Name") or next((each for each in kind.fields if each.name_field), None)

    @staticmethod
    def _type_sql(step: Step) -> str:
        """The object that a reference points to, told from the id's prefix."""
        cases = " ".join(f"WHEN '{kind.key_prefix}' THEN {quote_text(kind.name)}" for kind, _ in step.tables)
        return f"(CASE substr({step.key}, 1, 3) {cases} END COLLATE NOCASE)"
