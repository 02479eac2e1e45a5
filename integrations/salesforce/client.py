"""The one door to an org: every call with a token goes through `Client.request`.

It adds the token (only ever to the origin it was issued for, I-15), refreshes it exactly once when Salesforce says that the
session is over (R-002), retries by meaning with bounds, reports each HTTP attempt to the ledger, and never follows a redirect.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Protocol
from urllib.parse import quote, urlsplit

from integrations.salesforce import API_VERSION
from integrations.salesforce.errors import (
    QueryExpired,
    ReauthorizationRequired,
    SalesforceError,
    TooLarge,
    UnexpectedAnswer,
    Verdict,
)
from integrations.salesforce.hosts import is_allowed, origin_of
from integrations.salesforce.transport import (
    CLIENT_NAME,
    NO_RETRY,
    USUAL_DEADLINES,
    USUAL_RETRY,
    Answer,
    ApiUsage,
    Call,
    Deadlines,
    Retry,
    Transport,
    dump_json,
)

__all__ = ["NO_RETRY", "Answer", "ApiUsage", "Call", "Client", "Deadlines", "Grant", "Page", "Retry", "Tokens"]

LONGEST_URL = 16_000
"""Bytes; Salesforce refuses addresses over about 16,384 bytes together with the headers."""
PLAIN_PATH = re.compile(r"[A-Za-z0-9/_.,~%:@!$&'()*+;=-]*\Z")
Restart = Callable[[dict[str, Any] | None], str]
OBJECT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,254}\Z")
OURS = frozenset(("authorization", "host", "cookie"))
MOST_RESTARTS = 3


@dataclass(frozen=True)
class Grant:
    """An access token and the only origin that it may be sent to."""

    access_token: str = field(repr=False)
    instance_url: str


class Tokens(Protocol):
    """Where a client gets its token. Implementations decide about storage, locks and single-flight refresh."""

    def current(self) -> Grant:
        """The grant to use now. Asked before every request, so a disconnect takes effect at once (I-17)."""
        ...

    def refresh(self, rejected: Grant) -> Grant:
        """A newer grant than `rejected`; when somebody else has refreshed already, that one. Raises `AuthError`."""
        ...


@dataclass(frozen=True)
class Page:
    """One page of a query. `total` counts all rows of the query; `cursor` is the next page's path, empty on the last."""

    records: list[dict[str, Any]]
    total: int
    number: int
    cursor: str = ""


class Client:
    """Calls to one org. Methods raise `SalesforceError`s; every one of them has deadlines and bounded retries."""

    def __init__(
        self,
        tokens: Tokens,
        *,
        api_version: str = API_VERSION,
        on_call: Callable[[Call], None] | None = None,
        deadlines: Deadlines = USUAL_DEADLINES,
        retry: Retry = USUAL_RETRY,
        demo_origin: str = "",
    ) -> None:
        self.tokens, self.api_version, self.demo_origin = tokens, api_version, demo_origin
        self._refreshing = threading.Lock()
        self.transport = Transport(demo_origin=demo_origin, deadlines=deadlines, retry=retry, on_call=on_call)

    def close(self) -> None:
        """Close the pooled connections; the client can still be used afterwards."""
        self.transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def api_usage(self) -> ApiUsage | None:
        """(used, limit) of the org's rolling 24 hours as the last answer said, None before the first."""
        return self.transport.usage

    @property
    def data_path(self) -> str:
        """`/services/data/v65.0`"""
        return f"/services/data/v{self.api_version}"

    @property
    def instance_url(self) -> str:
        """Where calls go now; may change with any refresh (R-012)."""
        return self.tokens.current().instance_url

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: object = None,
        data: bytes | str | IO[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        retry: bool | Retry | None = None,
        repeatable: bool | None = None,
        into: IO[bytes] | None = None,
        deadlines: Deadlines | None = None,
    ) -> Answer:
        """Ask Salesforce; a good answer or a `SalesforceError`.

        `path` is relative to the REST root of our version (`sobjects/Account`) or begins with `/services/`.
        After an unclear failure (it may have taken effect) everything but POST is sent again; `repeatable` says otherwise.
        `retry`: False never sends again, True is short for `repeatable=True`, a `Retry` sets how often and how long.
        `into` takes the body of a good answer; `json` may hold Decimals and aware datetimes.
        """
        policy = retry if isinstance(retry, Retry) else NO_RETRY if retry is False else None
        body, content_type = _encode(json, data)
        sent = {"Content-Type": content_type} if content_type else {}
        sent |= {"Sforce-Call-Options": f"client={CLIENT_NAME}"}
        sent |= {name: value for name, value in (headers or {}).items() if name.lower() not in OURS}
        return self._ask_as_somebody(
            lambda grant: self.transport.ask(
                method.upper(),
                self._address(grant, path),
                headers=sent | {"Authorization": f"Bearer {grant.access_token}"},
                params=params,
                body=body,
                into=into,
                deadlines=deadlines,
                retry=policy,
                repeatable=retry is True or (method.upper() != "POST" if repeatable is None else repeatable),
            )
        )

    def get(self, path: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> Any:
        """The decoded JSON of a GET, fractions as Decimal."""
        return self.request("GET", path, params=params, headers=headers).data

    def _ask_as_somebody(self, ask: Callable[[Grant], Answer]) -> Answer:
        """Ask with the current grant; when its session is over, refresh once and ask the same again (R-002, R-003).

        If the refreshed token is refused too, a still newer one (another worker may have refreshed meanwhile) is tried once.
        """
        grant = self.tokens.current()
        for turn in range(3):
            try:
                return ask(grant)
            except SalesforceError as error:
                if error.verdict is not Verdict.REFRESH:
                    raise
                refused = error
            newer = self._newer(grant) if turn == 0 else self.tokens.current()
            if turn and newer == grant:
                break
            grant = newer
        raise _for_good(refused) from None

    def _newer(self, rejected: Grant) -> Grant:
        """A grant other than `rejected`; threads of one client refresh one after the other, and only if nobody has."""
        with self._refreshing:
            current = self.tokens.current()
            return current if current != rejected else self.tokens.refresh(rejected)

    def _address(self, grant: Grant, path: str) -> str:
        """The full address on the grant's own origin; everything that could lead elsewhere is refused (I-15)."""
        if not is_allowed(grant.instance_url, demo_origin=self.demo_origin):
            message = "The connection's instance address is not a Salesforce address; nothing was sent."
            raise UnexpectedAnswer(message, code="HOST_REFUSED")
        origin = origin_of(grant.instance_url)
        if "://" in path.partition("?")[0]:
            if not path.startswith(f"{origin}/"):
                message = "Salesforce named an address on another host; the token was not sent there."
                raise UnexpectedAnswer(message, code="HOST_REFUSED")
            path = path.removeprefix(origin)
        path, _, query = path.partition("?")
        if not path.startswith("/services/"):
            path = f"{self.data_path}/{path.lstrip('/')}"
        if not PLAIN_PATH.match(path) or {"..", "."} & set(path.split("/")) or "//" in path:
            raise UnexpectedAnswer("This path cannot be asked for.", code="BAD_PATH")
        return f"{origin}{path}" + (f"?{query}" if query else "")

    # --- queries ---

    def query_pages(
        self, soql: str, *, all_rows: bool = False, batch_size: int | None = None, cursor: str = ""
    ) -> Iterator[Page]:
        """The pages of a query, one in memory at a time; `cursor` (of an earlier page) continues there.

        `all_rows` includes deleted and archived records. `batch_size` (200-2,000) is a hint only. Raises `QueryExpired` when a
        cursor is gone (R-034), `UnexpectedAnswer` when one repeats (I-09), `TooLarge` for a query too long for an address.
        """
        headers = {"Sforce-Query-Options": f"batchSize={batch_size}"} if batch_size else None
        seen: set[str] = set()
        number = 0
        while True:
            if cursor:
                answer = self.request("GET", _relative(cursor), headers=headers)
            else:
                _check_length(soql)
                answer = self.request("GET", "queryAll" if all_rows else "query", params={"q": soql}, headers=headers)
            page = read_page(answer.data, number=number)
            cursor, number = page.cursor, number + 1
            if cursor in seen:
                raise UnexpectedAnswer("Salesforce repeated a query cursor; the query was stopped.", code="REPEATED_CURSOR")
            seen.add(cursor)
            yield page
            if not cursor:
                return

    def query(
        self, soql: str, *, all_rows: bool = False, batch_size: int | None = None, restart: Restart | None = None
    ) -> Iterator[dict[str, Any]]:
        """The records of a query, streamed page by page, as Salesforce gives them (with `attributes`).

        When the cursor dies, `restart(last_record)` may give the query that continues after it (at most 3 times); without
        it `QueryExpired` is raised and the caller begins again from its checkpoint.
        """
        last: dict[str, Any] | None = None
        for left in range(MOST_RESTARTS, -1, -1):
            try:
                for page in self.query_pages(soql, all_rows=all_rows, batch_size=batch_size):
                    for record in page.records:
                        last = record
                        yield record
            except QueryExpired:
                if restart is None or not left:
                    raise
                soql = restart(last)
                continue
            return

    def query_all(self, soql: str, *, all_rows: bool = False) -> list[dict[str, Any]]:
        """All records of a query that is known to be small."""
        return list(self.query(soql, all_rows=all_rows))

    def count(self, soql: str) -> int:
        """The number of rows of a `SELECT COUNT() FROM …` query."""
        return next(iter(self.query_pages(soql))).total

    # --- what the org has ---

    def describe(self, name: str) -> dict[str, Any]:
        """The describe of one object, as JSON; see `describe.read_object` for typed access."""
        if not OBJECT_NAME.match(name):
            raise ValueError(f"not an object name: {name[:80]!r}")
        return self.get(f"sobjects/{name}/describe")

    def describe_if_changed(self, name: str, *, last_modified: str) -> tuple[dict[str, Any] | None, str]:
        """The describe, or None when it has not changed since `last_modified` (an earlier answer's), and its new mark."""
        if not OBJECT_NAME.match(name):
            raise ValueError(f"not an object name: {name[:80]!r}")
        headers = {"If-Modified-Since": last_modified} if last_modified else None
        answer = self.request("GET", f"sobjects/{name}/describe", headers=headers)
        mark = answer.headers.get("Last-Modified", last_modified)
        return (None if answer.status == 304 else answer.data), mark

    def list_objects(self) -> list[dict[str, Any]]:
        """The objects that the connected user can see (name, label, keyPrefix, flags)."""
        return self.get("sobjects")["sobjects"]

    def limits(self) -> dict[str, dict[str, int]]:
        """`{Name: {Max, Remaining}}`; needs the View Setup permission and lags a little."""
        return self.get("limits")

    def versions(self) -> list[dict[str, str]]:
        """`[{label, url, version}]` that the org serves (free of charge)."""
        return self.get("/services/data")


def read_page(data: object, *, number: int = 0) -> Page:
    """A page from the JSON of a query answer."""
    if not isinstance(data, dict) or not isinstance(data.get("records"), list) or not isinstance(data.get("done"), bool):
        raise UnexpectedAnswer("A query answer has no records.", code="BAD_QUERY_ANSWER")
    cursor = data.get("nextRecordsUrl") or ""
    if not data["done"] and not cursor:
        raise UnexpectedAnswer("A query answer is not done but names no next page.", code="BAD_QUERY_ANSWER")
    return Page(data["records"], int(data.get("totalSize", len(data["records"]))), number, "" if data["done"] else cursor)


def _relative(cursor: str) -> str:
    """A cursor as the host-relative path that Salesforce gives; anything else is refused (I-15)."""
    if not cursor.startswith("/services/data/") or urlsplit(cursor).netloc:
        raise UnexpectedAnswer("Salesforce gave a next-page address that is no path on its own host.", code="HOST_REFUSED")
    return cursor


def _check_length(soql: str) -> None:
    if len(quote(soql, safe="")) > LONGEST_URL:
        message = "The query is too long for one request; ask for fewer fields or keys at once, or use Bulk."
        raise TooLarge(message, code="URI_TOO_LONG")


def _encode(json: object, data: bytes | str | IO[bytes] | None) -> tuple[bytes | IO[bytes] | None, str]:
    """The body and its content type (empty when the caller sets it)."""
    if json is not None:
        return dump_json(json), "application/json; charset=UTF-8"
    return (data.encode() if isinstance(data, str) else data), ""


def _for_good(error: SalesforceError) -> SalesforceError:
    """The same refusal once refreshing has not helped."""
    if isinstance(error, ReauthorizationRequired):
        message = f"Salesforce refuses even a fresh token: {error.message}"
        return ReauthorizationRequired(message, code=error.code, status=error.status)
    error.verdict = Verdict.STOP
    return error
