"""API of billing in connections: accounts of billing customers, `/api/v1/billing/links/`, and `/api/v1/billing/settings/`."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from billing import linking, preflight
from billing.models import AccountLink, BillingCustomer, BillingSettings
from integrations import audit
from integrations.api.customers import org_in
from integrations.models import SalesforceOrg


class AccountLinkSerializer(serializers.ModelSerializer):
    """A billing customer and one of its accounts."""

    customer_id = serializers.CharField(source="customer.key", read_only=True)
    customer_name = serializers.CharField(source="customer.name", read_only=True)
    connection = serializers.CharField(source="org.name", read_only=True)
    state = serializers.CharField(read_only=True, help_text="active, suspended or removed")
    source = serializers.CharField(read_only=True, help_text="manual, match or api")

    class Meta:
        model = AccountLink
        fields = [
            "id", "org", "connection", "customer_id", "customer_name", "account_id", "is_primary", "ordinal", "state",
            "source", "reason", "linked_at", "changed_at",
        ]  # fmt: skip
        read_only_fields = fields


class AccountLinkGiven(serializers.Serializer):
    """Which account to link."""

    org = serializers.PrimaryKeyRelatedField(queryset=SalesforceOrg.objects.all())
    customer_id = serializers.SlugRelatedField(slug_field="key", queryset=BillingCustomer.objects.filter(deleted_at=None))
    account_id = serializers.CharField(max_length=18)


class AccountLinkViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """Links of billing customers to accounts."""  # MT-12

    scope, role, write_role = "billing", "member", "operator"
    serializer_class = AccountLinkSerializer
    queryset = AccountLink.objects.select_related("customer", "org").order_by("id")

    def get_queryset(self) -> Any:
        found = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return found
        if (org := org_in(self.request, needed=False)) is not None:
            found = found.filter(org=org)
        if key := self.request.query_params.get("customer_id"):
            found = found.filter(customer__key=key.replace("\0", ""))
        return found

    @extend_schema(request=AccountLinkGiven, responses={200: AccountLinkSerializer})
    def create(self, request: Request) -> Response:
        """Link an account; the first one of a customer is its primary. Safe to repeat."""
        given = AccountLinkGiven(data=request.data)
        given.is_valid(raise_exception=True)
        values = given.validated_data
        made = linking.link_account(
            values["customer_id"], org=values["org"], account_id=values["account_id"], actor=request.user, now=timezone.now(),
            source=AccountLink.Source.API,
        )  # fmt: skip
        return Response(AccountLinkSerializer(made).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str = "") -> Response:
        """Take the link away."""  # MT-D3
        linking.unlink_account(self.get_object(), actor=request.user, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=AccountLinkSerializer)
    @action(detail=True, methods=["post"])
    def primary(self, request: Request, pk: str = "") -> Response:
        """Let the customer's own row carry this account."""
        link = self.get_object()
        linking.make_primary(link, actor=request.user, now=timezone.now())
        link.refresh_from_db()
        return Response(AccountLinkSerializer(link).data)


class BillingSettingsSerializer(serializers.ModelSerializer):
    """How billing goes to a connection; `missing` lists what the org lacks."""

    class Meta:
        model = BillingSettings
        fields = [
            "org", "prefix", "prefix_known", "scope", "current_wording", "pending_wording", "last_included_day",
            "many_accounts",
            "missing", "checked_at",
        ]  # fmt: skip
        read_only_fields = ["org", "prefix", "prefix_known", "missing", "checked_at"]

    def update(self, instance: BillingSettings, validated_data: dict[str, Any]) -> BillingSettings:
        """Only what was sent: a check at the same time writes what it found."""
        for name, value in validated_data.items():
            setattr(instance, name, value)
        instance.save(update_fields=list(validated_data))
        return instance


class BillingSettingsViewSet(mixins.RetrieveModelMixin, mixins.UpdateModelMixin, viewsets.GenericViewSet):
    """Settings of a connection, addressed by the connection's number."""

    scope, role, write_role = "billing", "analyst", "operator"
    serializer_class = BillingSettingsSerializer
    queryset = BillingSettings.objects.all()
    http_method_names = ["get", "patch", "post", "head", "options"]

    def get_object(self) -> BillingSettings:
        org = SalesforceOrg.objects.filter(pk=self.kwargs["pk"] if str(self.kwargs["pk"]).isdecimal() else 0).first()
        if org is None:
            raise NotFound("There is no connection with this number.")
        return preflight.settings_of(org)

    def perform_update(self, serializer: Any) -> None:
        before = {name: getattr(serializer.instance, name) for name in serializer.validated_data}
        saved = serializer.save()
        audit.record("billing.settings", actor=self.request.user, target=saved, before=before, after=serializer.validated_data)

    @extend_schema(request=None, responses=BillingSettingsSerializer)
    @action(detail=True, methods=["post"])
    def check(self, request: Request, pk: str = "") -> Response:
        """Ask the org again for its billing objects."""
        settings = self.get_object()
        preflight.check_now(settings.org, now=timezone.now())
        settings.refresh_from_db()
        return Response(BillingSettingsSerializer(settings).data)
