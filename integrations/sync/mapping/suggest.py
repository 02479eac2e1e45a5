"""Pairs that go together by name. Pure and deterministic: a suggestion is only ever shown, never saved by itself."""

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from integrations.salesforce.describe import ObjectInfo
from integrations.sync.mapping.body import PULL, PUSH, FieldPair
from integrations.sync.mapping.catalogue import SourceField
from integrations.sync.mapping.prefix import bare_name
from integrations.sync.mapping.targets import TargetField, offered, target_fields

CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
NO_WORD = re.compile(r"[\W_]+")
ALIKE = 0.86  # of 1.0; below it two names are different words
MOST_COMPARED = 400  # fields a side for the slow comparison of similar names
SHORT_FORMS = {"num": "number", "no": "number", "nr": "number", "qty": "quantity", "amt": "amount", "desc": "description",
               "id": "id", "ids": "id", "tel": "phone", "telephone": "phone", "mail": "email"}  # fmt: skip


def suggest_pairs(
    sources: Iterable[SourceField], info: ObjectInfo, *, prefix: str, direction: str, existing: Sequence[FieldPair] = ()
) -> list[FieldPair]:
    """New pairs of one direction: equal names first, then equal words, then similar names; each field at most once.

    Pull suggests only attributes that were made for Salesforce values: one that the product fills itself would be written over.
    Push suggests prefixed fields only, as the checks demand.
    """
    mine = [pair for pair in existing if pair.direction == direction]
    used_sources, used_targets = {pair.source for pair in mine}, {pair.target.lower() for pair in mine}
    left = [
        each
        for each in sources
        if each.key not in used_sources and not (direction == PULL and not (each.attribute and each.pulled))
    ]
    fields = offered(target_fields(info, prefix=prefix, direction=direction))
    found = []
    for source, target in _best_pairs(left, fields, prefix if direction == PUSH else ""):
        if source.key not in used_sources and target.name.lower() not in used_targets:
            used_sources.add(source.key)
            used_targets.add(target.name.lower())
            found.append(FieldPair(direction, source.key, target.name))
    return found


def _best_pairs(
    sources: Sequence[SourceField], fields: Sequence[TargetField], prefix: str
) -> list[tuple[SourceField, TargetField]]:
    """All pairs of fitting types that resemble each other, best first; equal scores in the order of the names."""
    names = {each.key: _names_of_source(each) for each in sources}
    theirs = {each.name: _names_of_target(each, prefix) for each in fields}
    slow = len(sources) <= MOST_COMPARED and len(fields) <= MOST_COMPARED
    scored = []
    for source in sources:
        for field in fields:
            if field.product_type == source.type:
                score = max(_alike(one, other, slow) for one in names[source.key] for other in theirs[field.name])
                if score >= ALIKE:
                    scored.append((-score, source.key, field.name, source, field))
    return [(each[3], each[4]) for each in sorted(scored, key=lambda each: each[:3])]


def _alike(one: tuple[str, ...], other: tuple[str, ...], slow: bool) -> float:
    """1.0 for the same words in order, 0.95 for the same words, else how similar the letters are."""
    if not one or not other:
        return 0.0
    if one == other or "".join(one) == "".join(other):
        return 1.0
    if sorted(one) == sorted(other):
        return 0.95
    return 0.94 * SequenceMatcher(None, " ".join(one), " ".join(other)).ratio() if slow else 0.0


def _names_of_source(source: SourceField) -> list[tuple[str, ...]]:
    key = source.attribute or source.key.rpartition(".")[2]
    return [words_of(key), words_of(source.label)]


def _names_of_target(field: TargetField, prefix: str) -> list[tuple[str, ...]]:
    bare = re.sub(r"__[a-z]{1,3}\Z", "", bare_name(field.name), flags=re.IGNORECASE)
    label = field.label
    for shown in (prefix, prefix.rstrip("_") + " ") if prefix else ():
        label = label[len(shown) :] if label.casefold().startswith(shown.casefold()) else label
    if prefix and bare.casefold().startswith(prefix.casefold()):
        bare = bare[len(prefix) :]
    return [words_of(bare), words_of(label)]


def words_of(name: str) -> tuple[str, ...]:
    """The words of an API name, a key or a label: lower case, singular, usual short forms written out."""
    words = [word for word in NO_WORD.split(CAMEL.sub(" ", name).casefold()) if word]
    return tuple(SHORT_FORMS.get(word, _singular(word)) for word in words)


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
