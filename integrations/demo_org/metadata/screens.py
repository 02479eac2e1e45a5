"""What people see of an org's objects: tabs, apps and page layouts. Deployed ones are checked and kept as they were sent."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from integrations.demo_org.metadata.values import Refused, Values, as_list, flag_of, text_of
from integrations.demo_org.page_layouts import describe_layout, standard_layout

if TYPE_CHECKING:
    from integrations.demo_org.schema.changes import Draft, Row

# type: directory, suffix, key prefix of its id
SCREENS = {
    "CustomTab": ("tabs", "tab", "01r"), "CustomApplication": ("applications", "app", "02u"),
    "Layout": ("layouts", "layout", "00h"),
}  # fmt: skip
STANDARD_TAB = "standard-"


def is_screen(kind: str) -> bool:
    """Whether components of this type are kept here."""
    return kind in SCREENS


def find_screen(draft: "Draft", kind: str, name: str) -> Values | None:
    """A deployed component, or None."""
    return draft.notes.get(f"{kind}:{name}")


def screen_names(draft: "Draft", kind: str) -> Iterator[tuple[str, bool]]:
    """The deployed components of a type by name."""
    start = f"{kind}:"
    return ((name.removeprefix(start), True) for name in sorted(draft.notes) if name.startswith(start))


def screen_rows(draft: "Draft", kind: str, values: Values, *, create: bool, update: bool) -> "list[Row]":
    """The change that keeps a component; refused when it names something that is not there."""
    name = text_of(values, "fullName")
    present = find_screen(draft, kind, name)
    if kind == "Layout" and present is None:
        present = describe_layout(draft, name)
    if present is None and not create:
        raise Refused("INVALID_CROSS_REFERENCE_KEY", f"In field: fullName - no {kind} named {name} found")
    if present is not None and not update:
        raise Refused("DUPLICATE_DEVELOPER_NAME", f"Duplicate developer name: {name}")
    CHECKS[kind](draft, name, values)
    if kind == "Layout":
        name = find_object_layout(draft, name) or name
    kept = {key: value for key, value in values.items() if key != "fullName" and value not in (None, "")}
    return [{"kind": "notes", "name": f"{kind}:{name}", "body": kept}]


def find_object_layout(draft: "Draft", name: str) -> str | None:
    """The standard layout's own spelling of a name."""
    kind = draft.find(name.partition("-")[0])
    return standard_layout(kind) if kind is not None and standard_layout(kind).lower() == name.lower() else None


def drop_screen_rows(draft: "Draft", kind: str, name: str) -> "list[Row]":
    """The change that removes a component."""
    if find_screen(draft, kind, name) is None:
        raise Refused("INVALID_CROSS_REFERENCE_KEY", f"No {kind} named: {name} found")
    return [{"kind": "notes", "name": f"{kind}:{name}", "body": None}]


def _check_tab(draft: "Draft", name: str, values: Values) -> None:
    if not flag_of(values, "customObject"):
        raise Refused("INVALID_TYPE", "This org imitates only tabs of custom objects")
    if draft.find(name) is None:
        raise Refused("INVALID_CROSS_REFERENCE_KEY", f"In field: customObject - no CustomObject named {name} found")
    if not text_of(values, "motif"):
        raise Refused("REQUIRED_FIELD_MISSING", "Required field is missing: motif")


def _check_app(draft: "Draft", name: str, values: Values) -> None:
    if not text_of(values, "label"):
        raise Refused("REQUIRED_FIELD_MISSING", "Required field is missing: label")
    for tab in as_list(values.get("tabs")):
        if not str(tab).startswith(STANDARD_TAB) and find_screen(draft, "CustomTab", str(tab)) is None:
            raise Refused("INVALID_CROSS_REFERENCE_KEY", f"In field: tab - no CustomTab named {tab} found")


def _check_layout(draft: "Draft", name: str, values: Values) -> None:
    object_name, dash, own = name.partition("-")
    kind = draft.find(object_name)
    if kind is None or not dash or not own:
        raise Refused("INVALID_CROSS_REFERENCE_KEY", f"Parent entity failed to deploy: {object_name}")
    for section in as_list(values.get("layoutSections")):
        for column in as_list(section.get("layoutColumns")):
            for item in _items(column):
                field_name = text_of(item, "field")
                if field_name and kind.find(field_name) is None:
                    text = f"In field: field - no CustomField named {kind.name}.{field_name} found"
                    raise Refused("INVALID_CROSS_REFERENCE_KEY", text)


def _items(column: Any) -> list[Values]:
    return [each for each in as_list(column.get("layoutItems")) if isinstance(each, dict)] if isinstance(column, dict) else []


CHECKS = {"CustomTab": _check_tab, "CustomApplication": _check_app, "Layout": _check_layout}
