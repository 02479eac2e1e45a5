"""The key-result part of the API under /api/v1/: the same verbs, the same rules, the same refusals as the pages (S-074)."""

from rest_framework.routers import SimpleRouter

from okr.api.key_results import KeyResultViewSet
from okr.api.licenses import LicenseViewSet
from okr.api.objectives import DepartmentViewSet, ObjectiveViewSet, PeriodViewSet
from okr.api.reports import ReportViewSet


def register_okr(router: SimpleRouter) -> None:
    """Add this domain's resources to the API's router."""
    router.register("objectives", ObjectiveViewSet, basename="objective")
    router.register("key-results", KeyResultViewSet, basename="key-result")
    router.register("departments", DepartmentViewSet, basename="department")
    router.register("periods", PeriodViewSet, basename="period")
    router.register("reports", ReportViewSet, basename="report")
    router.register("licenses", LicenseViewSet, basename="license")
