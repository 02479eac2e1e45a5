"""Linked customers and end users with the values that a mapping asks for, read from the database in bounded pieces as Arrow.

Attributes come out in their stored form: as text, checkboxes as flags. Their JSON is parsed once a row here, which is five
times as fast as extracting each key in SQLite.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pyarrow as pa
from django.db.models import DateTimeField, F, FilteredRelation, Q, TextField, Value
from django.db.models.functions import Cast

from integrations.models import Customer, EndUser, Entity, RecordLink, SalesforceOrg
from integrations.sync.mapping.body import ATTRIBUTE
from integrations.sync.mapping.catalogue import COLUMNS

ROWS = 50_000
"""Rows of one piece: bounds memory, and the work that a killed run repeats."""
OWN = ("id", "salesforce_id", "external_id", "label", "state", "reason", "parent")
MICROS = pa.timestamp("us", tz="UTC")


def read_linked(
    org: SalesforceOrg, entity: str, object_name: str, keys: Sequence[str], *, after: int = 0, rows: int = 0
) -> Iterator[pa.Table]:
    """Pieces of the links of one entity with one object, by id of the record, beginning behind `after`.

    Columns: id, salesforce_id, external_id, label, state, reason and parent of the link, then k0, k1, ... for `keys` (columns
    and attributes). Records that were erased, and customers that were merged away, are left out.
    """
    names = [f"k{place}" for place in range(len(keys))]
    rows = rows or ROWS
    while True:
        found = list(_links(org, entity, object_name, after, keys)[:rows])
        if not found:
            return
        yield _table(found, keys, entity, names)
        after = found[-1][0]
        if len(found) < rows:
            return


def _links(org: SalesforceOrg, entity: str, object_name: str, after: int, keys: Sequence[str]) -> Any:
    record = "customer" if entity == Entity.CUSTOMER else "end_user"
    whole = {f"{record}__erased_at": None, f"{record}_id__gt": after}
    states = (RecordLink.State.ACTIVE, RecordLink.State.SUSPENDED)
    links = RecordLink.objects.filter(org=org, entity=entity, object__iexact=object_name, state__in=states, **whole)
    if entity == Entity.CUSTOMER:
        parent: Any = Value(None, TextField())  # an account has no parent of ours
        links = links.filter(customer__merged_into=None)
    else:
        above = Q(end_user__customer__links__org=org, end_user__customer__links__state=RecordLink.State.ACTIVE)
        links = links.annotate(above=FilteredRelation("end_user__customer__links", condition=above))
        parent = F("above__salesforce_id")
    json: Any = Value(None, TextField())
    if any(key.startswith(ATTRIBUTE) for key in keys):
        json = Cast(F(f"{record}__attributes"), TextField())
    links = links.annotate(parent_=parent, json_=json)
    own = (f"{record}_id", "salesforce_id", f"{record}__external_id", f"{record}__name", "state", "reason", "parent_", "json_")
    columns = [f"{record}__{key}" for key in keys if not key.startswith(ATTRIBUTE)]
    return links.order_by(f"{record}_id").values_list(*own, *columns)


def _table(found: Sequence[tuple[Any, ...]], keys: Sequence[str], entity: str, names: Sequence[str]) -> pa.Table:
    columns = list(zip(*found, strict=True))
    own = [pa.array(columns[0], pa.int64()), *(pa.array(columns[place], pa.string()) for place in range(1, 7))]
    rest = iter(columns[8:])
    parsed: list[dict[str, Any]] = [orjson.loads(each) if each else {} for each in columns[7]]
    values = [
        _stored([each.get(key.removeprefix(ATTRIBUTE)) for each in parsed]) if key.startswith(ATTRIBUTE)
        else pa.array(next(rest), _type(entity, key))
        for key in keys
    ]  # fmt: skip
    return pa.Table.from_arrays([*own, *values], names=[*OWN, *names])


def _stored(values: list[Any]) -> pa.Array:
    """One attribute of many records: texts, or flags; what is of both kinds (a type was changed) comes as text."""
    for kind in (pa.string(), pa.bool_()):
        try:
            return pa.array(values, kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            continue
    return pa.array(
        [each if each is None or isinstance(each, str) else orjson.dumps(each).decode() for each in values], pa.string()
    )


def _type(entity: str, key: str) -> pa.DataType:
    model = Customer if entity == Entity.CUSTOMER else EndUser
    return MICROS if isinstance(model._meta.get_field(key), DateTimeField) else pa.string()


def is_stored(entity: str, key: str) -> bool:
    """Whether the key is a column or an attribute, and not something that a domain computes."""
    return key.startswith(ATTRIBUTE) or key in {each.key for each in COLUMNS[entity]}
