"""Fields that conditions may ask, their types, and the operators of each type with the shape of the value they take. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from integrations.sync.mapping.types import BOOLEAN, DATE_TIME, NUMBER, STRING

ID, SEGMENT, ACTIVITY = "ID", "SEGMENT", "ACTIVITY"
TYPES = (STRING, NUMBER, BOOLEAN, DATE_TIME, ID, SEGMENT, ACTIVITY)
CUSTOMER = "customer."  # prefix: the field of an end user's customer
ATTRIBUTE, KPI, EVENTS, FEATURES, MEMBERSHIP = "attributes.", "kpi.", "events", "features", "segment"
LINKED, SALESFORCE_ID = "salesforce.linked", "salesforce.id"
IN_WORDS = {
    STRING: "text", NUMBER: "number", BOOLEAN: "yes or no", DATE_TIME: "date and time", ID: "Salesforce id",
    SEGMENT: "segment", ACTIVITY: "activity",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """Something to ask of a record. `pulled`: it holds a Salesforce value (PX-34); `personal`: seen by few (S-115);
    `zero`: without a row it is 0 and never blank, as counts are; `org`: the connection that it is about."""

    key: str
    label: str
    type: str
    group: str
    description: str = ""
    pulled: bool = False
    personal: bool = False
    zero: bool = False
    org: int | None = None

    @property
    def of_customer(self) -> bool:
        """Whether an end user's customer is asked, not the end user."""
        return self.key.startswith(CUSTOMER)

    @property
    def name(self) -> str:
        """The key within its record: `customer.attributes.plan` is `attributes.plan` of the customer."""
        return self.key.removeprefix(CUSTOMER)

    @property
    def source(self) -> str:
        """Where its value comes from: column, attribute, kpi, link, segment or activity."""
        if self.type in (SEGMENT, ACTIVITY):
            return self.type.lower()
        if self.name.startswith(ATTRIBUTE):
            return "attribute"
        if self.name.startswith(KPI):
            return "kpi"
        return "link" if self.name.startswith("salesforce.") else "column"

    @property
    def shown(self) -> bool:
        """Whether it has a value that can stand in a column."""
        return self.source in ("column", "attribute", "kpi")


@dataclass(frozen=True, slots=True)
class Op:
    """An operator: how a sentence says it, and the shape of its value."""

    name: str
    label: str
    shape: str = "none"


BLANK = (Op("is_blank", "is blank"), Op("is_not_blank", "is not blank"))
OPS: Mapping[str, tuple[Op, ...]] = {
    STRING: (
        Op("is", "is", "text"), Op("is_not", "is not", "text"), Op("is_any_of", "is any of", "texts"),
        Op("is_none_of", "is none of", "texts"), Op("contains", "contains", "text"),
        Op("not_contains", "does not contain", "text"), Op("starts_with", "starts with", "text"),
        Op("ends_with", "ends with", "text"), *BLANK,
    ),
    NUMBER: (
        Op("is", "is", "number"), Op("is_not", "is not", "number"), Op("more_than", "is more than", "number"),
        Op("at_least", "is at least", "number"), Op("less_than", "is less than", "number"),
        Op("at_most", "is at most", "number"), Op("between", "is between", "numbers"), *BLANK,
    ),
    BOOLEAN: (Op("is_true", "is yes"), Op("is_false", "is no"), *BLANK),
    DATE_TIME: (
        Op("in_next", "is within the next", "span"), Op("in_last", "is within the last", "span"),
        Op("not_in_last", "is not within the last", "span"), Op("more_than_ago", "is more than … ago", "span"),
        Op("more_than_ahead", "is more than … ahead", "span"), Op("on", "is on", "date"), Op("before", "is before", "date"),
        Op("after", "is after", "date"), Op("between", "is between", "dates"), *BLANK,
    ),
    ID: (
        Op("is", "is", "id"), Op("is_not", "is not", "id"), Op("is_any_of", "is any of", "ids"),
        Op("is_none_of", "is none of", "ids"), *BLANK,
    ),
    SEGMENT: (Op("in", "is in", "segment"), Op("not_in", "is not in", "segment")),
    ACTIVITY: (Op("did", "happened at least", "activity"), Op("did_not", "happened less than", "activity")),
}  # fmt: skip


def find_op(type_: str, name: object) -> Op | None:
    """The operator of that name for a type."""
    return next((each for each in OPS[type_] if each.name == name), None)


@dataclass(frozen=True, slots=True)
class SegmentRef:
    """Another segment as conditions see it: its conditions are still JSON."""

    id: int
    name: str
    entity: str
    conditions: object


@dataclass(frozen=True)
class Known:
    """What conditions of one entity may name: fields by key, and segments of both entities by number."""

    entity: str
    fields: Mapping[str, Field]
    segments: Mapping[int, SegmentRef]
    withheld: frozenset[str] = frozenset()
    """Keys of fields about people that this person may not ask (S-115)."""
