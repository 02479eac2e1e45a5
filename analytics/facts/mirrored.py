"""The mirrored objects that a map reads, bound to an engine: what is there, which fields, of which kinds."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from analytics.attributes.body import ACCOUNT, MapBody, fields_needed
from analytics.attributes.catalogue import BY_KEY
from integrations.access import Refusal
from integrations.lake.engine import Engine
from integrations.models import SalesforceOrg
from integrations.sync.mirror import tables as mirror_tables

ALWAYS = ("Id", "CreatedDate")
FURTHER: dict[str, tuple[str, ...]] = {
    ACCOUNT: ("Name", "OwnerId"),
    "Opportunity": ("AccountId", "IsClosed"),
    "CampaignMember": ("CampaignId", "ContactId", "LeadId", "HasResponded", "Status"),
}
"""Fields that facts use where they are mirrored, whatever the map says."""
HISTORY = ("Field", "OldValue", "NewValue", "CreatedDate")


@dataclass
class Mirrored:
    """What the engine has: kinds of columns by object, and the lake files that they come from. `missing` are objects that the
    map names and that were not read yet."""

    kinds: dict[str, dict[str, str]] = field(default_factory=dict)
    files: dict[str, list[int]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def has(self, object_: str, name: str = "Id") -> bool:
        """Whether a field is there."""
        return name in self.kinds.get(object_, {})

    def kind(self, object_: str, name: str) -> str:
        """Kind of a field; "" when it is not there."""
        return self.kinds.get(object_, {}).get(name, "")


def bound_name(object_: str) -> str:
    """What a mirrored object is called in statements."""
    return f"o_{object_}"


def wanted_fields(body: MapBody) -> dict[str, tuple[str, ...]]:
    """Every object and field that facts read, without those that hold nothing but contact data (FZ-D13)."""
    personal = {key for key, each in BY_KEY.items() if each.kind == "personal"}
    open_ = MapBody(
        {key: None if key in personal else found for key, found in body.attributes.items()}, body.settings, body.reads
    )
    found = {name: list(fields) for name, fields in fields_needed(open_).items()}
    for name, fields in FURTHER.items():
        if name in found:
            found[name] = [*found[name], *fields]
    return {name: tuple(dict.fromkeys([*ALWAYS, *fields])) for name, fields in found.items()}


def bind_mirror(engine: Engine, org: SalesforceOrg, wanted: dict[str, tuple[str, ...]]) -> Mirrored:
    """Bind each object as `o_<name>` with those of its fields that are mirrored. Deleted records are not there."""
    found = Mirrored()
    for name, fields in wanted.items():
        try:
            relation = mirror_tables.live(org, name)
        except Refusal:
            found.missing.append(name)
            continue
        spelled = {each.lower(): each for each in relation.names}
        there = list(dict.fromkeys(spelled[each.lower()] for each in fields if each.lower() in spelled))
        relation = mirror_tables.live(org, name, there)
        kinds = dict(relation.columns)
        found.kinds[name] = {each: kinds[spelled[each.lower()]] for each in fields if each.lower() in spelled}
        found.files[name] = sorted(each.number for each in relation.files)
        engine.bind(bound_name(name), relation)
    return found


def history_objects(body: MapBody) -> Iterable[str]:
    """Field-history objects that the map reads."""
    return [name for name in body.reads if name.endswith("History") and {"Field", "NewValue"} <= set(body.reads[name])]
