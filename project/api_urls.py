"""The API under /api/v1/, all domains."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from analytics.acting.api import register_groups
from analytics.analyses.api import register_analyses
from billing.api import register_billing
from integrations.api.alerts import AlertChannelViewSet, AlertKindViewSet, AlertRuleViewSet, AlertViewSet
from integrations.api.connections import ConnectionViewSet
from integrations.api.customers import CustomerViewSet, EndUserViewSet
from integrations.api.links import DuplicateViewSet, ExplainViewSet, LinkEventViewSet, LinkViewSet
from integrations.api.mapping_fields import MappingFieldViewSet
from integrations.api.mappings import MappingViewSet
from integrations.api.mirror import BackfillViewSet, MirrorObjectViewSet, MirrorSettingsViewSet
from integrations.api.outbox import GuardViewSet, HumanEditViewSet, OutboxRowViewSet, OutboxTargetViewSet
from integrations.api.runs import RunViewSet
from integrations.product.api import register_product
from okr.api import register_okr
from project.audit_log.api import AuditCheckViewSet, AuditViewSet
from project.budget_api import BudgetView
from project.configuration.api import ConfigurationViewSet
from project.four_way.api import FourWayAuditViewSet
from project.needs_person.api import NeedViewSet
from project.people.api import PeopleViewSet
from project.people.keys_api import OwnKeyViewSet
from provisioning.automations.api import register_automations
from provisioning.catalogue.api import register_catalogue
from provisioning.entitlements.api import register_entitlements
from provisioning.mapping.api import register_mappings
from provisioning.provision.api import register_provisions
from provisioning.views.intake import receive

router = SimpleRouter()
router.register("connections", ConnectionViewSet, basename="connection")
router.register("alerts", AlertViewSet, basename="alert")
router.register("alert-channels", AlertChannelViewSet, basename="alert-channel")
router.register("alert-rules", AlertRuleViewSet, basename="alert-rule")
router.register("alert-kinds", AlertKindViewSet, basename="alert-kind")
router.register("runs", RunViewSet, basename="run")
router.register("mappings", MappingViewSet, basename="mapping")
router.register("mappings", MappingFieldViewSet, basename="mapping-field")
router.register("customers", CustomerViewSet, basename="customer")
router.register("end-users", EndUserViewSet, basename="end-user")
router.register("links", LinkViewSet, basename="link")
router.register("link-events", LinkEventViewSet, basename="link-event")
router.register("duplicates", DuplicateViewSet, basename="duplicate")
router.register("explain", ExplainViewSet, basename="explain")
router.register("mirror/objects", MirrorObjectViewSet, basename="mirror-object")
router.register("mirror/backfills", BackfillViewSet, basename="backfill")
router.register("mirror/settings", MirrorSettingsViewSet, basename="mirror-settings")
router.register("outbox/targets", OutboxTargetViewSet, basename="outbox-target")
router.register("outbox/rows", OutboxRowViewSet, basename="outbox-row")
router.register("outbox/guards", GuardViewSet, basename="outbox-guard")
router.register("outbox/edits", HumanEditViewSet, basename="outbox-edit")
register_product(router)
register_okr(router)
register_billing(router)
register_automations(router)
register_catalogue(router)
register_mappings(router)
register_entitlements(router)
register_provisions(router)
register_groups(router)
router.register("audit/integrity", AuditCheckViewSet, basename="audit-integrity")
router.register("audit", AuditViewSet, basename="audit")
router.register("needs", NeedViewSet, basename="need")
router.register("configuration", ConfigurationViewSet, basename="configuration")
router.register("people", PeopleViewSet, basename="person")
router.register("me/keys", OwnKeyViewSet, basename="own-key")
router.register("four-way-audit", FourWayAuditViewSet, basename="four-way-audit")
register_analyses(router)

urlpatterns = [
    path("connections/<int:pk>/budget/", BudgetView.as_view(), name="connection-budget"),
    path("provisioning/salesforce/", receive, name="provisioning_salesforce"),
    path("provisioning/salesforce/<str:key>/", receive, name="provisioning_salesforce_message"),
    *router.urls,
]
