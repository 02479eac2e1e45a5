"""Where an org keeps answers to surveys (NPS, CSAT, CES), which are custom almost everywhere (FZ-40..FZ-45). Pure."""

from collections.abc import Mapping

from analytics.attributes import guessing
from analytics.attributes.body import Source
from analytics.attributes.chosen import Chosen
from analytics.attributes.guessing import best, is_named
from analytics.attributes.paths import choose_paths
from integrations.salesforce.describe import FieldInfo, ObjectInfo

KINDS = {"nps": ("nps", "net promoter", "promoter"), "csat": ("csat", "satisfaction"), "ces": ("ces", "effort")}
HOLDERS = ("Case", "Account", "Contact")
"""Standard objects that may carry a score, the one with the most answers first."""
WHEN = {"Case": ("ClosedDate", "CreatedDate"), "Account": ("LastModifiedDate",), "Contact": ("LastModifiedDate",)}


def choose(objects: Mapping[str, ObjectInfo]) -> Chosen:
    """The object with the answers of each survey, its score and when it was given."""
    sources: dict[str, Source] = {}
    guessed: set[str] = set()
    wrong: dict[str, str] = {}
    for kind in KINDS:
        found = _custom(kind, objects) or _standard(kind, objects)
        sources |= found
        guessed |= set(found)
        if f"{kind}_score" not in found:
            wrong |= _wrong(kind, objects)
    return Chosen(sources, frozenset(guessed), wrong=wrong)


def _custom(kind: str, objects: Mapping[str, ObjectInfo]) -> dict[str, Source]:
    """A custom object for this survey, or one for surveys with a field of this kind."""
    score, date = f"{kind}_score", f"{kind}_date"
    for name in sorted(objects):
        info = objects[name]
        if not info.custom or not is_named((name, info.label), guessing.SURVEY):
            continue
        paths = choose_paths(objects, name)
        own = is_named((name, info.label), KINDS[kind])
        field = _score_of(info, score, own=own)
        if paths is None or field is None:
            continue
        when = best(info, "answered", as_attribute=date)
        chosen = {score: field.name, date: when.name if when is not None else "CreatedDate"}
        return {key: Source(name, (each,), path=paths[0], other_path=paths[1]) for key, each in chosen.items()}
    return {}


def _score_of(info: ObjectInfo, score: str, *, own: bool) -> FieldInfo | None:
    """The score of a survey object: in one that is for this survey alone, a field just called score counts, too. What is
    calculated from the score is not the score."""
    found = [each for each in guessing.guesses(info, score) if not each.misfit]
    if own:
        found += [each for each in guessing.guesses(info, "score", as_attribute=score) if not each.misfit]
    chosen = min(found, key=lambda each: (each.field.calculated, each.rank), default=None)
    return chosen.field if chosen is not None else None


def _standard(kind: str, objects: Mapping[str, ObjectInfo]) -> dict[str, Source]:
    """A field for the score on a case, an account or a contact."""
    score, date = f"{kind}_score", f"{kind}_date"
    for name in HOLDERS:
        info = objects.get(name)
        paths = choose_paths(objects, name) if info is not None else None
        field = best(info, score)
        if info is None or paths is None or field is None:
            continue
        chain: Source | None = None
        when = best(info, "answered", as_attribute=date)
        dates = [when.name] if when is not None and is_named((when.name,), KINDS[kind]) else []
        for each in reversed([*dates, *(each for each in WHEN[name] if info.field(each) is not None)]):
            chain = Source(name, (each,), path=paths[0], other_path=paths[1], otherwise=chain)
        found = {score: Source(name, (field.name,), path=paths[0], other_path=paths[1])}
        return found | ({date: chain} if chain is not None else {})
    return {}


def _wrong(kind: str, objects: Mapping[str, ObjectInfo]) -> dict[str, str]:
    """A field whose name fits and whose type does not."""
    for name in HOLDERS:
        if reason := guessing.wrong_type(objects.get(name), f"{kind}_score"):
            return {f"{kind}_score": reason}
    return {}
