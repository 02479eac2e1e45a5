"""What events and their answers look like, for the reference at /api/docs/. The checks themselves are in `ingest.checking`."""

from typing import Any

from integrations.product.ingest import checking
from integrations.product.ingest.accept import MOST_EVENTS

Schema = dict[str, Any]


def _object(properties: Schema, *required: str) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False} | (
        {"required": list(required)} if required else {}
    )


def _text(longest: int, about: str) -> Schema:
    return {"type": "string", "maxLength": longest, "description": about}


def _batch_of(item: Schema) -> Schema:
    batch = {
        "batch": {"type": "array", "items": item, "minItems": 1, "maxItems": MOST_EVENTS},
        "sent_at": {"type": "string", "format": "date-time", "description": "The sender's clock, to correct a wrong one."},
        "signature": _text(200, "Of the user, for events that have none of their own."),
    }
    return {"oneOf": [_object(batch, "batch"), {"type": "array", "items": item}, item]}


WHO: Schema = {
    "id": _text(checking.ID_LENGTH, "The same id counts once, however often it is sent."),
    "user": _text(checking.KEY_LENGTH, "Your id of the person; not needed for group and for a track of an account alone."),
    "account": _text(checking.KEY_LENGTH, "Your id of the company; required for group."),
    "at": {"type": "string", "format": "date-time", "description": "When it happened, with a time zone; now without it."},
    "signature": _text(200, "Of the user, for write keys that require it."),
}
EVENT = _object(
    WHO | {
        "type": {"type": "string", "enum": list(checking.TYPES), "default": "track"},
        "event": _text(checking.NAME_LENGTH, "What happened; required for track."),
        "properties": {"type": "object", "additionalProperties": True, "maxProperties": checking.PROPERTY_KEYS},
        "traits": {"type": "object", "additionalProperties": True, "description": "Of the person or company that is named.",
                   "maxProperties": checking.TRAITS},
        "automatic": {"type": "boolean", "default": False, "description": "Nothing that the person did."},
    },
    "id",
)  # fmt: skip
ANSWER = _object(
    WHO | {
        "score": {"type": "integer", "minimum": 0, "maximum": 10},
        "survey": _text(checking.ID_LENGTH, "Key of the survey."),
        "comment": _text(checking.COMMENT_LENGTH, "What the person wrote."),
    },
    "id", "user", "score",
)  # fmt: skip
EVENTS_BODY: Schema = {"application/json": _batch_of(EVENT)}
ANSWERS_BODY: Schema = {"application/json": _batch_of(ANSWER)}

PLACE: Schema = {"index": {"type": "integer"}, "code": {"type": "string"}, "message": {"type": "string"}}
DONE = _object(
    {
        "accepted": {"type": "integer", "description": "Taken, repeats among them."},
        "quarantined": {"type": "array", "items": _object(PLACE)},
        "rejected": {"type": "array", "items": _object(PLACE | {"field": {"type": "string"}})},
    }
)
ERROR = {"error": _object({"code": {"type": "string"}, "message": {"type": "string"}, "fields": {"type": "object"}})}
TAKEN = {202: DONE, 400: _object(DONE["properties"] | ERROR, "error")} | {
    code: _object(ERROR, "error") for code in (413, 429, 503)
}


def listed(row: Schema) -> Schema:
    """A page of rows."""
    return _object(
        {"count": {"type": "integer"}, "page": {"type": "integer"}, "results": {"type": "array", "items": _object(row)}}
    )


ROW: Schema = {
    "id": {"type": "string"}, "at": {"type": "string", "format": "date-time"},
    "customer": {"type": "string", "nullable": True}, "user": {"type": "string", "nullable": True},
}  # fmt: skip
EVENTS = listed(ROW | {"event": {"type": "string"}, "automatic": {"type": "boolean"}, "properties": {"type": "object"}})
ANSWERS = listed(ROW | {"survey": {"type": "string"}, "score": {"type": "integer"}, "comment": {"type": "string"}})
