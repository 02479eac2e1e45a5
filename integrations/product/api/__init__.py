"""The product-experience API: each room registers its view sets here."""

from rest_framework.routers import SimpleRouter

from integrations.product.api.engagements import EngagementViewSet
from integrations.product.api.events import EventViewSet, NpsViewSet
from integrations.product.api.features import FeatureViewSet
from integrations.product.api.health import HealthScoreViewSet
from integrations.product.api.in_app import InAppViewSet
from integrations.product.api.knowledge import KnowledgeViewSet
from integrations.product.api.kpis import KpiViewSet
from integrations.product.api.segments import SegmentViewSet
from integrations.product.api.task_rules import TaskRuleViewSet, UseCaseViewSet


def register_product(router: SimpleRouter) -> None:
    """Add the addresses of this domain to the router of /api/v1/."""
    router.register("events", EventViewSet, basename="event")
    router.register("nps", NpsViewSet, basename="nps")
    router.register("engagements", EngagementViewSet, basename="engagement")
    router.register("features", FeatureViewSet, basename="feature")
    router.register("in-app", InAppViewSet, basename="in-app")
    router.register("kpis", KpiViewSet, basename="kpi")
    router.register("knowledge", KnowledgeViewSet, basename="knowledge")
    router.register("segments", SegmentViewSet, basename="segment")
    router.register("product/health-scores", HealthScoreViewSet, basename="health-score")
    router.register("product/task-rules", TaskRuleViewSet, basename="task-rule")
    router.register("product/use-cases", UseCaseViewSet, basename="use-case")
