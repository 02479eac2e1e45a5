"""Which records an update or an upsert is about."""

from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING

from integrations.demo_org.coercion import convert_column
from integrations.demo_org.consequences import remembered_names
from integrations.demo_org.errors import ApiError
from integrations.demo_org.fitting import fit_frame
from integrations.demo_org.lookups import find_ids, find_keys, fold_column, normalize_id, read_by_keys
from integrations.demo_org.rows import UNSET, Frame, RowError
from integrations.demo_org.schema.types import Field, ObjectType

if TYPE_CHECKING:
    from integrations.demo_org.saving import Work

CHUNK = 200
NO_ID = RowError("MISSING_ARGUMENT", "Id not specified in an update call")
NOT_FOUND = RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
IS_DELETED = RowError("ENTITY_IS_DELETED", "entity is deleted")
CONVERTED = RowError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")


def find_existing(work: "Work", frame: Frame, *, matched: bool = False) -> Frame:
    """Check the Id column of an update: given, well-formed, of this object, present, not deleted, not twice in a chunk.

    `matched`: the ids come from looking live records up by an external id, only twins and converted leads are left.
    """
    if matched:
        _refuse_twins(frame, frame.columns["Id"])  # type: ignore[arg-type]
        _refuse_converted(work, frame, frame.columns["Id"])  # type: ignore[arg-type]
        return frame
    given = frame.columns.get("Id") or [None] * len(frame)
    made: list[str] = []
    for row, value in enumerate(given):
        made.append(_checked_id(work, frame, row, value))
    known = find_ids(work.connection, work.stored, [each for each in made if each])
    for row, record_id in enumerate(made):
        if record_id and record_id not in known:
            frame.fail(row, NOT_FOUND)
        elif record_id and known[record_id]:
            frame.fail(row, IS_DELETED)
    _refuse_twins(frame, made)
    _refuse_converted(work, frame, made)
    frame.columns["Id"] = made
    return frame


def _checked_id(work: "Work", frame: Frame, row: int, value: object) -> str:
    """The 18-character id, or "" with the row marked as failed."""
    if value is None or value in {"", UNSET}:
        frame.fail(row, NO_ID)
        return ""
    record_id = normalize_id(value) if isinstance(value, str) else None
    if record_id is None:
        frame.fail(row, RowError("MALFORMED_ID", f"malformed id {value}", ("Id",)))
        return ""
    if not record_id.startswith(work.kind.key_prefix):
        text = f"{work.kind.label} ID: id value of incorrect type: {value}"
        frame.fail(row, RowError("MALFORMED_ID", text, ("Id",)))
        return ""
    return record_id


def _refuse_twins(frame: Frame, made: list[str]) -> None:
    """The same record twice in one chunk of 200 is an error of the later row."""
    if len(set(made)) == len(made):
        return
    seen: dict[str, int] = {}
    for row, record_id in enumerate(made):
        first = seen.get(record_id)
        if record_id and first is not None and row // CHUNK == first // CHUNK:
            frame.fail(row, RowError("DUPLICATE_VALUE", f"duplicate id specified: {record_id[:15]}"))
        else:
            seen[record_id] = row


def _refuse_converted(work: "Work", frame: Frame, made: list[str]) -> None:
    """Converted leads cannot be changed."""
    if not work.stored.find("IsConverted"):
        return
    marks = ", ".join("?" * len(made)) if len(made) <= CHUNK else ""
    where = f"AND Id IN ({marks})" if marks else ""
    sql = f"SELECT Id FROM {work.kind.name} WHERE IsConverted = 1 {where}"  # noqa: S608
    converted = {row[0] for row in work.connection.execute(sql, made if marks else ())}
    for row, record_id in enumerate(made):
        if record_id in converted:
            frame.fail(row, CONVERTED)


def split_upsert(work: "Work", frame: Frame) -> tuple[Frame | None, Frame | None]:
    """The rows that are new and the rows that exist (with their Id), both fitted; None for an empty part."""
    key = _key_field(work)
    column = next((values for name, values in frame.columns.items() if name.lower() == key.name.lower()), None)
    if column is None:
        frame.fail_all(RowError("MISSING_ARGUMENT", f"{key.name} not specified"))
        work.refuse(frame)
        return None, None
    matched = _match_by_id(column) if key.name == "Id" else _match_by_key(work, frame, key, column)
    if frame.errors:
        work.refuse(frame)
    known = [each is not None for each in matched]
    return _new_part(work, frame, key, known), _known_part(work, frame, matched, known)


def _new_part(work: "Work", frame: Frame, key: Field, known: list[bool]) -> Frame | None:
    """The rows to insert."""
    mask = [not each and row not in frame.errors for row, each in enumerate(known)]
    if not any(mask):
        return None
    part = frame if all(mask) else frame.keep(mask)
    if key.name == "Id":
        part = Frame(part.positions, {name: column for name, column in part.columns.items() if name.lower() != "id"})
    return fit_frame(work, part, for_insert=True, ids_given=True)


def _known_part(work: "Work", frame: Frame, matched: list[str | None], known: list[bool]) -> Frame | None:
    """The rows to update, their Id column filled."""
    mask = [each and row not in frame.errors for row, each in enumerate(known)]
    if not any(mask):
        return None
    columns = {name: column for name, column in frame.columns.items() if name.lower() != "id"}
    part = Frame(frame.positions, {**columns, "Id": matched})
    part = part if all(mask) else part.keep(mask)
    return fit_frame(work, part, for_insert=False, ids_given=True)


def _key_field(work: "Work") -> Field:
    """The field that an upsert matches by; ApiError 404 if there is none of that name that may identify records."""
    key = work.kind.find(work.external_id or "Id")
    if key is None or not (key.external_id or key.id_lookup or key.name == "Id"):
        text = f"Provided external ID field does not exist or is not accessible: {work.external_id}"
        raise ApiError(404, "NOT_FOUND", text)
    return key


def _match_by_id(column: object) -> list[str | None]:
    """An upsert by Id: empty is new, anything else must exist."""
    return [None if value in {None, "", UNSET} else value for value in column]  # type: ignore[union-attr]


def _match_by_key(work: "Work", frame: Frame, key: Field, column: object) -> list[str | None]:
    """The ids of the records that have the given key values; errors are noted for missing, doubled and ambiguous keys."""
    stored, errors = convert_column(key, column, source=work.source)  # type: ignore[arg-type]
    for row, error in errors.items():
        frame.fail(row, error)
    folded = fold_column(key, stored)
    if None in folded:
        for row, value in enumerate(folded):
            if value is None and row not in errors:
                frame.fail(row, RowError("MISSING_ARGUMENT", f"{key.name} not specified"))
    if len(set(folded)) < len(folded):
        _refuse_doubles(frame, folded)
    work.met_names = remembered_names(work)
    met = read_by_keys(work.connection, work.stored, key, folded, names=work.met_names)
    places, made = list(map(itemgetter(0), met)), list(map(itemgetter(1), met))
    work.met.update(zip(made, met, strict=True))
    if places == list(range(len(folded))):
        return made
    found: dict[int, list[str]] = {}
    for row, record_id in zip(places, made, strict=True):
        found.setdefault(row, []).append(record_id)
    return [_single(frame, row, key, found.get(row)) for row in range(len(folded))]


def _refuse_doubles(frame: Frame, folded: list[object]) -> None:
    """The same key twice in one chunk of 200 is an error of the later row."""
    seen: set[tuple[int, object]] = set()
    for position, (row, value) in zip(frame.positions, enumerate(folded), strict=True):
        place = (position // CHUNK, value)
        if value is not None and place in seen:
            frame.fail(row, RowError("DUPLICATE_VALUE", f"Duplicate external id specified: {value}"))
        seen.add(place)


def split_at_repeats(work: "Work", frame: Frame) -> list[Frame]:
    """An upsert's frame, cut where a chunk of 200 rows names a key again that an earlier chunk of the part named.

    Salesforce commits chunk by chunk: what the earlier one inserted is there for the later one to update.
    """
    key = _key_field(work)
    column = next((values for name, values in frame.columns.items() if name.lower() == key.name.lower()), None)
    if key.name == "Id" or column is None or len(frame) <= CHUNK:
        return [frame]
    folded = fold_column(key, convert_column(key, column, source=work.source)[0])
    if len(set(folded)) == len(folded):
        return [frame]
    cuts, seen = [0], set[object]()
    chunks = [position // CHUNK for position in frame.positions]
    begins = [row for row, chunk in enumerate(chunks) if row == 0 or chunk != chunks[row - 1]]
    for begin, end in pairwise([*begins, len(frame)]):
        named = set(folded[begin:end]) - {None}
        if seen & named:
            cuts.append(begin)
            seen = named
        else:
            seen |= named
    return [frame.cut(begin, end) for begin, end in pairwise([*cuts, len(frame)])]


def _single(frame: Frame, row: int, key: Field, matches: list[str] | None) -> str | None:
    """The one match, None for none; several are an error."""
    if matches and len(matches) > 1:
        shown = ", ".join(each[:15] for each in matches)
        text = f"{key.name}: more than one record found for external id field: [{shown}]"
        frame.fail(row, RowError("DUPLICATE_EXTERNAL_ID", text))
    return matches[0] if matches else None


def match_one(connection: object, kind: ObjectType, key: Field, text: str) -> list[str]:
    """The ids of the live records whose key field has the value of a URL."""
    stored, errors = convert_column(key, [text], source="rest")
    return [] if errors or stored[0] is None else find_keys(connection, kind, key, [stored[0]]).get(0, [])  # type: ignore[arg-type]
