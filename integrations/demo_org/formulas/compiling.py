"""Turning a formula into an SQL expression over `{row}` (the record) and `{old}` (the record before the change).

Understood: comparisons, AND, OR, NOT, arithmetic, `&`, and the functions below. Texts compare with their case, an empty text
is blank, a comparison with a blank number is false. Anything else is refused, never guessed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from integrations.demo_org.formulas.reading import BadFormula, Call, Literal, Name, Node, read_formula
from integrations.demo_org.schema.types import Field, ObjectType, Schema
from integrations.demo_org.store import has_column, quote

TEXT, NUMBER, BOOLEAN, DATE, MOMENT, PICKLIST, BLANK = "Text", "Number", "Boolean", "Date", "Datetime", "Picklist", "Null"
TYPES = {
    "double": NUMBER, "currency": NUMBER, "percent": NUMBER, "int": NUMBER, "long": NUMBER, "boolean": BOOLEAN, "date": DATE,
    "datetime": MOMENT, "picklist": PICKLIST, "string": TEXT, "textarea": TEXT, "email": TEXT, "phone": TEXT, "url": TEXT,
    "id": TEXT, "reference": TEXT,
}  # fmt: skip
ORDERED = frozenset({NUMBER, DATE, MOMENT})
LONGEST_SQL = 20_000


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression. `names` are the fields of the record that it reads; `changes` tells whether it asks for the old ones."""

    sql: str
    type: str
    names: frozenset[str]
    changes: bool = False


@dataclass
class Compiler:
    """One formula of one object while it is compiled."""

    kind: ObjectType
    schema: Schema
    for_rule: bool
    zero: bool
    names: set[str] = field(default_factory=set)
    changes: bool = False

    def compile(self, node: Node) -> tuple[str, str]:
        """SQL and type of a part."""
        if isinstance(node, Literal):
            return literal(node.value)
        if isinstance(node, Name):
            return self.name(node.path)
        if node.function in COMPARISONS:
            return self.compare(node)
        rule = FUNCTIONS.get(node.function)
        if rule is None:
            raise BadFormula(f"Unknown function {node.function}. Check spelling.")
        return rule(self, node)

    def take(self, node: Node, *wanted: str) -> str:
        """The SQL of a part that must have one of the types."""
        sql, found = self.compile(node)
        if found not in wanted and found != BLANK:
            if found == PICKLIST:
                raise BadFormula(
                    f"{_shown(node)} is a picklist field. Picklist fields are only supported in certain functions."
                )
            raise BadFormula(f"Incorrect parameter type. Expected {' or '.join(wanted)}, received {found}")
        return sql

    def name(self, path: str, *, row: str = "{row}", raw: bool = False) -> tuple[str, str]:
        """A field of the record, or of its parent. `raw` leaves blank values blank."""
        relation, _, own = path.rpartition(".")
        sql, made = self._parent_field(relation, own) if relation else self._own_field(own, row)
        found = TYPES.get(made.type)
        if found is None:
            raise BadFormula(f"Field {path} is of type {made.type}, which formulas here do not understand")
        if made.type == "percent":
            sql = f"({sql} / 100.0)"  # formulas count in fractions
        if raw:
            return sql, found
        if found == NUMBER and self.zero:
            return f"COALESCE({sql}, 0)", found
        return (f"COALESCE({sql}, '') COLLATE BINARY", found) if found == TEXT else (sql, found)

    def _own_field(self, name: str, row: str) -> tuple[str, Field]:
        made = self.kind.find(name)
        if made is None:
            raise BadFormula(f"Field {name} does not exist. Check spelling.")
        if made.calculated and (self.for_rule or made.formula is None):
            raise BadFormula(f"Field {name} is calculated; this is not understood here")
        if made.formula is not None:
            return f"({made.formula.replace('{row}', row)})", made
        if not has_column(made):
            raise BadFormula(f"Field {name} cannot be used in a formula")
        self.names.add(made.name)
        return f"{row}.{quote(made.name)}", made

    def _parent_field(self, relation: str, name: str) -> tuple[str, Field]:
        """A stored field one relationship away."""
        link = None if "." in relation else self.kind.by_relationship(relation)
        parents = [self.schema.find(each) for each in link.reference_to] if link else []
        if link is None or len(parents) != 1 or parents[0] is None:
            raise BadFormula(f"Field {relation}.{name} does not exist, or leads further than is understood here")
        made = parents[0].find(name)
        if made is None or not has_column(made):
            raise BadFormula(f"Field {relation}.{name} does not exist, or is calculated")
        self.names.add(link.name)
        alias = quote(f"parent {relation}".lower())
        table = quote(parents[0].name)
        sql = f'(SELECT {alias}.{quote(made.name)} FROM {table} AS {alias} WHERE {alias}."Id" = {{row}}.{quote(link.name)})'  # noqa: S608
        return sql, made

    def compare(self, node: Call) -> tuple[str, str]:
        """Two values of one type; blanks make it false (texts: an empty one)."""
        (left, kind), (right, other) = map(self.compile, node.arguments)
        for each, found in zip(node.arguments, (kind, other), strict=True):
            if found == PICKLIST:
                self.take(each, TEXT)
        if BLANK in (kind, other):
            left, right = (
                (f"NULLIF({left}, '')" if kind == TEXT else left),
                (f"NULLIF({right}, '')" if other == TEXT else right),
            )
            if node.function not in {"=", "<>"}:
                return "0", BOOLEAN
            return f"({left} IS {'' if node.function == '=' else 'NOT '}{right})", BOOLEAN
        if kind != other:
            raise BadFormula(f"Incorrect parameter type for operator '{node.function}'. Expected {kind}, received {other}")
        if node.function not in {"=", "<>"} and kind not in ORDERED:
            raise BadFormula(f"Incorrect parameter type for operator '{node.function}'. Expected Number, Date, received {kind}")
        return f"COALESCE({left} {node.function} {right}, {int(node.function == '<>')})", BOOLEAN

    def same_type(self, nodes: tuple[Node, ...]) -> tuple[list[str], str]:
        """Parts that must all be of one type."""
        parts = [self.compile(each) for each in nodes]
        types = {kind for _, kind in parts} - {BLANK}
        if len(types) > 1:
            raise BadFormula(f"Incorrect parameter type. Expected {parts[0][1]}, received {', '.join(sorted(types))}")
        return [sql for sql, _ in parts], next(iter(types), TEXT)

    def field_of(self, node: Node) -> Name:
        """A part that must be a field."""
        if not isinstance(node, Name):
            raise BadFormula("A field is expected here")
        return node


def compile_formula(text: str, kind: ObjectType, schema: Schema, *, for_rule: bool = False, zero: bool = False) -> Compiled:
    """Check and compile a formula of an object. BadFormula says what is wrong or not understood.

    `for_rule`: a validation rule, which may ask for ISNEW, ISCHANGED and PRIORVALUE. `zero`: blank numbers count as 0.
    """
    compiler = Compiler(kind, schema, for_rule, zero)
    sql, found = compiler.compile(read_formula(text))
    if len(sql) > LONGEST_SQL:
        raise BadFormula("Compiled formula is too big to execute")
    return Compiled(sql, found, frozenset(compiler.names), compiler.changes)


def literal(value: float | str | bool | None) -> tuple[str, str]:
    """A literal in SQL."""
    if value is None:
        return "NULL", BLANK
    if isinstance(value, bool):
        return str(int(value)), BOOLEAN
    if isinstance(value, int | float):
        return repr(value), NUMBER
    # braces would be taken for the places of the record's alias
    quoted = value.replace("'", "''").replace("{", "'||char(123)||'").replace("\x00", "")
    return f"('{quoted}')" if "char(123)" in quoted else f"'{quoted}'", TEXT


def _shown(node: Node) -> str:
    return f"Field {node.path}" if isinstance(node, Name) else "The value"


def _need(node: Call, low: int, high: int) -> None:
    """Check the number of parameters."""
    if not low <= len(node.arguments) <= high:
        text = (
            f"Incorrect number of parameters for function '{node.function}()'. Expected {low}, received {len(node.arguments)}"
        )
        raise BadFormula(text)


Rule = Callable[[Compiler, Call], tuple[str, str]]


def _logic(word: str) -> Rule:
    def rule(compiler: Compiler, node: Call) -> tuple[str, str]:
        _need(node, 1, 100)
        return "(" + f" {word} ".join(compiler.take(each, BOOLEAN) for each in node.arguments) + ")", BOOLEAN

    return rule


def _plain(form: str, takes: str, gives: str, *, most: int = 1) -> Rule:
    """A function whose parameters are all of one type; `{}` in the form is the list of them."""

    def rule(compiler: Compiler, node: Call) -> tuple[str, str]:
        _need(node, 1, most)
        return form.format(", ".join(compiler.take(each, takes) for each in node.arguments)), gives

    return rule


def _arithmetic(sign: str) -> Rule:
    def rule(compiler: Compiler, node: Call) -> tuple[str, str]:
        left, right = (compiler.take(each, NUMBER) for each in node.arguments)
        return (f"({left} * 1.0 / NULLIF({right}, 0))" if sign == "/" else f"({left} {sign} {right})"), NUMBER

    return rule


def _plus(compiler: Compiler, node: Call) -> tuple[str, str]:
    parts, found = compiler.same_type(node.arguments)
    if found not in {NUMBER, TEXT}:
        raise BadFormula(f"Incorrect parameter type for operator '+'. Expected Number, Text, received {found}")
    return f"({(' + ' if found == NUMBER else ' || ').join(parts)})", found


def _join(compiler: Compiler, node: Call) -> tuple[str, str]:
    return "(" + " || ".join(compiler.take(each, TEXT) for each in node.arguments) + ")", TEXT


def _is_blank(compiler: Compiler, node: Call) -> tuple[str, str]:
    _need(node, 1, 1)
    part = node.arguments[0]
    sql = compiler.name(part.path, raw=True)[0] if isinstance(part, Name) else compiler.compile(part)[0]
    return f"(NULLIF({sql}, '') IS NULL)", BOOLEAN


def _blank_value(compiler: Compiler, node: Call) -> tuple[str, str]:
    _need(node, 2, 2)
    parts, found = compiler.same_type(node.arguments)
    return f"COALESCE(NULLIF({parts[0]}, ''), {parts[1]})", found


def _is_picklist_value(compiler: Compiler, node: Call) -> tuple[str, str]:
    _need(node, 2, 2)
    sql, found = compiler.name(compiler.field_of(node.arguments[0]).path, raw=True)
    wanted = node.arguments[1]
    if found != PICKLIST or not isinstance(wanted, Literal) or not isinstance(wanted.value, str):
        raise BadFormula("ISPICKVAL() takes a picklist field and a text")
    return f"(COALESCE({sql}, '') COLLATE BINARY = {literal(wanted.value)[0]})", BOOLEAN


def _text(compiler: Compiler, node: Call) -> tuple[str, str]:
    """The text of a picklist value, a number (without .0) or a day."""
    _need(node, 1, 1)
    sql, found = compiler.compile(node.arguments[0])
    if found == NUMBER:
        return f"CASE WHEN {sql} IS NULL THEN '' ELSE printf('%.15g', {sql}) END", TEXT
    if found not in {PICKLIST, DATE}:
        raise BadFormula(f"Incorrect parameter type for function 'TEXT()'. Expected Number, Date, Picklist, received {found}")
    return f"COALESCE({sql}, '') COLLATE BINARY", TEXT


def _if(compiler: Compiler, node: Call) -> tuple[str, str]:
    _need(node, 3, 3)
    condition = compiler.take(node.arguments[0], BOOLEAN)
    parts, found = compiler.same_type(node.arguments[1:])
    return f"CASE WHEN {condition} THEN {parts[0]} ELSE {parts[1]} END", found


def _case(compiler: Compiler, node: Call) -> tuple[str, str]:
    """CASE(value, one, result, another, result, ..., otherwise); the value may be a picklist."""
    if len(node.arguments) < 4 or len(node.arguments) % 2:
        raise BadFormula("Incorrect number of parameters for function 'CASE()'")
    sql, found = compiler.compile(node.arguments[0])
    sql, found = (f"COALESCE({sql}, '') COLLATE BINARY", TEXT) if found == PICKLIST else (sql, found)
    wanted = [compiler.take(each, found) for each in node.arguments[1:-1:2]]
    results, kind = compiler.same_type((*node.arguments[2:-1:2], node.arguments[-1]))
    whens = " ".join(f"WHEN {one} THEN {result}" for one, result in zip(wanted, results[:-1], strict=True))
    return f"CASE {sql} {whens} ELSE {results[-1]} END", kind


def _part_of(form: str) -> Rule:
    def rule(compiler: Compiler, node: Call) -> tuple[str, str]:
        _need(node, 2, 2)
        whole, part = (compiler.take(each, TEXT) for each in node.arguments)
        return form.format(whole=whole, part=part), BOOLEAN

    return rule


def _cut(form: str) -> Rule:
    def rule(compiler: Compiler, node: Call) -> tuple[str, str]:
        _need(node, 2, 2)
        text, size = compiler.take(node.arguments[0], TEXT), compiler.take(node.arguments[1], NUMBER)
        return form.format(text=text, size=f"MAX(CAST({size} AS INTEGER), 0)"), TEXT

    return rule


def _round(compiler: Compiler, node: Call) -> tuple[str, str]:
    _need(node, 2, 2)
    number, digits = (compiler.take(each, NUMBER) for each in node.arguments)
    return f"ROUND({number}, CAST({digits} AS INTEGER))", NUMBER


def _is_new(compiler: Compiler, node: Call) -> tuple[str, str]:
    _only_rules(compiler, node, 0)
    return ":is_new", BOOLEAN


def _is_changed(compiler: Compiler, node: Call) -> tuple[str, str]:
    _only_rules(compiler, node, 1)
    path = compiler.field_of(node.arguments[0]).path
    now, before = (compiler.name(path, row=row, raw=True)[0] for row in ("{row}", "{old}"))
    return f"(:is_new = 0 AND {now} IS NOT {before})", BOOLEAN


def _prior_value(compiler: Compiler, node: Call) -> tuple[str, str]:
    _only_rules(compiler, node, 1)
    return compiler.name(compiler.field_of(node.arguments[0]).path, row="{old}")


def _only_rules(compiler: Compiler, node: Call, parameters: int) -> None:
    _need(node, parameters, parameters)
    if not compiler.for_rule:
        raise BadFormula(f"The function {node.function} cannot be used here")
    compiler.changes = True


COMPARISONS = frozenset({"=", "<>", "<", ">", "<=", ">="})
FUNCTIONS: dict[str, Rule] = {
    "AND": _logic("AND"), "&&": _logic("AND"), "OR": _logic("OR"), "||": _logic("OR"),
    "NOT": _plain("(NOT {})", BOOLEAN, BOOLEAN),
    "+": _plus, "-": _arithmetic("-"), "*": _arithmetic("*"), "/": _arithmetic("/"), "&": _join,
    "NEGATE": _plain("(-{})", NUMBER, NUMBER), "PLUS": _plain("{}", NUMBER, NUMBER), "ISBLANK": _is_blank, "ISNULL": _is_blank,
    "BLANKVALUE": _blank_value, "NULLVALUE": _blank_value, "LEN": _plain("LENGTH({})", TEXT, NUMBER),
    "ISPICKVAL": _is_picklist_value,
    "TEXT": _text, "IF": _if, "CASE": _case, "UPPER": _plain("UPPER({})", TEXT, TEXT), "LOWER": _plain("LOWER({})", TEXT, TEXT),
    "TRIM": _plain("TRIM({})", TEXT, TEXT), "ABS": _plain("ABS({})", NUMBER, NUMBER), "ROUND": _round,
    "MIN": _plain("MIN({}, 9e999)", NUMBER, NUMBER, most=30), "MAX": _plain("MAX({}, -9e999)", NUMBER, NUMBER, most=30),
    "CONTAINS": _part_of("(INSTR({whole}, {part}) > 0)"), "BEGINS": _part_of("(SUBSTR({whole}, 1, LENGTH({part})) = {part})"),
    "LEFT": _cut("SUBSTR({text}, 1, {size})"), "RIGHT": _cut("SUBSTR({text}, -1 - {size} + 1, {size})"),
    "ISNEW": _is_new, "ISCHANGED": _is_changed, "PRIORVALUE": _prior_value,
}  # fmt: skip
