"""API of usage, `/api/v1/usage/`: report it, one or up to 1,000 at once, and see how it went.

A report is {customer, feature, amount, action: delta or set, at, idempotency_key}. The same key counts once; with other
content it is refused (409). A report is never refused because of a limit: it has happened. To ask first, consume.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status, viewsets
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api.customers import ExactJson
from provisioning.entitlements.access import find_customer
from provisioning.entitlements.deciding import instant_json, number_json
from provisioning.entitlements.facts import amount
from provisioning.entitlements.reach import is_in_reach, reach_of
from provisioning.entitlements.throttle import EntitlementThrottle
from provisioning.metering.series import LENGTHS, MOST_POINTS, STEPS, series, windows
from provisioning.metering.using import Outcome, report
from provisioning.models import Feature, UsageReport

MOST_ROWS = 1_000
ASKED = [
    OpenApiParameter("customer", str, required=True, description="External id or alias"),
    OpenApiParameter("feature", str, required=True, description="Key of the feature"),
    OpenApiParameter("since", OpenApiTypes.DATETIME, description="Default: 30 days ago"),
    OpenApiParameter("until", OpenApiTypes.DATETIME, description="Default: now"),
    OpenApiParameter("step", str, description=f"One of {', '.join(STEPS)}; default: day"),
]


class UsageViewSet(viewsets.GenericViewSet):
    """Usage of metered features."""

    scope, role, write_role = "entitlements", "member", "operator"
    bound_actions = ("list", "create")
    parser_classes = [ExactJson]
    throttle_classes = [EntitlementThrottle]
    filter_backends: list[Any] = []
    queryset = UsageReport.objects.none()

    @extend_schema(operation_id="usage_list", parameters=ASKED, responses=OpenApiTypes.OBJECT)
    def list(self, request: Request) -> Response:
        """How usage of a feature went: points with what was used in them, and counts of the windows."""
        given, now = request.query_params, timezone.now()
        customer = find_customer(_needed(given.get("customer"), "customer").replace("\0", ""))
        feature = Feature.objects.filter(key=_needed(given.get("feature"), "feature").replace("\0", "")).first()
        if customer is None or not is_in_reach(customer, reach_of(request.auth)):
            raise NotFound("There is no such customer.")
        if feature is None:
            raise NotFound("There is no such feature.")
        until = _instant(given.get("until"), "until") or now
        since = _instant(given.get("since"), "since") or until - timedelta(days=30)
        step = given.get("step") or "day"
        if step not in STEPS:
            raise ValidationError({"step": [f"is one of {', '.join(STEPS)}."]})
        if not timedelta(0) < until - since <= MOST_POINTS * LENGTHS[step]:
            raise ValidationError({"since": [f"must lie before until, by at most {MOST_POINTS:,} {step}s."]})
        points = series(customer.pk, feature.pk, since=since, until=until, step=step)
        counted = windows(customer.pk, feature.pk, since=since, until=until)
        return Response({
            "customer": customer.external_id, "feature": feature.key, "unit": feature.unit, "step": step,
            "since": instant_json(since), "until": instant_json(until),
            "points": [
                {"at": instant_json(each.at), "used": number_json(amount(each.used)), "count": number_json(amount(each.count))}
                for each in points
            ],
            "windows": [
                {"window_start": instant_json(each["window_start"]), "used": number_json(each["used"])} for each in counted
            ],
        })  # fmt: skip

    @extend_schema(request=OpenApiTypes.OBJECT, responses={200: OpenApiTypes.OBJECT, 207: OpenApiTypes.OBJECT})
    def create(self, request: Request) -> Response:
        """Report usage: one report, a list, or {"reports": [...]}. 207 when some of several failed; the others are counted."""
        data, within = request.data, reach_of(request.auth)
        if isinstance(data, dict) and set(data) != {"reports"}:
            outcome = report([data], now=timezone.now(), within=within)[0]
            return failure(outcome) if outcome.status == "failed" else Response({"status": outcome.status, **outcome.answer})
        rows = data["reports"] if isinstance(data, dict) else data
        if not isinstance(rows, list) or not rows:
            raise ValidationError({"reports": ["Send a list of reports."]})
        if len(rows) > MOST_ROWS:
            raise ValidationError({"reports": [f"Send at most {MOST_ROWS:,} reports a call, not {len(rows):,}."]})
        return _batch(report(rows, now=timezone.now(), within=within))


def failure(outcome: Outcome) -> Response:
    """One use that failed."""
    error = {"code": outcome.code, "message": outcome.message, "fields": dict(outcome.fields)}
    body: dict[str, Any] = {"error": error}
    if outcome.http_status == status.HTTP_404_NOT_FOUND:
        body |= {"granted": False, "reason": outcome.code}
    return Response(body, status=outcome.http_status)


def _batch(outcomes: list[Outcome]) -> Response:
    results = []
    for index, each in enumerate(outcomes):
        shown: dict[str, Any] = {"index": index, "status": each.status, **each.answer}
        if each.status == "failed":
            shown |= {"code": each.code, "message": each.message, "fields": dict(each.fields)}
        results.append(shown)
    counts = {name: sum(each.status == name for each in outcomes) for name in ("accepted", "repeated", "failed")}
    code = status.HTTP_207_MULTI_STATUS if counts["failed"] else status.HTTP_200_OK
    return Response({**counts, "results": results}, status=code)


def _needed(value: str | None, name: str) -> str:
    if not value:
        raise ValidationError({name: ["is needed."]})
    return value


def _instant(text: str | None, name: str) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValidationError({name: ["must be an instant with its offset, such as 2026-03-10T12:00:00Z."]})
