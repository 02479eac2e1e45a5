"""What a version of a mapping changed, in the words of the editor. Pure: differences go in, sentences come out."""

from collections.abc import Mapping as Map
from dataclasses import dataclass
from typing import Any

from integrations.sync.mapping.body import ATTRIBUTE
from integrations.sync.mapping.versions import Change

RULE_OPTIONS = {
    "on": "",
    "when_several": "if several records fit",
    "source_field": "product field",
    "salesforce_field": "Salesforce field",
    "case_sensitive": "upper and lower case count",
    "registrable_domain": "app.acme.com counts as acme.com",
    "majority": "more than half of few users are enough",
}
WHOLE = {
    "object": "Salesforce object",
    "retrieve": "Read from Salesforce",
    "prefix": "Prefix of fields that are written",
    "entity": "What is mapped",
    "mail_providers": "Domains of mail providers, which match nobody",
    "most_active_wins": "Of several customers, the most active one keeps the record",
}
SEVERAL = {"first": "take the oldest", "none": "take none"}


@dataclass(frozen=True)
class Said:
    """One difference as people read it; None stands for "not there"."""

    what: str
    before: str | None
    after: str | None


def say_changes(changes: list[Change], *, rules: Map[str, str], sources: Map[str, str]) -> list[Said]:
    """Each difference in words. `rules` and `sources` give the labels of match rules and of product fields by key."""
    return [
        Said(_what(each.path, rules, sources), _value(each.path, each.before), _value(each.path, each.after))
        for each in changes
    ]


def _what(path: str, rules: Map[str, str], sources: Map[str, str]) -> str:
    kind, _, rest = path.partition(".")
    if kind == "rules":
        name, _, option = rest.partition(".")
        said = RULE_OPTIONS.get(option, _spaced(option))
        return f"Match rule “{rules.get(name, _spaced(name))}”" + (f": {said}" if said else "")
    if kind == "pairs":
        source, arrow, target = rest.rsplit(" ", 2)
        label = sources.get(source) or _spaced(source.removeprefix(ATTRIBUTE))
        return f"{label} to {target}" if arrow == "→" else f"{label} from {target}"
    return WHOLE.get(path) or _spaced(path).capitalize()


def _value(path: str, value: Any) -> str | None:
    if value is None:
        return None
    if path.startswith("pairs."):
        return _options(value)
    if isinstance(value, bool):
        return ("on" if value else "off") if path.endswith(".on") else ("yes" if value else "no")
    if path.endswith(".when_several"):
        return SEVERAL.get(value, str(value))
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value) or "the usual one"


def _options(pair: Map[str, Any]) -> str:
    """What is special about one mapped field."""
    said = [f"“{old}” becomes “{new}”" for old, new in pair.get("values", {}).items()]
    said += ["what a conversion loses is accepted"] if pair.get("accept_lossy") else []
    said += ["text that is too long is cut"] if pair.get("cut") else []
    return "mapped" + (f": {'; '.join(said)}" if said else "")


def _spaced(key: str) -> str:
    return key.replace("_", " ")
