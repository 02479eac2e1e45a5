"""`/api/v1/events/` and `/api/v1/nps/`: product events and NPS answers come in here, from servers and from browsers."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, NoReturn

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from integrations.access import Refusal
from integrations.product.api import event_shapes as shapes
from integrations.product.api.browsers import BrowserView
from integrations.product.ingest import listing, new_people, write_keys
from integrations.product.ingest.accept import RETRY_SECONDS, Accepted, BufferFull, accept_events
from integrations.product.models import WriteKey
from integrations.salesforce.values import read_moment

FILTERS = [
    OpenApiParameter("customer", str, description="External id of the customer."),
    OpenApiParameter("user", str, description="External id of the end user."),
    OpenApiParameter("since", OpenApiTypes.DATE, description="First UTC day."),
    OpenApiParameter("until", OpenApiTypes.DATE, description="Last UTC day."),
    OpenApiParameter("page", int),
]
LISTED = timedelta(days=30)
MOST_BYTES = 1024 * 1024
KNOWN = ("batch", "sent_at", "signature")
EXAMPLE = {
    "batch": [
        {
            "id": "6f9c1c5e-0001", "type": "track", "event": "Report exported", "user": "u-17", "account": "acme",
            "at": "2027-01-31T08:00:00Z", "properties": {"format": "pdf"},
        },
        {"id": "6f9c1c5e-0002", "type": "identify", "user": "u-17", "traits": {"email": "jane@acme.example", "plan": "pro"}},
    ]
}  # fmt: skip
DONE = {"accepted": 2, "quarantined": [], "rejected": []}


class TooLarge(Refusal):
    """The body has more bytes than a request may have."""

    status = 413

    def __init__(self) -> None:
        super().__init__("too_large", "Send at most 1 MB a request; split the batch.")


class IngestView(BrowserView, ViewSet):
    """What both resources share: scope `events`, operators and write keys send."""

    scope, role, write_role = "events", "member", "operator"
    write_key_actions = ("create",)

    def take(self, request: Request, to_event: Callable[[object], object] | None = None) -> Response:
        """Accept the events of a request and say what became of each that is not simply taken."""
        now, key = timezone.now(), request.auth if isinstance(request.auth, WriteKey) else None
        raw, sent_at = read_body(request)
        if to_event is not None:
            raw = [to_event(each) for each in raw]
        try:
            done = accept_events(raw, now=now, key=key, sent_at=sent_at, may_send=write_keys.checker_of(key))
        except BufferFull as full:
            body = {"error": {"code": full.code, "message": full.message}}
            return Response(body, status=full.status, headers={"Retry-After": str(RETRY_SECONDS)})
        if key is not None and not done.accepted and any(each.code == new_people.CODE for each in done.rejected):
            error = {"code": new_people.CODE, "message": new_people.message_of(key)}
            wait = {"Retry-After": str(new_people.seconds_left(now))}
            return Response({"error": error, **asdict(done)}, status=status.HTTP_429_TOO_MANY_REQUESTS, headers=wait)
        return _answer(done)


@extend_schema(tags=["events"])
class EventViewSet(IngestView):
    """`/api/v1/events/`: scope `events`; a write key may send, but not read."""

    @extend_schema(
        operation_id="events_list",
        parameters=[*FILTERS, OpenApiParameter("event", str, description="Name of the event.")],
        responses={200: shapes.EVENTS},
    )
    def list(self, request: Request) -> Response:
        """Stored events, newest first, 50 a page; of the last 30 days without `since`. New ones are listed within a minute."""
        wanted = _wanted(request)
        if wanted.since is None:
            wanted = replace(wanted, since=timezone.now().astimezone(UTC).date() - LISTED)
        found = listing.find_events(wanted, event=request.query_params.get("event", ""))
        return Response({"count": found.count, "page": wanted.page, "results": found.rows})

    @extend_schema(
        request=shapes.EVENTS_BODY,
        responses=shapes.TAKEN,
        examples=[
            OpenApiExample("Two events", value=EXAMPLE, request_only=True),
            OpenApiExample("Taken", value=DONE, response_only=True, status_codes=["202"]),
        ],
    )
    def create(self, request: Request) -> Response:
        """Send at most 1,000 events (1 MB). An id counts once, however often it is sent. Good events are taken although others
        are wrong: `rejected` names index and field. 400 when none could be taken, 503 with `Retry-After` when too many wait,
        429 when a write key brought too many unknown people and companies today."""
        return self.take(request)


@extend_schema(tags=["nps"])
class NpsViewSet(IngestView):
    """`/api/v1/nps/`: scope `events`; a write key may send, but not read."""

    @extend_schema(
        operation_id="nps_list",
        parameters=[*FILTERS, OpenApiParameter("survey", str)],
        responses={200: shapes.ANSWERS},
    )
    def list(self, request: Request) -> Response:
        """Stored answers, newest first, 50 a page. A new one is listed within about a minute."""
        wanted = _wanted(request)
        found = listing.find_answers(wanted, survey=request.query_params.get("survey", ""))
        return Response({"count": found.count, "page": wanted.page, "results": found.rows})

    @extend_schema(request=shapes.ANSWERS_BODY, responses=shapes.TAKEN)
    def create(self, request: Request) -> Response:
        """Send one answer, or `{"batch": [...]}`: id, user, score (0 to 10), and if there are any account, survey, comment, at.
        A score that is out of range or not whole is refused. An id counts once."""
        return self.take(request, to_event=_to_event)


def read_body(request: Request) -> tuple[list[Any], datetime | None]:
    """The events of a body (`{"batch": [...]}`, a list, or one object) and the sender's clock."""
    data = _read_json(request)
    if isinstance(data, dict) and "batch" in data:
        if unknown := sorted(set(data).difference(KNOWN)):
            raise ValidationError({name[:80]: ["Unknown field."] for name in unknown})
        raw, sent_at, signature = data["batch"], _clock(data.get("sent_at")), data.get("signature")
    else:
        raw, sent_at, signature = data if isinstance(data, list) else [data], None, None
    if not isinstance(raw, list) or not raw:
        raise ValidationError({"batch": ["Send a list of at least one event."]})
    if signature is not None:
        for each in raw:
            if isinstance(each, dict):
                each.setdefault("signature", signature)
    return raw, sent_at


def _read_json(request: Request) -> Any:
    """The body whatever its content type: navigator.sendBeacon sends text/plain."""
    size = request.META.get("CONTENT_LENGTH") or "0"
    if size.isascii() and size.isdigit() and int(size) > MOST_BYTES:
        raise TooLarge
    body = request._request.body
    if len(body) > MOST_BYTES:
        raise TooLarge
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ParseError('The body is no JSON. Send {"batch": [{"id": ..., "type": ..., "user": ...}]}.') from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _clock(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        return read_moment(value if isinstance(value, str) else "")
    except ValueError:
        message = "Must be an instant with a time zone, such as 2027-01-31T08:00:00Z."
        raise ValidationError({"sent_at": [message]}) from None


def _answer(done: Accepted) -> Response:
    body: dict[str, Any] = asdict(done)
    if done.accepted or done.quarantined:
        return Response(body, status=status.HTTP_202_ACCEPTED)
    error = {"code": "invalid", "message": "No event could be taken; `rejected` names index and field."}
    return Response({"error": error, **body}, status=status.HTTP_400_BAD_REQUEST)


def _to_event(raw: object) -> object:
    """An NPS answer as an event; what it has besides is left in, so that it is refused by its name."""
    if not isinstance(raw, dict):
        return raw
    given = {name: raw[name] for name in ("score", "survey", "comment") if name in raw}
    return {**{name: value for name, value in raw.items() if name not in given}, "type": "nps", "properties": given}


def _wanted(request: Request) -> listing.Wanted:
    given = request.query_params
    return listing.Wanted(
        given.get("customer", "")[:255], given.get("user", "")[:255], _day(request, "since"), _day(request, "until"),
        _page(given.get("page", "")),
    )  # fmt: skip


def _page(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and 0 < len(text) < 6 and int(text) else 1


def _day(request: Request, name: str) -> date | None:
    text = request.query_params.get(name, "")
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValidationError({name: ["Must be a day such as 2027-01-31."]}) from None
