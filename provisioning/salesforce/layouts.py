"""Page layouts: our fields once, in a section of their own, the rest as it was (ST-22). Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from integrations.salesforce.metadata_xml import Values, as_dicts, as_list, text_of
from provisioning.salesforce.package import Wanted

SECTIONS_KEY = "layoutSections"
STYLE = "TwoColumnsTopToBottom"


def fields_on(layout: Mapping[str, Any]) -> set[str]:
    """The fields that a layout shows, in lower case."""
    return {text_of(item, "field").lower() for item in _items(layout) if text_of(item, "field")}


def with_fields(layout: Mapping[str, Any], title: str, wanted: Sequence[Wanted]) -> Values | None:
    """The layout with those of the fields that it does not show yet; None when it shows them all.

    Everything that it has stays, in its order. A person may move our fields elsewhere: then they are not added again.
    """
    shown = fields_on(layout)
    missing = [each for each in wanted if each.name.lower() not in shown]
    if not missing:
        return None
    sections = as_list(layout.get(SECTIONS_KEY))
    own = next((n for n, each in enumerate(sections) if isinstance(each, dict) and text_of(each, "label") == title), None)
    if own is None:
        sections = [*sections, _section(title, missing)]
    else:
        sections = [*sections[:own], _extended(sections[own], missing), *sections[own + 1 :]]
    return _put(layout, sections)


def _put(layout: Mapping[str, Any], sections: list[Any]) -> Values:
    """The same elements in the same order; a layout that had no sections gets them where the schema wants them."""
    if SECTIONS_KEY in layout:
        return {name: sections if name == SECTIONS_KEY else value for name, value in layout.items()}
    merged = {**layout, SECTIONS_KEY: sections}
    return {name: merged[name] for name in sorted(merged, key=lambda each: (each != "fullName", each))}


def _section(title: str, wanted: Sequence[Wanted]) -> Values:
    middle = -(-len(wanted) // 2)
    columns = [{"layoutItems": [_item(each) for each in half]} for half in (wanted[:middle], wanted[middle:])]
    return {"customLabel": True, "detailHeading": True, "editHeading": True, "label": title,
            "layoutColumns": columns, "style": STYLE}  # fmt: skip


def _extended(section: Values, wanted: Sequence[Wanted]) -> Values:
    columns = as_list(section.get("layoutColumns")) or [{}]
    first = columns[0] if isinstance(columns[0], dict) else {}
    items = [*as_list(first.get("layoutItems")), *(_item(each) for each in wanted)]
    return {**section, "layoutColumns": [{**first, "layoutItems": items}, *columns[1:]]}


def _item(wanted: Wanted) -> Values:
    return {"behavior": "Readonly" if wanted.written else "Edit", "field": wanted.name}


def _items(layout: Mapping[str, Any]) -> Iterator[Values]:
    for section in as_dicts(layout.get(SECTIONS_KEY)):
        for column in as_dicts(section.get("layoutColumns")):
            yield from as_dicts(column.get("layoutItems"))
