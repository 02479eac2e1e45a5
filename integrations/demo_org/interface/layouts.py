"""Page, compact and approval layouts: one of each per object, with the fields in the order of describe."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.demo_org import page_layouts
from integrations.demo_org.errors import ApiError
from integrations.demo_org.ids import make_ids
from integrations.demo_org.records import NOT_FOUND, find_kind
from integrations.demo_org.replies import reply
from integrations.demo_org.schema.describe import MASTER_RECORD_TYPE, describe_field
from integrations.demo_org.schema.types import Field, ObjectType

COLUMNS, COMPACT_FIELDS = 2, 4
NAMED_LAYOUTS = {"user": ("UserAlt",)}
SYSTEM = frozenset({"Id", "IsDeleted", "SystemModstamp"})


def shown_fields(kind: ObjectType) -> list[Field]:
    """What a page shows: everything but system fields and the parts of compound ones."""
    return [each for each in kind.fields if each.name not in SYSTEM and (each.compound is None or each.compound == "Name")]


def layout_id(request: Request, kind: ObjectType) -> str:
    """The id of an object's one layout."""
    number = sorted(request.app.state.org.schema.objects).index(kind.name.lower()) + 1
    return make_ids("00h", request.app.state.org.store.instance, number, 1)[0]


def item(kind: ObjectType, made: Field, *, edit: bool) -> dict[str, Any]:
    """One field of a section."""
    component = {"details": describe_field(made, kind), "displayLines": 1, "tabOrder": 1, "type": "Field", "value": made.name}
    return {
        "editableForNew": edit and made.createable, "editableForUpdate": edit and made.updateable, "label": made.label,
        "layoutComponents": [component], "placeholder": False, "required": not made.nillable and made.createable,
    }  # fmt: skip


def section(kind: ObjectType, fields: list[Field], *, edit: bool, own: str) -> dict[str, Any]:
    """The fields in rows of two."""
    rows = [fields[start : start + COLUMNS] for start in range(0, len(fields), COLUMNS)]
    return {
        "collapsed": False, "columns": COLUMNS, "heading": f"{kind.label} Information",
        "layoutRows": [{"layoutItems": [item(kind, f, edit=edit) for f in row], "numItems": len(row)} for row in rows],
        "layoutSectionId": None, "parentLayoutId": own, "rows": len(rows), "tabOrder": "LeftToRight",
        "useCollapsibleSection": False, "useHeading": False,
    }  # fmt: skip


def saved_sections(kind: ObjectType, saved: list[page_layouts.Section], *, edit: bool, own: str) -> list[dict[str, Any]]:
    """The sections of a layout that was saved, row by row, with the fields that the caller sees."""
    shown = []
    for label, heading, columns in saved:
        visible = [[made for each in column if (made := kind.find(each.name)) is not None] for column in columns]
        if edit:
            visible = [[each for each in column if each.createable or each.updateable] for column in visible]
        if not any(visible):
            continue
        rows = [
            {"layoutItems": [item(kind, column[row], edit=edit) for column in visible if row < len(column)],
             "numItems": sum(row < len(column) for column in visible)}
            for row in range(max(map(len, visible)))
        ]  # fmt: skip
        shown.append({
            "collapsed": False, "columns": len(columns), "heading": label, "layoutRows": rows, "layoutSectionId": None,
            "parentLayoutId": own, "rows": len(rows), "tabOrder": "TopToBottom", "useCollapsibleSection": heading,
            "useHeading": heading,
        })  # fmt: skip
    return shown


def describe_layout(request: Request, kind: ObjectType) -> dict[str, Any]:
    """The object's page layout."""
    own, fields = layout_id(request, kind), shown_fields(kind)
    saved = page_layouts.saved_sections(request.app.state.org.draft, kind)
    schema = request.app.state.org.schema_for(request.state.caller)
    related = [
        {
            "accessLevelRequiredForCreate": None, "buttons": [], "columns": [], "custom": child.custom, "field": made.name,
            "label": child.label_plural, "limitRows": 5, "name": made.child_relationship, "sobject": child.name, "sort": [],
        }
        for child, made in schema.children_of(kind.name)
        if made.child_relationship
    ]  # fmt: skip
    editable = [each for each in fields if each.createable or each.updateable]
    return {
        "buttonLayoutSection": {"detailButtons": []},
        "detailLayoutSections": saved_sections(kind, saved, edit=False, own=own)
        if saved is not None
        else [section(kind, fields, edit=False, own=own)],
        "editLayoutSections": saved_sections(kind, saved, edit=True, own=own)
        if saved is not None
        else [section(kind, editable, edit=True, own=own)],
        "feedView": None,
        "highlightsPanelLayoutSection": None,
        "id": own,
        "multirowEditLayoutSections": [],
        "offlineLinks": [],
        "quickActionList": {"quickActionListItems": []},
        "relatedContent": None,
        "relatedLists": related,
        "saveOptions": [],
    }


def mapping(request: Request, kind: ObjectType, own: str) -> dict[str, Any]:
    """Which record type uses the layout: the master one."""
    base = f"/services/data/v{request.path_params['version']}/sobjects/{kind.name}/describe/layouts"
    return {
        "active": True, "available": True, "defaultRecordTypeMapping": True, "developerName": "Master", "layoutId": own,
        "master": True, "name": "Master", "picklistsForRecordType": None, "recordTypeId": MASTER_RECORD_TYPE,
        "urls": {"layout": f"{base}/{MASTER_RECORD_TYPE}"},
    }  # fmt: skip


def layouts(request: Request) -> Response:
    """GET describe/layouts: all layouts and who uses which."""
    return _answer(request, find_kind(request))


def _answer(request: Request, kind: ObjectType) -> Response:
    if not kind.createable and not kind.updateable:
        raise ApiError(400, "INVALID_TYPE", f"{kind.name} is not layoutable")
    made = describe_layout(request, kind)
    body = {
        "layouts": [made],
        "recordTypeMappings": [mapping(request, kind, made["id"])],
        "recordTypeSelectorRequired": [False],
    }
    return reply(request, body)


def named_layout(request: Request) -> Response:
    """GET describe/namedLayouts/{name}: those that the object has."""
    kind = find_kind(request)
    if request.path_params["layout"] not in NAMED_LAYOUTS.get(kind.name.lower(), ()):
        raise NOT_FOUND
    return _answer(request, kind)


def one_layout(request: Request) -> Response:
    """GET describe/layouts/{recordTypeId}."""
    return reply(request, describe_layout(request, find_kind(request)))


def compact_layouts(request: Request) -> Response:
    """GET describe/compactLayouts: the system's one, with the object's first fields."""
    kind = find_kind(request)
    fields = [each for each in shown_fields(kind) if each.type not in {"textarea", "address", "location"}]
    ordered = sorted(fields, key=lambda each: not each.name_field)[:COMPACT_FIELDS]
    made = {
        "actions": [], "fieldItems": [item(kind, each, edit=False) for each in ordered], "id": None, "imageItems": [],
        "label": "System Default", "name": "SYSTEM", "objectType": kind.name,
    }  # fmt: skip
    row = {"available": True, "compactLayoutId": None, "compactLayoutName": "SYSTEM", "recordTypeId": MASTER_RECORD_TYPE,
           "recordTypeName": "Master", "urls": {}}  # fmt: skip
    body = {"compactLayouts": [made], "defaultCompactLayoutId": None, "recordTypeCompactLayoutMappings": [row]}
    return reply(request, body)


def approval_layouts(request: Request) -> Response:
    """GET describe/approvalLayouts: there are no approval processes."""
    find_kind(request)
    return reply(request, {"approvalLayouts": []})


_BASE = "/services/data/v{version}/sobjects/{name}/describe"
routes = [
    Route(_BASE + "/layouts", layouts, methods=["GET"]),
    Route(_BASE + "/layouts/{record_type}", one_layout, methods=["GET"]),
    Route(_BASE + "/namedLayouts/{layout}", named_layout, methods=["GET"]),
    Route(_BASE + "/compactLayouts", compact_layouts, methods=["GET"]),
    Route(_BASE + "/approvalLayouts", approval_layouts, methods=["GET"]),
]
