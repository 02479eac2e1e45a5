"""Composite calls: up to 200 records or 25 requests for one API request, answered row by row.

A whole call that fails raises; a row that fails is a `RowAnswer` with its own error. Answers come batch by batch, so a caller
keeps what was accepted before a later batch fails.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from integrations.salesforce.client import Client
from integrations.salesforce.errors import SalesforceError, UnexpectedAnswer
from integrations.salesforce.ids import is_id, to_18
from integrations.salesforce.meaning import explain, reasons_in
from integrations.salesforce.soql import field_name, object_name

ROWS_A_CALL = 200
REQUESTS_A_CALL = 25
Row = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class RowAnswer:
    """What Salesforce did with one record. `id` has 18 characters, empty when it was refused; `error` says why."""

    id: str
    success: bool
    created: bool = False
    error: SalesforceError | None = None

    def or_raise(self) -> "RowAnswer":
        """This answer, or its error raised."""
        if self.error is not None:
            raise self.error
        return self


def read_row(data: object, *, created: bool | None = None, status: int = 400) -> RowAnswer:
    """One save result: `{id?, success, errors[], created?}`."""
    if not isinstance(data, dict) or not isinstance(data.get("success"), bool):
        raise UnexpectedAnswer("A save answer has no result.", code="BAD_SAVE_ANSWER")
    record_id = str(data.get("id") or "")
    record_id = to_18(record_id) if is_id(record_id) else record_id
    if data["success"]:
        return RowAnswer(record_id, True, bool(data.get("created", created)))
    return RowAnswer(record_id, False, False, explain(status, reasons_in(data.get("errors") or [])))


def insert_rows(client: Client, object_: str, rows: Iterable[Row], *, all_or_none: bool = False) -> Iterator[list[RowAnswer]]:
    """Create records, 200 a call. Not repeated after an unclear failure: prefer `upsert_rows` with a key."""
    return _save(client, "POST", "composite/sobjects", _typed(object_, rows), all_or_none, created=True)


def update_rows(client: Client, object_: str, rows: Iterable[Row], *, all_or_none: bool = False) -> Iterator[list[RowAnswer]]:
    """Change records by their `Id`, 200 a call."""
    return _save(client, "PATCH", "composite/sobjects", _typed(object_, rows), all_or_none, created=False)


def upsert_rows(
    client: Client, object_: str, key_field: str, rows: Iterable[Row], *, all_or_none: bool = False
) -> Iterator[list[RowAnswer]]:
    """Create or change records by the external id in each row, 200 a call; safe to repeat (I-04)."""
    path = f"composite/sobjects/{object_name(object_)}/{field_name(key_field)}"
    return _save(client, "PATCH", path, _typed(object_, rows), all_or_none, created=None)


def delete_rows(client: Client, ids: Iterable[str], *, all_or_none: bool = False) -> Iterator[list[RowAnswer]]:
    """Delete records of any type, 200 a call."""
    for batch in in_batches((to_18(item) for item in ids), ROWS_A_CALL):
        params = {"ids": ",".join(batch), "allOrNone": str(all_or_none).lower()}
        yield _read_rows(client.request("DELETE", "composite/sobjects", params=params).data, len(batch), created=False)


def in_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most `size` items, one in memory at a time."""
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch


def _typed(object_: str, rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    kind = {"type": object_name(object_)}
    return ({"attributes": kind, **row} for row in rows)


def _save(
    client: Client, method: str, path: str, rows: Iterable[Row], all_or_none: bool, *, created: bool | None
) -> Iterator[list[RowAnswer]]:
    for batch in in_batches(rows, ROWS_A_CALL):
        answer = client.request(method, path, json={"allOrNone": all_or_none, "records": batch})
        yield _read_rows(answer.data, len(batch), created=created)


def _read_rows(data: object, expected: int, *, created: bool | None) -> list[RowAnswer]:
    """Row answers in input order; their number must be right, or nothing can be said about any row (I-01)."""
    if not isinstance(data, list) or len(data) != expected:
        found = len(data) if isinstance(data, list) else "no"
        raise UnexpectedAnswer(
            f"Salesforce gave {found} answers for {expected} records.", code="BAD_SAVE_ANSWER", maybe_done=True
        )
    return [read_row(item, created=created) for item in data]


# --- several requests in one ---


@dataclass(frozen=True)
class SubRequest:
    """One request inside a composite call. `path` is relative to the REST root; `name` has letters, digits, underscores."""

    name: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class SubAnswer:
    """Its answer: the body of a good one, the error of a refused one."""

    name: str
    status: int
    body: Any
    error: SalesforceError | None = None


def send_together(client: Client, requests: Sequence[SubRequest], *, all_or_none: bool = False) -> list[SubAnswer]:
    """Up to 25 requests in one call, in order; later ones may use `@{name.id}` of earlier ones."""
    if not 1 <= len(requests) <= REQUESTS_A_CALL:
        raise ValueError(f"a composite call takes 1 to {REQUESTS_A_CALL} requests")
    body = {"allOrNone": all_or_none, "compositeRequest": [_sub_request(client, item) for item in requests]}
    only_reads = all(item.method.upper() == "GET" for item in requests)
    data = client.request("POST", "composite", json=body, retry=True if only_reads else None).data
    answers = data.get("compositeResponse") if isinstance(data, dict) else None
    if not isinstance(answers, list) or len(answers) != len(requests):
        raise UnexpectedAnswer("A composite answer does not fit its requests.", code="BAD_COMPOSITE_ANSWER", maybe_done=True)
    return [read_sub_answer(item) for item in answers]


def read_sub_answer(data: Mapping[str, Any]) -> SubAnswer:
    """One element of `compositeResponse`."""
    status, body = int(data["httpStatusCode"]), data.get("body")
    error = None if status < 300 else explain(status, reasons_in(body))
    return SubAnswer(str(data.get("referenceId") or ""), status, body, error)


def _sub_request(client: Client, item: SubRequest) -> dict[str, Any]:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,79}", item.name):
        raise ValueError(f"not a reference name: {item.name[:80]!r}")
    request = {"method": item.method.upper(), "url": f"{client.data_path}/{item.path.lstrip('/')}", "referenceId": item.name}
    return request | ({"body": dict(item.body)} if item.body is not None else {})
