"""Custom fields that are calculated: formulas and roll-up summaries, turned into SQL over the record."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from integrations.demo_org.formulas import BadFormula, compile_formula
from integrations.demo_org.formulas.compiling import literal
from integrations.demo_org.metadata.values import Refused, Values, as_list, number_of, text_of
from integrations.demo_org.schema.catalogue import fields as make
from integrations.demo_org.schema.types import Field, ObjectType
from integrations.demo_org.store import has_column, quote

if TYPE_CHECKING:
    from integrations.demo_org.metadata.field_types import Place
    from integrations.demo_org.schema.changes import Draft

BROKEN = "FIELD_INTEGRITY_EXCEPTION"
# what metadata calls the result: (describe type, type of the expression)
RESULTS = {
    "Text": ("string", "Text"), "Number": ("double", "Number"), "Currency": ("currency", "Number"),
    "Percent": ("percent", "Number"), "Checkbox": ("boolean", "Boolean"), "Date": ("date", "Date"),
    "DateTime": ("datetime", "Datetime"),
}  # fmt: skip
NUMBERS = frozenset({"double", "currency", "percent", "int"})
# look-ups that Salesforce sums over although they are no master-detail links
STANDARD_LINKS = frozenset({("Opportunity", "AccountId"), ("CampaignMember", "CampaignId")})
OPERATORS = {
    "equals": "=", "notEqual": "<>", "lessThan": "<", "greaterThan": ">", "lessOrEqual": "<=", "greaterOrEqual": ">=",
}  # fmt: skip


def build_formula(place: "Place", values: Values) -> Field:
    """A formula field. Refused when the formula is wrong, beyond what is understood, or of another type than the field."""
    wanted = text_of(values, "type")
    if wanted not in RESULTS:
        raise Refused(BROKEN, f"A formula cannot be of type {wanted or 'none'}")
    kind, expected = RESULTS[wanted]
    text = text_of(values, "formula")
    zero = text_of(values, "formulaTreatBlanksAs", "BlankAsZero") == "BlankAsZero"
    try:
        compiled = compile_formula(text, place.kind.without([place.name]), place.draft.schema(), zero=zero)
    except BadFormula as problem:
        raise Refused(BROKEN, f"Error: {problem}") from problem
    if compiled.type not in {expected, "Null"}:
        found = f"Formula result is data type ({compiled.type}), incompatible with expected data type ({expected})."
        raise Refused(BROKEN, f"Error: {found}")
    more: dict[str, Any] = {"precision": 0, "scale": 0}
    sql = f"NULLIF({compiled.sql}, '')" if kind == "string" else compiled.sql
    if kind in NUMBERS:
        more = _digits(values)
        sql = f"ROUND(({sql}){' * 100' if kind == 'percent' else ''}, {more['scale']})"
    if kind == "string":
        more = {"groupable": True}
    return replace(make.formula(place.name, place.label, kind, sql, **more), custom=True, formula_text=text)


def _digits(values: Values) -> dict[str, Any]:
    precision = number_of(values, "precision", 18, low=1, high=18, label="Precision")
    return {"precision": precision, "scale": number_of(values, "scale", 2, low=0, high=17, label="Scale")}


def build_summary(place: "Place", values: Values) -> Field:
    """A roll-up summary over the details of a master-detail link. Refused when it names what is not there."""
    child, link = _named(place.draft, text_of(values, "summaryForeignKey"), "summaryForeignKey")
    detail = (link.cascade_delete and not link.nillable) or (child.name, link.name) in STANDARD_LINKS
    if place.kind.name not in link.reference_to or not detail:
        raise Refused(BROKEN, f"{child.name}.{link.name} is no master-detail relationship to {place.kind.name}")
    alias = quote(f"roll {place.kind.name} {place.name}".lower())
    kind, what, more = _summarized(place, values, child, alias)
    alive = f" AND {alias}.IsDeleted = 0" if child.find("IsDeleted") else ""
    filters = "".join(f" AND {_filter(place.draft, each, child, alias)}" for each in as_list(values.get("summaryFilterItems")))
    sql = f'(SELECT {what} FROM {quote(child.name)} AS {alias} WHERE {alias}.{quote(link.name)} = {{row}}."Id"{alive}{filters})'  # noqa: S608
    return replace(make.rollup(place.name, place.label, kind, sql, **more), custom=True)


def _named(draft: "Draft", full_name: str, element: str) -> tuple[ObjectType, Field]:
    """The object and field of `Object.Field`."""
    object_name, _, name = full_name.partition(".")
    kind = draft.find(object_name)
    made = kind.find(name) if kind else None
    if kind is None or made is None:
        raise Refused("INVALID_FIELD", f"In field: {element} - no CustomField named {full_name or 'none'} found")
    return kind, made


def _column(made: Field, alias: str) -> str:
    return f"({made.formula.replace('{row}', alias)})" if made.formula is not None else f"{alias}.{quote(made.name)}"


def _summarized(place: "Place", values: Values, child: ObjectType, alias: str) -> tuple[str, str, dict[str, Any]]:
    """The describe type, the aggregate expression and the size of the field."""
    operation = text_of(values, "summaryOperation").lower()
    if operation == "count":
        return "double", "COUNT(*)", {"precision": 18, "scale": 0}
    if operation not in {"sum", "min", "max"}:
        raise Refused(BROKEN, f"Must specify a valid summaryOperation: {operation or 'none'}")
    owner, made = _named(place.draft, text_of(values, "summarizedField"), "summarizedField")
    days = operation != "sum" and made.type in {"date", "datetime"}
    if owner.name != child.name or not (made.type in NUMBERS or days) or (made.formula is None and not has_column(made)):
        raise Refused(BROKEN, f"The field {owner.name}.{made.name} cannot be summarized by {operation}")
    column = _column(made, alias)
    if days:
        return made.type, f"{operation.upper()}({column})", {"precision": 0, "scale": 0}
    kind = "double" if made.type == "int" else made.type
    what = f"COALESCE(SUM({column}), 0)" if operation == "sum" else f"{operation.upper()}({column})"
    return kind, what, {"precision": 18, "scale": made.scale}


def _filter(draft: "Draft", item: Any, child: ObjectType, alias: str) -> str:
    """One condition on the details; several texts behind commas mean any of them."""
    named: Values = item if isinstance(item, dict) else {}
    owner, made = _named(draft, text_of(named, "field"), "summaryFilterItems")
    operator = OPERATORS.get(text_of(named, "operation"))
    if owner.name != child.name or operator is None:
        raise Refused(BROKEN, f"This org does not imitate the filter {text_of(named, 'operation')} on {owner.name}.{made.name}")
    text, column = text_of(named, "value"), _column(made, alias)
    try:
        if made.type in NUMBERS:
            return f"{column} {operator} {float(text)!r}"
        if made.type == "boolean":
            return f"{column} {operator} { ({'true': 1, 'false': 0}[text.lower()]) }"
    except (ValueError, KeyError) as problem:
        raise Refused(BROKEN, f"The filter value {text[:40]} does not fit {owner.name}.{made.name}") from problem
    parts = [part.strip() for part in text.split(",")] if operator in {"=", "<>"} else [text]
    if operator in {"=", "<>"}:
        listed = ", ".join(literal(part)[0] for part in parts)
        return f"COALESCE({column}, '') {'IN' if operator == '=' else 'NOT IN'} ({listed})"
    return f"{column} {operator} {literal(text)[0]}"
