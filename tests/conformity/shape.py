"""Compares the shape of two answers: keys and their order, types, and the form of texts (ids, instants, paths).

Values may differ, shape may not. What differs on purpose is named by a rule with its reason; a rule that matched nothing is
an error too, so that the list cannot rot.
"""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

FORMS = (
    ("instant", re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000")),
    ("instant Z", re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")),
    ("date", re.compile(r"\d{4}-\d\d-\d\d")),
    ("address", re.compile(r"https?://\S*")),
    ("path", re.compile(r"/services/\S*")),
    ("relative path", re.compile(r"services/\S*")),
)
LETTERS = re.compile(r"[A-Za-z0-9]{15}([A-Z0-5]{3})?")


@dataclass(frozen=True)
class Difference:
    """`kind` is missing, extra, type, form or order; `path` says where, list positions as []."""

    kind: str
    path: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.path} {self.detail}".rstrip()


def form_of(text: str) -> str:
    """What a text is, as far as clients care: an instant, a date, an address, a path, an id, or plain text."""
    for name, pattern in FORMS:
        if pattern.fullmatch(text):
            return name
    return "id" if LETTERS.fullmatch(text) and re.search(r"\d", text) and re.search(r"[A-Z]", text) else "text"


def type_of(value: Any) -> str:
    """JSON's word for the type of a value; all numbers are one type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    names = ((int, "number"), (float, "number"), (str, "text"), (list, "list"), (dict, "object"))
    return next(name for kind, name in names if isinstance(value, kind))


def compare(ours: Any, recorded: Any, path: str = "") -> list[Difference]:
    """All differences in shape. Null fits every type. Each of our list elements must fit some recorded element."""
    kinds = (type_of(ours), type_of(recorded))
    if "null" in kinds:
        return []
    if kinds[0] != kinds[1]:
        return [Difference("type", path or "$", f"ours {kinds[0]}, recorded {kinds[1]}")]
    if kinds[0] == "object":
        return _compare_objects(ours, recorded, path)
    if kinds[0] == "list":
        return _compare_lists(ours, recorded, path)
    if kinds[0] == "text" and not _forms_fit(ours, recorded):
        return [Difference("form", path or "$", f"ours {ours!r}, recorded {recorded!r}")]
    return []


def _forms_fit(ours: str, recorded: str) -> bool:
    """A recorded instant, date, address or path needs one of ours; text and ids are free (they are values)."""
    wanted = form_of(recorded)
    return wanted in {"text", "id"} or form_of(ours) == wanted


def _compare_objects(ours: dict, recorded: dict, path: str) -> list[Difference]:
    found = [Difference("missing", _join(path, key)) for key in recorded if key not in ours]
    found += [Difference("extra", _join(path, key)) for key in ours if key not in recorded]
    common = [key for key in recorded if key in ours]
    mine = [key for key in ours if key in recorded]
    if mine != common:
        found.append(Difference("order", path or "$", f"ours {mine}, recorded {common}"))
    for key in common:
        found += compare(ours[key], recorded[key], _join(path, key))
    return found


def _compare_lists(ours: list, recorded: list, path: str) -> list[Difference]:
    if recorded and not ours:
        return [Difference("missing", f"{path}[]", "our list is empty")]
    found: list[Difference] = []
    distinct = {signature(each): each for each in recorded}
    for each in {signature(each): each for each in ours}.values() if recorded else ():
        tries = [compare(each, other, f"{path}[]") for other in distinct.values()]
        best = min(tries, key=len)
        found += [difference for difference in best if difference not in found]
    return found


def signature(value: Any) -> str:
    """A value's shape as text: elements alike in shape need to be compared only once."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{signature(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(sorted({signature(each) for each in value})) + "]"
    return form_of(value) if isinstance(value, str) else type_of(value)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def judge(differences: list[Difference], allowed: dict[str, str]) -> list[str]:
    """What remains after the named exceptions (`extra records[].New__c`, `*` as wildcard), and exceptions that met nothing."""
    lines, used = [], set()
    for each in differences:
        rule = next((rule for rule in allowed if fnmatchcase(f"{each.kind} {each.path}", _literal(rule))), None)
        if rule is None:
            lines.append(str(each))
        used.add(rule)
    return lines + [f"needless exception: {rule} ({reason})" for rule, reason in allowed.items() if rule not in used]


def _literal(rule: str) -> str:
    """`[]` in a rule means itself, only `*` is a wildcard."""
    return rule.replace("[]", "[[]]")


def xml_to_tree(text: str) -> dict:
    """An XML document as nested objects: local element names, children by name, leaves as text (None when empty)."""
    return {_local(root := ElementTree.fromstring(text)): _node(root)}


def _node(element: ElementTree.Element) -> Any:
    if len(element) == 0:
        return (element.text or "").strip() or None
    return {_local(child): _node(child) for child in element}


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
