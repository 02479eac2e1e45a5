"""Reading a map from its JSON form: files, forms and the API give texts, this gives a `MapBody` or everything that is wrong."""

from collections.abc import Mapping
from typing import Any

from analytics.attributes import checking
from analytics.attributes.body import AMOUNT_IS, DEFAULTS, EMPTY, END_IS, OPERATORS, PICKS, MapBody, Source, Step, Where
from analytics.attributes.catalogue import BY_KEY
from integrations.salesforce.describe import ObjectInfo
from integrations.sync.mapping.problems import Problem, ProblemsFound
from integrations.sync.mirror.needs import NAME

MOST_FIELDS, MOST_WHERE, MOST_VALUES, MOST_STEPS, MOST_ELSE = 6, 10, 1000, 4, 4
MOST_TEXT = 255
SOURCE_KEYS = {"object", "fields", "where", "values", "path", "other_path", "of", "pick", "order_by", "otherwise"}
BOUNDS = {"default_months": (1, 120), "csat_scale": (2, 100), "ces_scale": (2, 100)}
CHOICES = {"tx_amount_is": AMOUNT_IS, "tx_end_is": END_IS}


def read_body(data: object, objects: Mapping[str, ObjectInfo] | None = None) -> MapBody:
    """A map from its JSON form; `ProblemsFound` names all that is wrong, each with its path (R-281).

    With `objects` (the described objects by name) it is also checked against the org: fields exist, fit and lead to accounts.
    """
    reader = _Reader()
    body = reader.body(data)
    problems = reader.problems
    if not problems and objects is not None:
        problems = checking.problems_of(body, objects)
    if problems:
        raise ProblemsFound(problems)
    return body


class _Reader:
    """Reads a body and gathers what is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def wrong(self, path: str, code: str, message: str) -> None:
        self.problems.append(Problem(path, code, message))

    def body(self, data: object) -> MapBody:
        if not isinstance(data, Mapping):
            self.wrong("", "not_an_object", "This is not an attribute map: a JSON object is expected.")
            return EMPTY
        self.refuse_unknown("", data, {"attributes", "settings", "reads"})
        given = self.mapping("attributes", data.get("attributes", {}))
        self.refuse_unknown("attributes", given, set(BY_KEY))
        found = {key: self.attribute(f"attributes.{key}", given.get(key)) for key in BY_KEY}
        reads = self.mapping("reads", data.get("reads", {}))
        named = {self.name("reads", name): tuple(self.names(f"reads.{name}", fields)) for name, fields in reads.items()}
        return MapBody(found, self.settings(data.get("settings", {})), named)

    def attribute(self, path: str, data: object) -> Source | None:
        return None if data is None else self.source(path, data, depth=0)

    def source(self, path: str, data: object, *, depth: int) -> Source | None:
        if not isinstance(data, Mapping):
            self.wrong(path, "not_an_object", "Must be null or an object with object and fields.")
            return None
        self.refuse_unknown(path, data, SOURCE_KEYS)
        fields = self.names(f"{path}.fields", data.get("fields", ()))
        if not fields:
            self.wrong(f"{path}.fields", "missing", "Choose a field.")
        pick = data.get("pick") or "latest"
        if pick not in PICKS:
            self.wrong(f"{path}.pick", "choice", f"Must be {', '.join(PICKS[:-1])} or {PICKS[-1]}.")
        order_by = data.get("order_by") or ""
        return Source(
            object=self.name(f"{path}.object", data.get("object")), fields=tuple(fields),
            where=tuple(self.wheres(f"{path}.where", data.get("where", ()))),
            values=self.values(f"{path}.values", data.get("values", {})),
            path=self.steps(f"{path}.path", data.get("path", ())),
            other_path=self.steps(f"{path}.other_path", data.get("other_path", ())),
            of=self.steps(f"{path}.of", data.get("of", ())), pick=str(pick),
            order_by=self.name(f"{path}.order_by", order_by) if order_by else "",
            otherwise=self.otherwise(f"{path}.otherwise", data.get("otherwise"), depth=depth),
        )  # fmt: skip

    def otherwise(self, path: str, data: object, *, depth: int) -> Source | None:
        if data is None:
            return None
        if depth >= MOST_ELSE:
            self.wrong(path, "too_deep", f"At most {MOST_ELSE} sources may follow one another.")
            return None
        return self.source(path, data, depth=depth + 1)

    def wheres(self, path: str, items: object) -> list[Where]:
        found = []
        for place, item in self.listed(path, items, most=MOST_WHERE):
            if not isinstance(item, Mapping):
                self.wrong(place, "not_an_object", "Must be an object with field, op and values.")
                continue
            self.refuse_unknown(place, item, {"field", "op", "values", "of"})
            op = item.get("op", "=")
            if op not in OPERATORS:
                self.wrong(f"{place}.op", "choice", f"Must be one of {', '.join(OPERATORS)}.")
            values = [
                self.text(where, each) for where, each in self.listed(f"{place}.values", item.get("values", ()), most=200)
            ]
            of = self.steps(f"{place}.of", item.get("of", ()))
            found.append(Where(self.name(f"{place}.field", item.get("field")), str(op), tuple(values), of))
        return found

    def steps(self, path: str, items: object) -> tuple[Step, ...]:
        found = []
        for place, item in self.listed(path, items, most=MOST_STEPS):
            if not isinstance(item, Mapping) or set(item) - {"field", "object"}:
                self.wrong(place, "not_an_object", "Must be an object with field and object.")
                continue
            found.append(Step(self.name(f"{place}.field", item.get("field")), self.name(f"{place}.object", item.get("object"))))
        return tuple(found)

    def settings(self, data: object) -> dict[str, Any]:
        given = self.mapping("settings", data)
        self.refuse_unknown("settings", given, set(DEFAULTS))
        found = dict(DEFAULTS) | {name: given[name] for name in DEFAULTS if given.get(name) not in (None, "")}
        for name, choices in CHOICES.items():
            if found[name] not in choices:
                self.wrong(f"settings.{name}", "choice", f"Must be {' or '.join(choices)}.")
        for name, (low, high) in BOUNDS.items():
            found[name] = self.whole(f"settings.{name}", found[name], low, high)
        return found

    # --- small things ---

    def whole(self, path: str, value: object, low: int, high: int) -> int:
        text = str(value)
        if isinstance(value, bool) or not text.isdigit() or not low <= int(text) <= high:
            self.wrong(path, "out_of_range", f"Must be a whole number from {low} to {high}.")
            return low
        return int(text)

    def values(self, path: str, data: object) -> dict[str, str]:
        given = self.mapping(path, data)
        if len(given) > MOST_VALUES:
            self.wrong(path, "too_many", f"At most {MOST_VALUES:,} values.")
            return {}
        return {self.text(path, key): self.text(f"{path}.{str(key)[:40]}", value) for key, value in given.items()}

    def mapping(self, path: str, data: object) -> Mapping[str, Any]:
        if not isinstance(data, Mapping):
            self.wrong(path, "not_an_object", "Must be an object.")
            return {}
        return data

    def listed(self, path: str, items: object, *, most: int) -> list[tuple[str, Any]]:
        if not isinstance(items, list | tuple) or len(items) > most:
            self.wrong(path, "not_a_list", f"Must be a list of at most {most}.")
            return []
        return [(f"{path}[{place}]", item) for place, item in enumerate(items)]

    def names(self, path: str, items: object) -> list[str]:
        most = MOST_FIELDS if not path.startswith("reads") else 500
        found = [self.name(place, item) for place, item in self.listed(path, items, most=most)]
        return list(dict.fromkeys(each for each in found if each))

    def name(self, path: str, value: object) -> str:
        if not isinstance(value, str) or not NAME.match(value):
            self.wrong(path, "name", "Must be an API name of Salesforce, such as Industry or Seats__c.")
            return ""
        return value

    def text(self, path: str, value: object) -> str:
        if not isinstance(value, str) or len(value) > MOST_TEXT or "\0" in value:
            self.wrong(path, "not_a_text", f"Must be a text of at most {MOST_TEXT} characters.")
            return ""
        return value

    def refuse_unknown(self, path: str, data: Mapping[str, Any], known: set[str]) -> None:
        for name in sorted(set(map(str, data)) - known):
            self.wrong(f"{path}.{name[:60]}" if path else name[:60], "unknown_key", "There is no such setting.")
