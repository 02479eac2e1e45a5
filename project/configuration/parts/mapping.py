"""Attributes of customers and end users, and the mapping of each connection: match rules and fields."""

from typing import Any

from integrations.models import Attribute, Mapping
from integrations.sync.mapping import facts, versions
from integrations.sync.mapping.body import RULES_OF, default_body, read_body, write_body
from integrations.sync.matching import attributes
from project.configuration.section import NAMED, Entry, Part, Section, Work, flag, json_ready, plain, text

NOTE = "From a configuration file"
RULE = {"source_field": "", "salesforce_field": "", "case_sensitive": True,
        "registrable_domain": False, "majority": False}  # fmt: skip
ACTIVE = "active"
"""What a file calls whether a rule is on: the bare word "on" means yes in YAML."""
PAIR = {"accept_lossy": False, "cut": False, "values": {}}


class Attributes(Section):
    """Typed attributes: segments, scores and mappings name them."""

    place, label, keys = ("attributes",), "Attributes", ("entity", "key")
    parts = {"label": text(), "type": text("STRING"), "description": text(), "pulled": flag(False)}

    def read(self, work: Work) -> dict[str, Entry]:
        """All of them."""
        rows = Attribute.objects.order_by("entity", "key")
        found = [{name: getattr(each, name) for name in (*self.keys, *self.parts)} for each in rows]
        return {self.key_of(each): plain(each) for each in found}

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """Define it, or change its words."""
        words = {name: value for name, value in entry.items() if name != "type"}
        attributes.save_attribute(**words, kind=entry["type"], user=work.actor, now=work.now)


class Mappings(Section):
    """The version in force for customers and for end users."""

    place, label, form, keys, per_org = ("mappings",), "Mappings", NAMED, (), True
    asks_salesforce = may_hold_ids = True
    names = tuple(RULES_OF)
    parts = {
        "state": text("active"), "object": text(), "retrieve": flag(True), "prefix": text("PX_"), "rules": Part("list", []),
        "pairs": Part("list", []), "mail_providers": Part("list", None, nullable=True), "most_active_wins": flag(False),
    }  # fmt: skip

    def read(self, work: Work) -> dict[str, Entry]:
        """Those that somebody set up."""
        rows = Mapping.objects.filter(org=work.place, version__gt=0).order_by("entity")
        return {str(each.entity): self._entry(each) for each in rows}

    def _entry(self, mapping: Mapping) -> Entry:
        body = write_body(versions.body_of(mapping))
        body.pop("entity")
        paused = mapping.state == Mapping.State.PAUSED and not mapping.paused_by_drift
        state = Mapping.State.PAUSED if paused else Mapping.State.ACTIVE
        lists = {name: [_short(each, usual) for each in body[name]] for name, usual in (("rules", RULE), ("pairs", PAIR))}
        lists["rules"] = [_renamed(each, "on", ACTIVE) for each in lists["rules"]]
        return plain({"state": state.value, **body, **lists})

    def ask_ahead(self, key: str, entry: Entry, work: Work) -> None:
        """The object's fields."""
        facts.describe(work.place, entry["object"] or default_body(key).object)

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """The next version, checked against the org."""
        given = {name: json_ready(value) for name, value in entry.items() if name != "state"}
        given["rules"] = [_renamed(each, ACTIVE, "on") if isinstance(each, dict) else each for each in given["rules"]]
        given["object"] = given["object"] or default_body(key).object
        body = read_body({"entity": key, **given}, entity=key)
        mapping = versions.open_mapping(work.place, key, now=work.now)
        versions.save_version(mapping, body, user=work.actor, now=work.now, note=NOTE)
        mapping.refresh_from_db()
        if mapping.state != entry["state"] and not mapping.paused_by_drift:
            versions.set_state(mapping, entry["state"], user=work.actor, now=work.now)


def _short(line: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name not in usual or usual[name] != value}


def _renamed(line: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    return {new if name == old else name: value for name, value in line.items()}


SECTIONS = (Attributes(), Mappings())
