"""Shapes of the catalogue in the API: what goes out, what may come in, how problems are told."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from drf_spectacular.utils import OpenApiParameter, inline_serializer
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from provisioning.catalogue import authoring, finding
from provisioning.catalogue.checking import CatalogueProblems
from provisioning.catalogue.contents import Difference
from provisioning.models import Feature, Offer, OfferVersion

ARCHIVED = OpenApiParameter("archived", bool, description="Archived ones instead of those on sale")
DRY = OpenApiParameter("dry_run", bool, description="Only tell what would happen")
WORDS: dict[str, Any] = {
    "key": serializers.CharField(help_text="The id; needed by POST, named by the address otherwise.", required=False),
    "name": serializers.CharField(),
    "description": serializers.CharField(required=False),
}
STATE: dict[str, Any] = {
    "archived": serializers.BooleanField(read_only=True),
    "created_at": serializers.DateTimeField(read_only=True),
    "updated_at": serializers.DateTimeField(read_only=True),
}
ENTITLEMENT = inline_serializer(
    "CatalogueEntitlement",
    {
        "feature": serializers.CharField(),
        "limit": serializers.CharField(allow_null=True, required=False),
        "per_seat": serializers.BooleanField(required=False),
        "unlimited": serializers.BooleanField(required=False),
        "soft": serializers.BooleanField(required=False),
        "reset": serializers.CharField(required=False, help_text="hour, day, week, month, year; empty = never"),
    },
    many=True,
)
TERMS: dict[str, Any] = {
    "per_seat": serializers.BooleanField(required=False),
    "trial_days": serializers.IntegerField(required=False, allow_null=True),
    "price": serializers.CharField(required=False, allow_null=True),
    "currency": serializers.CharField(required=False),
    "period_months": serializers.IntegerField(required=False, allow_null=True),
    "note": serializers.CharField(required=False),
    "entitlements": ENTITLEMENT,
}
VERSION = inline_serializer(
    "CatalogueVersion",
    {
        **TERMS,
        "number": serializers.IntegerField(allow_null=True, help_text="null for the draft"),
        "published_at": serializers.DateTimeField(allow_null=True),
        "customers": serializers.IntegerField(help_text="Running subscriptions that have it"),
    },
)
PRODUCT = inline_serializer("CatalogueProduct", {**WORDS, **STATE})
FEATURE = inline_serializer(
    "CatalogueFeature",
    {
        **WORDS,
        "kind": serializers.ChoiceField(Feature.Kind.choices),
        "unit": serializers.CharField(required=False),
        "event_name": serializers.CharField(required=False),
        **STATE,
    },
)
OFFER = inline_serializer(
    "CatalogueOffer",
    {
        **WORDS,
        "kind": serializers.ChoiceField(Offer.Kind.choices),
        "product": serializers.CharField(),
        **STATE,
        "state": serializers.CharField(read_only=True, help_text="sold, draft or archived"),
        "version": VERSION,
        "draft": VERSION,
    },
)


def moment(value: datetime | None) -> str | None:
    """An instant in UTC."""
    return value.isoformat().replace("+00:00", "Z") if value else None


def entry_json(entry: Any) -> dict[str, Any]:
    """What all entries have."""
    return {
        "key": entry.key, "name": entry.name, "description": entry.description, "archived": entry.archived_at is not None,
        "created_at": moment(entry.created_at), "updated_at": moment(entry.updated_at),
    }  # fmt: skip


def feature_json(feature: Feature) -> dict[str, Any]:
    """A feature."""
    return {**entry_json(feature), "kind": feature.kind, "unit": feature.unit, "event_name": feature.event_name}


def version_json(version: OfferVersion | None, customers: int = 0) -> dict[str, Any] | None:
    """A version with what it gives."""
    if version is None:
        return None
    told = authoring.as_given(finding.contents_of(version), version.note)
    return {
        "number": version.number or None, "published_at": moment(version.published_at), **told, "customers": customers,
    }  # fmt: skip


def change_json(changes: list[Difference]) -> list[dict[str, str]]:
    """Differences in words."""
    return [{"words": each.words, "tone": each.tone, "feature": each.feature} for each in changes]


def told_at_fields(change: Callable[[], Any]) -> Any:
    """Run a verb; its problems become field errors (400)."""
    try:
        return change()
    except CatalogueProblems as bad:
        found: dict[str, list[str]] = {}
        for each in bad.problems:
            found.setdefault(each.path or "catalogue", []).append(each.message)
        raise ValidationError(found) from bad


def body_of(request: Request, known: tuple[str, ...]) -> dict[str, Any]:
    """The body as an object with known names only."""
    data = request.data
    if not isinstance(data, Mapping):
        raise ValidationError({"body": ["Send a JSON object."]})
    if unknown := [str(name) for name in data if name not in known]:
        raise ValidationError({name[:80]: [f"is not known; {', '.join(known)} are."] for name in unknown[:20]})
    return dict(data)


def flag_in(request: Request, name: str) -> bool:
    """A yes or no of the address."""
    return request.query_params.get(name, "") in ("1", "true")
