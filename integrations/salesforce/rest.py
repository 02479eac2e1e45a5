"""Single records over REST, and the small resources around them."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from integrations.salesforce.client import LONGEST_URL, Client, Page, read_page
from integrations.salesforce.composite import RowAnswer, read_row, upsert_rows
from integrations.salesforce.errors import TooLarge, UnexpectedAnswer
from integrations.salesforce.ids import to_18
from integrations.salesforce.soql import encoded_length, field_name, object_name
from integrations.salesforce.values import read_moment


def read_record(client: Client, object_: str, record_id: str, *, fields: Sequence[str] = ()) -> dict[str, Any]:
    """One record; `NotFound` when it is gone or hidden. Salesforce adds Id to `fields` by itself."""
    params = {"fields": ",".join(field_name(field) for field in fields)} if fields else None
    return client.get(f"sobjects/{object_name(object_)}/{to_18(record_id)}", params=params)


def create_record(client: Client, object_: str, values: Mapping[str, Any]) -> RowAnswer:
    """Create one record. Not repeated after an unclear failure, because it has no key: prefer `upsert_record`."""
    answer = client.request("POST", f"sobjects/{object_name(object_)}", json=dict(values))
    return read_row(answer.data, created=True)


def update_record(client: Client, object_: str, record_id: str, values: Mapping[str, Any]) -> None:
    """Change fields of one record; null clears a field, an absent one stays."""
    client.request("PATCH", f"sobjects/{object_name(object_)}/{to_18(record_id)}", json=dict(values))


def upsert_record(client: Client, object_: str, key_field: str, key: str, values: Mapping[str, Any]) -> RowAnswer:
    """Create or change the record whose external id is `key` (any characters, R-121); `AmbiguousKey` when several have it.

    `values` must not hold the key field. An empty key is refused (R-122).
    """
    if not key.strip():
        raise ValueError("an external id must not be empty")
    if key_field.lower() in (name.lower() for name in values):
        raise ValueError("the key field must not be among the values")
    if set(key) == {"."}:  # a path of dots would be taken for a parent folder
        return next(iter(upsert_rows(client, object_, key_field, [{**values, key_field: key}])))[0].or_raise()
    path = f"sobjects/{object_name(object_)}/{field_name(key_field)}/{quote(key, safe='')}"
    answer = client.request("PATCH", path, json=dict(values))
    data = answer.data if isinstance(answer.data, dict) else {}
    return read_row({"id": None, "success": True, "errors": [], **data}, created=answer.status == 201 or data.get("created"))


def delete_record(client: Client, object_: str, record_id: str) -> None:
    """Move one record to the recycle bin; `NotFound` when it is there already."""
    client.request("DELETE", f"sobjects/{object_name(object_)}/{to_18(record_id)}")


def child_records(client: Client, value: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    """The records of a child sub-query: none when it is null, further pages by its own cursor (at most once each)."""
    seen: set[str] = set()
    while value is not None:
        page = read_page(value)
        yield from page.records
        if not page.cursor:
            return
        if page.cursor in seen:
            raise UnexpectedAnswer("Salesforce repeated a query cursor; the query was stopped.", code="REPEATED_CURSOR")
        seen.add(page.cursor)
        value = client.get(page.cursor)


@dataclass(frozen=True)
class DatedPage:
    """A page of a query, and when Salesforce began to answer by its own clock (UTC; None when it did not say)."""

    page: Page
    began: datetime | None


def query_page(client: Client, query: str = "", *, cursor: str = "", all_rows: bool = False) -> DatedPage:
    """The first page of a query, or the one that `cursor` names. `all_rows` includes deleted and archived records.

    The time is the answer's Date (whole seconds) less what we waited for it: our clock measures that span and nothing else, so
    that it may be wrong by hours. Raises `QueryExpired` when the cursor is gone (R-034), `TooLarge` when the query is too long.
    """
    if not cursor and encoded_length(query) > LONGEST_URL:
        raise TooLarge("The query is too long for one request; ask for fewer fields at once, or use Bulk.", code="URI_TOO_LONG")
    if cursor and (not cursor.startswith("/services/data/")):
        raise UnexpectedAnswer("Salesforce gave a next-page address that is no path on its own host.", code="HOST_REFUSED")
    clock = time.monotonic()
    path, params = (cursor, None) if cursor else ("queryAll" if all_rows else "query", {"q": query})
    answer = client.request("GET", path, params=params)
    return DatedPage(read_page(answer.data), began_at(answer.headers, waited=time.monotonic() - clock))


def read_clock(client: Client) -> datetime | None:
    """Salesforce's time now, from the list of versions, which costs no call of the allowance; None when it does not say."""
    clock = time.monotonic()
    answer = client.request("GET", "/services/data")
    return began_at(answer.headers, waited=time.monotonic() - clock)


def began_at(headers: Mapping[str, str], *, waited: float) -> datetime | None:
    """The Date of an answer less the seconds that it took, in whole seconds; None without a readable Date."""
    try:
        date = parsedate_to_datetime(headers.get("Date", ""))
    except ValueError:
        return None
    aware = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return (aware.astimezone(UTC) - timedelta(seconds=waited)).replace(microsecond=0)


@dataclass(frozen=True)
class Changes:
    """Answer of getUpdated or getDeleted: ids (18 characters), and the instant (UTC) to begin with next time."""

    ids: tuple[str, ...]
    covered_until: datetime
    available_since: datetime | None = None


def read_updated(client: Client, object_: str, *, start: datetime, end: datetime) -> Changes:
    """Ids of records created or changed in a window of at most 30 days; seconds are ignored by Salesforce."""
    data = client.get(f"sobjects/{object_name(object_)}/updated/", params=_window(start, end))
    return Changes(tuple(to_18(item) for item in data["ids"]), read_moment(data["latestDateCovered"]))


def read_deleted(client: Client, object_: str, *, start: datetime, end: datetime) -> Changes:
    """Ids of records deleted in a window of at most 15 days; `available_since` after our last run means: reconcile."""
    data = client.get(f"sobjects/{object_name(object_)}/deleted/", params=_window(start, end))
    ids = tuple(to_18(item["id"]) for item in data["deletedRecords"])
    return Changes(ids, read_moment(data["latestDateCovered"]), read_moment(data["earliestDateAvailable"]))


def _window(start: datetime, end: datetime) -> dict[str, str]:
    """UTC instants in the one spelling that these resources take."""
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("a window needs datetimes with a time zone")
    return {
        "start": f"{start.astimezone(UTC):%Y-%m-%dT%H:%M:%S+00:00}",
        "end": f"{end.astimezone(UTC):%Y-%m-%dT%H:%M:%S+00:00}",
    }
