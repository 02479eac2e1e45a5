"""The body of a mapping version: which Salesforce object, which match rules, which field pairs. Data only, to and from JSON.

Rules stand in the fixed order of PX-49 and PX-55; a body only says which of them are on and how (PX-D4: or, first match wins).
Keys of product fields are those of the source catalogue: a column (`external_id`, `name`, `website`, `email`, `phone`, ...),
`attributes.KEY` for an attribute, or what a domain registered (KPIs).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from integrations.sync.mapping.problems import Problem, ProblemsFound

CUSTOMER_RULES = ("sfdc_id", "custom_field", "website_domain", "name", "recent_user_domain")  # PX-50..PX-54
END_USER_RULES = ("sfdc_id", "custom_field", "email", "phone")  # PX-56..PX-59
RULES_OF = {"customer": CUSTOMER_RULES, "end_user": END_USER_RULES}
OBJECT_OF = {"customer": "Account", "end_user": "Contact"}
DEFAULT_PREFIX = "PX_"  # PX-36
# PX-D3: what a criterion does when several records fit
SEVERAL_FITS = {("end_user", "email"): "none", ("end_user", "phone"): "none"}
WHEN_SEVERAL = ("first", "none")
PULL, PUSH = "pull", "push"
ATTRIBUTE = "attributes."
"""What keys of attributes begin with, so that none can hide a column."""
# The Salesforce field that a rule compares, unless it names another (custom objects have none of these).
FIELD_OF_RULE = {
    "sfdc_id": "Id", "website_domain": "Website", "name": "Name", "recent_user_domain": "Website", "email": "Email",
    "phone": "Phone",
}  # fmt: skip
FORMAT = 1
"""Version of the JSON form; a file that says a larger one was written by a newer program."""
MOST_PAIRS, MOST_VALUES, MOST_TEXT = 800, 1000, 255  # an object of Salesforce has at most 800 fields, a picklist 1,000 values


@dataclass(frozen=True)
class MatchRule:
    """One criterion. `when_several` is `first` (oldest CreatedDate, then lowest Id) or `none` (the next criterion runs)."""

    name: str
    on: bool = False
    when_several: str = "first"
    source_field: str = ""
    salesforce_field: str = ""
    case_sensitive: bool = True
    registrable_domain: bool = False
    majority: bool = False

    @property
    def compared_field(self) -> str:
        """The Salesforce field that this rule reads; empty for a custom field that nobody chose."""
        return self.salesforce_field or FIELD_OF_RULE.get(self.name, "")


@dataclass(frozen=True)
class FieldPair:
    """One mapped field. `source` is a key of the source catalogue, `target` an API name of the Salesforce object; the direction
    says which of them is written. `accept_lossy` is a person's tick for a conversion that can lose something; `cut` allows
    text to be cut to the field's length (PX-D10); `values` translates values (picklists): what is read to what is written."""

    direction: str
    source: str
    target: str
    accept_lossy: bool = False
    cut: bool = False
    values: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def attribute(self) -> str:
        """Key of the attribute on the product's side; empty for columns and KPIs."""
        return self.source.removeprefix(ATTRIBUTE) if self.source.startswith(ATTRIBUTE) else ""


@dataclass(frozen=True)
class MappingBody:
    """Everything that a version fixes."""

    entity: str
    object: str
    retrieve: bool = True
    rules: tuple[MatchRule, ...] = ()
    pairs: tuple[FieldPair, ...] = ()
    prefix: str = DEFAULT_PREFIX
    mail_providers: tuple[str, ...] | None = None
    most_active_wins: bool = False

    def rule(self, name: str) -> MatchRule | None:
        """The rule of that name when it is on."""
        return next((rule for rule in self.rules if rule.name == name and rule.on), None)

    def pairs_of(self, direction: str) -> tuple[FieldPair, ...]:
        """The pairs of one direction."""
        return tuple(pair for pair in self.pairs if pair.direction == direction)


def default_body(entity: str, *, object_name: str = "") -> MappingBody:
    """What a new mapping starts with: the standard object, only matching by id on, no fields."""
    rules = tuple(
        MatchRule(name, on=name == "sfdc_id", when_several=SEVERAL_FITS.get((entity, name), "first"))
        for name in RULES_OF[entity]
    )
    return MappingBody(entity=entity, object=object_name or OBJECT_OF[entity], rules=rules)


def write_body(body: MappingBody) -> dict[str, Any]:
    """The JSON form."""
    return {
        "entity": body.entity, "object": body.object, "retrieve": body.retrieve, "prefix": body.prefix,
        "rules": [vars(rule).copy() for rule in body.rules],
        "pairs": [{**vars(pair), "values": dict(pair.values)} for pair in body.pairs],
        "mail_providers": None if body.mail_providers is None else list(body.mail_providers),
        "most_active_wins": body.most_active_wins,
    }  # fmt: skip


def read_body(data: object, *, entity: str = "") -> MappingBody:
    """A body from its JSON form; `ProblemsFound` (a ValueError) names everything that is no body, each with its path (R-281).

    Only the shape is judged here; whether the fields exist and fit is `check.problems_of`. `entity` is what it must be for.
    """
    reader = _Reader()
    body = reader.body(data, entity)
    if reader.problems or body is None:
        raise ProblemsFound(reader.problems)
    return body


class _Reader:
    """Reads a body and gathers what is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def wrong(self, path: str, code: str, message: str) -> None:
        self.problems.append(Problem(path, code, message))

    def body(self, data: object, entity: str) -> MappingBody | None:
        if not isinstance(data, Mapping):
            self.wrong("", "not_an_object", "This is not a mapping: a JSON object is expected.")
            return None
        if not self.is_known_format(data.get("format", FORMAT)):
            return None
        named = data.get("entity", entity)
        if not isinstance(named, str) or named not in RULES_OF or (entity and named != entity):
            wanted = entity or "customer or end_user"
            self.wrong("entity", "entity", f"Must be {wanted}, not {str(named)[:40]!r}.")
            return None
        body = default_body(named)
        known = {each.name for each in fields(MappingBody)} | {"format"}
        self.refuse_unknown("", data, known)
        providers = data.get("mail_providers")
        return replace(
            body,
            object=self.text(data, "object", "object", body.object),
            retrieve=self.flag(data, "retrieve", "retrieve", body.retrieve),
            prefix=self.text(data, "prefix", "prefix", body.prefix),
            rules=self.rules(data.get("rules"), body),
            pairs=tuple(self.pairs(data.get("pairs"))),
            mail_providers=None if providers is None else tuple(self.texts("mail_providers", providers)),
            most_active_wins=self.flag(data, "most_active_wins", "most_active_wins", body.most_active_wins),
        )

    def is_known_format(self, number: object) -> bool:
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            self.wrong("format", "format", "Must be a whole number.")
            return False
        if number > FORMAT:
            self.wrong("format", "newer_version", f"Written by a newer version (format {number}; this one reads {FORMAT}).")
        return number <= FORMAT

    def rules(self, items: object, body: MappingBody) -> tuple[MatchRule, ...]:
        """The rules in their fixed order, whatever the order given (PX-D4)."""
        rules = {rule.name: rule for rule in body.rules}
        seen: set[str] = set()
        for path, item in self.objects("rules", items, most=len(rules)):
            name = item.get("name")
            if not isinstance(name, str) or name not in rules:
                known = ", ".join(rules)
                self.wrong(f"{path}.name", "unknown_rule", f"{str(name)[:40]!r} is no rule here; there are {known}.")
                continue
            if name in seen:
                self.wrong(f"{path}.name", "twice", f"The rule {name} stands here twice.")
            seen.add(name)
            rules[name] = self.filled(path, item, rules[name])
            if rules[name].when_several not in WHEN_SEVERAL:
                self.wrong(f"{path}.when_several", "choice", f"Must be {' or '.join(WHEN_SEVERAL)}.")
        return tuple(rules.values())

    def pairs(self, items: object) -> "list[FieldPair]":
        found = []
        for path, item in self.objects("pairs", items, most=MOST_PAIRS):
            pair = self.filled(path, {key: each for key, each in item.items() if key != "values"}, FieldPair("", "", ""))
            if pair.direction not in (PULL, PUSH):
                self.wrong(f"{path}.direction", "choice", "Must be pull or push.")
            for name, what in (("source", "a product field"), ("target", "a Salesforce field")):
                if not getattr(pair, name):
                    self.wrong(f"{path}.{name}", "missing", f"Choose {what}.")
            found.append(replace(pair, values=self.values(f"{path}.values", item.get("values", {}))))
        return found

    def values(self, path: str, given: object) -> dict[str, str]:
        if not isinstance(given, Mapping) or len(given) > MOST_VALUES:
            self.wrong(path, "not_an_object", f"Must be an object of at most {MOST_VALUES:,} texts.")
            return {}
        found = {}
        for key, value in given.items():
            if not isinstance(key, str) or not isinstance(value, str) or max(len(key), len(value)) > MOST_TEXT:
                self.wrong(f"{path}[{str(key)[:40]!r}]", "not_a_text", f"Must be a text of at most {MOST_TEXT} characters.")
            else:
                found[key] = value
        return found

    def filled(self, path: str, item: Mapping[str, Any], blank: Any) -> Any:
        """`blank` (a rule or a pair) with the texts and flags of `item`."""
        known = {each.name for each in fields(blank)}
        self.refuse_unknown(path, item, known | ({"values"} if isinstance(blank, FieldPair) else set()))
        changes: dict[str, Any] = {}
        for name in known & set(item):
            read = self.flag if isinstance(getattr(blank, name), bool) else self.text
            changes[name] = read(item, name, f"{path}.{name}", getattr(blank, name))
        return replace(blank, **changes)

    def objects(self, path: str, items: object, *, most: int) -> "list[tuple[str, Mapping[str, Any]]]":
        if items is None:
            return []
        if not isinstance(items, list | tuple) or len(items) > most:
            self.wrong(path, "not_a_list", f"Must be a list of at most {most} objects.")
            return []
        found = []
        for place, item in enumerate(items):
            if isinstance(item, Mapping):
                found.append((f"{path}[{place}]", item))
            else:
                self.wrong(f"{path}[{place}]", "not_an_object", "Must be an object.")
        return found

    def texts(self, path: str, items: object) -> list[str]:
        if not isinstance(items, list | tuple) or not all(isinstance(each, str) and len(each) <= MOST_TEXT for each in items):
            self.wrong(path, "not_a_list", "Must be a list of texts, or null for the built-in list.")
            return []
        return [each.strip().lower() for each in items if each.strip()]

    def text(self, data: Mapping[str, Any], name: str, path: str, otherwise: str) -> str:
        value = data.get(name, otherwise)
        if not isinstance(value, str) or len(value) > MOST_TEXT or "\0" in value:
            self.wrong(path, "not_a_text", f"Must be a text of at most {MOST_TEXT} characters.")
            return otherwise
        return value.strip()

    def flag(self, data: Mapping[str, Any], name: str, path: str, otherwise: bool) -> bool:
        value = data.get(name, otherwise)
        if not isinstance(value, bool):
            self.wrong(path, "not_a_flag", "Must be true or false.")
            return otherwise
        return value

    def refuse_unknown(self, path: str, data: Mapping[str, Any], known: set[str]) -> None:
        for name in sorted(set(map(str, data)) - known):
            self.wrong(f"{path}.{name[:60]}" if path else name[:60], "unknown_key", "There is no such setting.")
