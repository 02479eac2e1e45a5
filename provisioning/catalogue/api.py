"""API of the catalogue, `/api/v1/catalogue/`: products, features, plans and add-ons with their versions.

Everything is addressed by its id. `PUT` makes or changes, so it can be repeated; amounts are texts, so that no digit is lost.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from integrations.access import Refusal
from integrations.api.customers import ExactJson
from integrations.models import Run
from integrations.paging import Pages
from provisioning.catalogue import archiving, authoring, finding, holders, move_job, moving, queries
from provisioning.catalogue.api_file import CatalogueFileViewSet
from provisioning.catalogue.api_shapes import (
    ARCHIVED,
    FEATURE,
    OFFER,
    PRODUCT,
    TERMS,
    VERSION,
    WORDS,
    body_of,
    change_json,
    entry_json,
    feature_json,
    flag_in,
    told_at_fields,
    version_json,
)
from provisioning.catalogue.contents import differences
from provisioning.models import Feature, Offer, OfferVersion, Product


class CatalogueViewSet(viewsets.GenericViewSet):
    """What products, features and offers have in common."""

    scope, role, write_role = "provisioning", "member", "operator"
    parser_classes = [ExactJson]
    pagination_class = Pages
    filter_backends: list[Any] = []
    lookup_field, lookup_value_regex = "key", "[^/]+"
    fields: tuple[str, ...] = ("key", "name", "description")

    def entry(self) -> Any:
        """The entry that the address names."""
        key = self.kwargs["key"]
        found = self.get_queryset().filter(key=key).first() if "\0" not in key else None
        if found is None:
            raise NotFound("The catalogue has nothing with this id.")
        return found

    def listed(self, request: Request) -> Any:
        """Entries of a list, filtered."""
        found = self.get_queryset()
        found = found.exclude(archived_at=None) if flag_in(request, "archived") else found.filter(archived_at=None)
        if text := request.query_params.get("search", "").replace("\0", ""):
            found = found.filter(name__icontains=text) | found.filter(key__icontains=text)
        return found.order_by("key")

    def told(self, entry: Any) -> dict[str, Any]:
        """The entry as JSON."""
        return entry_json(entry)

    def told_all(self, entries: Sequence[Any]) -> Sequence[dict[str, Any]]:
        """A page of them."""
        return [self.told(each) for each in entries]

    def keep(self, request: Request, key: str, data: dict[str, Any], *, fresh: bool) -> Any:
        """Save; the entry."""
        raise NotImplementedError

    @extend_schema(parameters=[ARCHIVED, OpenApiParameter("search", str, description="Part of an id or name")])
    def list(self, request: Request) -> Response:
        """By id."""
        page = self.paginate_queryset(self.listed(request)) or []
        return self.get_paginated_response(self.told_all(page))

    def retrieve(self, request: Request, key: str = "") -> Response:
        """One."""
        return Response(self.told(self.entry()))

    def create(self, request: Request) -> Response:
        """A new one; 400 when its id is taken or anything is wrong."""
        data = body_of(request, self.fields)
        made = told_at_fields(lambda: self.keep(request, data.pop("key", ""), data, fresh=True))
        return Response(self.told(made), status=status.HTTP_201_CREATED)

    def update(self, request: Request, key: str = "") -> Response:
        """Make or change it; safe to repeat."""
        data = body_of(request, self.fields)
        if data.pop("key", key) != key:
            raise ValidationError({"key": ["The id in the body is not that of the address; ids never change."]})
        return Response(self.told(told_at_fields(lambda: self.keep(request, key, data, fresh=False))))

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, key: str = "") -> Response:
        """No longer sold; customers keep it. 409 while it is in use."""
        archiving.archive(self.entry(), actor=request.user, now=timezone.now())
        return Response(self.told(self.entry()))

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, key: str = "") -> Response:
        """Sold again."""
        archiving.restore(self.entry(), actor=request.user, now=timezone.now())
        return Response(self.told(self.entry()))


@extend_schema(responses=PRODUCT, request=PRODUCT, tags=["catalogue"])
class ProductViewSet(CatalogueViewSet):
    """Products: a customer has at most one running subscription of each."""

    queryset = Product.objects.all()

    def keep(self, request: Request, key: str, data: dict[str, Any], *, fresh: bool) -> Product:
        words = {"name": data.get("name", ""), "description": data.get("description", "")}
        return authoring.save_product(key, **words, actor=request.user, now=timezone.now(), must_be_new=fresh)


@extend_schema(responses=FEATURE, request=FEATURE, tags=["catalogue"])
class FeatureViewSet(CatalogueViewSet):
    """Features: yes or no, a number, or counted against a limit."""

    queryset = Feature.objects.all()
    fields = (*CatalogueViewSet.fields, "kind", "unit", "event_name")

    def told(self, entry: Feature) -> dict[str, Any]:
        return feature_json(entry)

    def keep(self, request: Request, key: str, data: dict[str, Any], *, fresh: bool) -> Feature:
        words = {name: data.get(name, "") for name in ("name", "description", "kind", "unit", "event_name")}
        return authoring.save_feature(key, **words, actor=request.user, now=timezone.now(), must_be_new=fresh)


TERM_NAMES = tuple(TERMS)
MOVE = ("version", "from_versions", "subscriptions", "effective_at", "dry_run")


@extend_schema(responses=OFFER, request=OFFER, tags=["catalogue"])
class OfferViewSet(CatalogueViewSet):
    """Plans and add-ons. What they give stands in versions; a published version never changes."""

    queryset = Offer.objects.select_related("product")
    fields = (*CatalogueViewSet.fields, "kind", "product")

    def listed(self, request: Request) -> Any:
        found = super().listed(request)
        for name, column in (("product", "product__key"), ("kind", "kind")):
            if value := request.query_params.get(name, "").replace("\0", ""):
                found = found.filter(**{column: value})
        return found

    def told(self, entry: Offer) -> dict[str, Any]:
        return self.told_all([entry])[0]

    def told_all(self, entries: Sequence[Offer]) -> Sequence[dict[str, Any]]:
        """Offers with their versions, in a few queries however many they are."""
        sold = finding.latest_of_all(entries)
        drafts = {each.offer_id: each for each in finding.versions_with_contents().filter(published_at=None, offer__in=entries)}
        counts = holders.count_holders(entries, now=timezone.now()) if sold else {}
        told = []
        for each in entries:
            version = sold.get(each.pk)
            told.append({
                **entry_json(each), "kind": each.kind, "product": each.product.key, "state": queries.state_of(each, version),
                "version": version_json(version, counts.get(version.pk, 0) if version else 0),
                "draft": version_json(drafts.get(each.pk)),
            })  # fmt: skip
        return told

    def keep(self, request: Request, key: str, data: dict[str, Any], *, fresh: bool) -> Offer:
        known = None if fresh else Offer.objects.select_related("product").filter(key=key.replace("\0", "")).first()
        kind = data.get("kind") or (known.kind if known else "plan" if str(key).startswith("plan-") else "addon")
        owner = data.get("product") or (known.product.key if known else "")
        if known is not None and kind != known.kind:
            raise ValidationError({"kind": [f"{key} is a {known.kind}; that never changes."]})
        words = {"name": data.get("name", ""), "description": data.get("description", "")}
        about: dict[str, Any] = {"kind": kind, "product": owner, "must_be_new": fresh}
        return authoring.save_offer(key, **words, **about, actor=request.user, now=timezone.now())

    @extend_schema(request=inline_serializer("CatalogueDraftGiven", TERMS), responses=VERSION)
    @action(detail=True, methods=["put", "delete"])
    def draft(self, request: Request, key: str = "") -> Response:
        """PUT writes the draft; nobody gets anything of it before it is published. DELETE throws it away."""
        offer, now = self.entry(), timezone.now()
        if request.method == "DELETE":
            if (known := finding.draft_of(offer)) is not None:
                authoring.discard(known, actor=request.user, now=now)
            return Response(status=status.HTTP_204_NO_CONTENT)
        data = body_of(request, TERM_NAMES)
        made = told_at_fields(lambda: authoring.save_draft(offer, **data, actor=request.user, now=now))
        return Response(version_json(finding.versions_with_contents().get(pk=made.pk)))

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, key: str = "") -> Response:
        """Sell the draft from now on. Customers keep the version that they have. 409 without a draft or with nothing new."""
        offer = self.entry()
        draft = finding.draft_of(offer)
        if draft is None:
            raise Refusal("no_draft", f"{offer.key} has no draft. PUT one first.")
        told_at_fields(lambda: authoring.publish(draft, actor=request.user, now=timezone.now()))
        return Response(self.told(self.entry()))

    @extend_schema(request=inline_serializer("CatalogueCopyGiven", {name: WORDS[name] for name in ("key", "name")}))
    @action(detail=True, methods=["post"])
    def copy(self, request: Request, key: str = "") -> Response:
        """A new plan or add-on with a draft that gives the same."""
        data = body_of(request, ("key", "name"))
        about: dict[str, Any] = {name: str(data.get(name, "")) for name in ("key", "name")}
        made = told_at_fields(
            lambda: authoring.duplicate(self.entry(), **about, actor=request.user, now=timezone.now())
        )  # fmt: skip
        return Response(self.told(made), status=status.HTTP_201_CREATED)

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["get"])
    def versions(self, request: Request, key: str = "") -> Response:
        """All published versions, newest first, each with who has it and what changed."""
        page = queries.read_offer(self.entry(), now=timezone.now())
        told = []
        for each in page.versions:
            version = version_json(each.version, each.customers) or {}
            told.append({**version, "changes": change_json(each.changes)})
        return Response({"versions": told, "draft": version_json(page.draft)})

    @extend_schema(
        parameters=[
            OpenApiParameter("from", str, description="A number, or draft"),
            OpenApiParameter("to", str, description="A number, or draft"),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    @action(detail=True, methods=["get"])
    def differences(self, request: Request, key: str = "") -> Response:
        """What differs between two versions, in words."""
        offer = self.entry()
        try:
            pair = [queries.version_numbered(offer, request.query_params.get(name, "")) for name in ("from", "to")]
        except Refusal as refusal:
            raise ValidationError({"from": [refusal.message]}) from refusal
        before, after = (finding.contents_of(each) for each in pair)
        return Response({"changes": change_json(differences(before, after))})

    @extend_schema(request=OpenApiTypes.OBJECT, responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["post"])
    def move(self, request: Request, key: str = "") -> Response:
        """Give customers a `version`; `from_versions` or `subscriptions` (ids) say whom; a run does it (202 with its
        number, see `/api/v1/runs/`). `dry_run` only tells who and what. 409 while another move is under way."""
        data, offer, now = body_of(request, MOVE), self.entry(), timezone.now()
        version = _numbered(offer, data.get("version"), "version")
        if data.get("dry_run"):
            groups = moving.preview_move(version, now=now)
            told = [{"version": each.version.number, "customers": each.count, "changes": change_json(each.changes)}
                    for each in groups]  # fmt: skip
            return Response({"groups": told})
        numbers, keys = data.get("from_versions"), data.get("subscriptions")
        if not isinstance(numbers or [], list) or not isinstance(keys or [], list) or not (numbers or keys):
            raise ValidationError({"from_versions": ["Name versions in from_versions, or ids in subscriptions."]})
        chosen = [str(each) for each in keys] if keys else None
        sources = [_numbered(offer, each, "from_versions").pk for each in numbers] if numbers else None
        run = move_job.ask_move(
            version, versions=sources, keys=chosen, effective_at=_at(data.get("effective_at")), actor=request.user,
            trigger=Run.Trigger.API, now=now,
        )  # fmt: skip
        return Response({"run": run.pk, "state": run.state}, status=status.HTTP_202_ACCEPTED)


def _numbered(offer: Offer, number: Any, name: str) -> OfferVersion:
    try:
        version = queries.version_numbered(offer, str(number))
    except Refusal as refusal:
        raise ValidationError({name: [refusal.message]}) from refusal
    return version


def _at(value: Any) -> datetime | None:
    if value in (None, ""):
        return None
    return serializers.DateTimeField().run_validation(value)


def register_catalogue(router: SimpleRouter) -> None:
    """Add the catalogue's resources to the API's router."""
    router.register("catalogue/products", ProductViewSet, basename="catalogue-product")
    router.register("catalogue/features", FeatureViewSet, basename="catalogue-feature")
    router.register("catalogue/offers", OfferViewSet, basename="catalogue-offer")
    router.register("catalogue/file", CatalogueFileViewSet, basename="catalogue-file")
