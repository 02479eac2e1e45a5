"""Page layouts: each object comes with one, which can be read and saved with more in it; describe shows what was saved."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from integrations.demo_org.nested import Values, as_list, flag_of, text_of
from integrations.demo_org.schema.types import Field, ObjectType

if TYPE_CHECKING:
    from integrations.demo_org.schema.changes import Draft

Section = tuple[str, bool, list[list[Field]]]
"""Label, whether it has a heading, columns of fields."""
SYSTEM = frozenset({"Id", "IsDeleted", "SystemModstamp", "LastViewedDate", "LastReferencedDate"})
AUDIT = ("CreatedById", "LastModifiedById")
COLUMNS = 2
NOTE = "Layout:"
# objects whose layout is not called after their label
STANDARD_NAMES = {"Product2": "Product", "OpportunityLineItem": "Opportunity Product", "PricebookEntry": "Price Book Entry"}


def standard_layout(kind: "ObjectType") -> str:
    """The name of the layout that each object comes with: `Account-Account Layout`; products have one named Product Layout."""
    return f"{kind.name}-{STANDARD_NAMES.get(kind.name, kind.label)} Layout"


def find_saved(draft: "Draft", name: str) -> Values | None:
    """A layout that was saved, by its name in any case."""
    wanted = f"{NOTE}{name}".lower()
    return next((body for key, body in draft.notes.items() if key.lower() == wanted), None)


def saved_names(draft: "Draft") -> list[str]:
    """The layouts that were saved."""
    return sorted(key.removeprefix(NOTE) for key in draft.notes if key.startswith(NOTE))


def has_layout(kind: ObjectType) -> bool:
    """Whether people see records of an object on pages."""
    return kind.createable or kind.updateable


def layout_names(draft: "Draft") -> Iterator[tuple[str, bool]]:
    """Every layout of the org: the standard ones and those that were deployed besides."""
    names = {standard_layout(kind) for kind in draft.objects.values() if has_layout(kind)}
    names |= set(saved_names(draft))
    return ((name, True) for name in sorted(names))


def describe_layout(draft: "Draft", name: str) -> Values | None:
    """A layout as readMetadata tells it: as it was saved, or the one that the object came with."""
    kept = find_saved(draft, name)
    if kept is not None:
        return {"fullName": name, **kept}
    kind = draft.find(name.partition("-")[0])
    if kind is None or not has_layout(kind) or standard_layout(kind).lower() != name.lower():
        return None
    return {"fullName": standard_layout(kind), **standard_content(draft, kind)}


def shown_on_pages(draft: "Draft", kind: ObjectType) -> list[Field]:
    """The fields of an object's own layout: no system fields, no parts of compound ones, nothing that was deployed later."""
    guarded = draft.guarded.get(kind.name.lower(), set())
    return [
        each for each in kind.fields
        if each.name not in SYSTEM and (each.compound is None or each.compound == "Name") and each.name.lower() not in guarded
    ]  # fmt: skip


def standard_content(draft: "Draft", kind: ObjectType) -> Values:
    """The sections of the layout with which an object comes."""
    fields = [each for each in shown_on_pages(draft, kind) if each.name not in AUDIT]
    columns = [[_item(each) for each in fields[start::COLUMNS]] for start in range(COLUMNS)]
    system = [[{"behavior": "Readonly", "field": each}] for each in AUDIT if kind.find(each)]
    sections: list[Values] = [_section(f"{kind.label} Information", columns)]
    if system:
        sections.append(_section("System Information", system, edit_heading=False))
    sections.append({
        "customLabel": "true", "detailHeading": "false", "editHeading": "false", "label": "Custom Links",
        "layoutColumns": [None, None, None], "style": "CustomLinks",
    })  # fmt: skip
    return {
        "layoutSections": sections, "showEmailCheckbox": "false", "showHighlightsPanel": "false",
        "showInteractionLogPanel": "false", "showRunAssignmentRulesCheckbox": "false", "showSubmitAndAttachButton": "false",
    }  # fmt: skip


def _item(made: Field) -> Values:
    required = not made.nillable and made.createable and not made.defaulted_on_create
    behavior = "Required" if required else "Edit" if made.createable or made.updateable else "Readonly"
    return {"behavior": behavior, "field": made.name}


def _section(label: str, columns: list[list[Values]], *, edit_heading: bool = True) -> Values:
    return {
        "customLabel": "false", "detailHeading": "true" if not edit_heading else "false",
        "editHeading": str(edit_heading).lower(),
        "label": label, "layoutColumns": [{"layoutItems": each} for each in columns], "style": "TwoColumnsTopToBottom",
    }  # fmt: skip


def saved_sections(draft: "Draft", kind: ObjectType) -> list[Section] | None:
    """The sections of an object's saved layout (label, whether it has a heading, columns of fields); None if never saved."""
    kept = find_saved(draft, standard_layout(kind))
    if kept is None:
        prefix = f"{kind.name}-".lower()
        own = [name for name in saved_names(draft) if name.lower().startswith(prefix)]
        kept = find_saved(draft, own[0]) if own else None
    if kept is None:
        return None
    found = []
    for each in as_list(kept.get("layoutSections")):
        columns = [_fields_of(column, kind) for column in as_list(each.get("layoutColumns"))]
        if any(columns):
            found.append((text_of(each, "label"), flag_of(each, "detailHeading"), columns))
    return found


def _fields_of(column: Any, kind: ObjectType) -> list[Field]:
    items = as_list(column.get("layoutItems")) if isinstance(column, dict) else []
    found = [kind.find(text_of(each, "field")) for each in items if isinstance(each, dict)]
    return [each for each in found if each is not None]
