"""API of product mappings, `/api/v1/catalogue/mappings/`: where the products of Salesforce lead."""

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import viewsets
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from integrations.api.customers import ExactJson, org_in
from integrations.paging import Pages
from provisioning.catalogue.api_shapes import DRY, body_of, flag_in
from provisioning.mapping import leads, saving
from provisioning.mapping.judging import Judged
from provisioning.mapping.saving import BadMappings, Wish
from provisioning.models import Product

ORG = OpenApiParameter("org", int, required=True, description="The connection")


@extend_schema(tags=["catalogue"])
class ProductMappingViewSet(viewsets.GenericViewSet):
    """Products of Salesforce and where they lead (ST-20, ST-21)."""

    scope, role, write_role = "provisioning", "member", "operator"
    parser_classes = [ExactJson]
    filter_backends: list[Any] = []
    pagination_class = Pages
    queryset = Product.objects.none()

    @extend_schema(
        parameters=[
            ORG,
            OpenApiParameter("state", str, enum=["unmapped", "problem", "mapped", "aside"]),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def list(self, request: Request) -> Response:
        """Unmapped ones first, then problems. 409 before the products were read."""
        org = org_in(request, needed=True)
        assert org is not None
        found = leads.judge_products(org)
        if state := request.query_params.get("state"):
            found = [each for each in found if each.state == state]
        page = self.paginate_queryset(found) or []  # type: ignore[arg-type]
        return self.get_paginated_response([mapping_json(each) for each in page])

    @extend_schema(parameters=[ORG, DRY], request=OpenApiTypes.OBJECT, responses=OpenApiTypes.OBJECT)
    def create(self, request: Request) -> Response:
        """Write mappings onto products, `{"mappings": [{"product_id", "ref", "unlimited"}]}`; 400 names what cannot be."""
        data = body_of(request, ("mappings",))
        org = org_in(request, needed=True)
        assert org is not None
        rows = data.get("mappings")
        if not isinstance(rows, list) or not all(
            isinstance(each, dict) and isinstance(each.get("ref", ""), str) for each in rows
        ):
            raise ValidationError({"mappings": ["Send a list of {product_id, ref, unlimited}."]})
        wishes = [Wish(str(each.get("product_id", "")), each.get("ref", ""), bool(each.get("unlimited"))) for each in rows]
        run = None
        try:
            changes = saving.preview_mappings(org, wishes)
            if not flag_in(request, "dry_run"):
                run = saving.save_mappings(org, wishes, actor=request.user, now=timezone.now())
        except BadMappings as bad:
            raise ValidationError({key: [words] for key, words in bad.problems.items()}) from bad
        told = [
            {"product_id": each.product.id, "name": each.product.name, "before": each.before, "after": each.after,
             "problem": each.problem}
            for each in changes
        ]  # fmt: skip
        return Response({"changes": told, "run": run.pk if run else None})


def mapping_json(judged: Judged) -> dict[str, Any]:
    """A product with where it leads and what is wrong."""
    product = judged.product
    troubles = [{"code": each.code, "message": each.message, "fix": each.fix} for each in judged.troubles]
    return {
        "product_id": product.id, "name": product.name, "code": product.code, "active": product.active, "type": product.type,
        "ref": product.ref, "unlimited": product.unlimited, "leads_to": judged.name, "state": judged.state,
        "standard_price": product.price, "problems": troubles,
    }  # fmt: skip


def register_mappings(router: SimpleRouter) -> None:
    """Add the mappings of products to the API's router."""
    router.register("catalogue/mappings", ProductMappingViewSet, basename="catalogue-mapping")
