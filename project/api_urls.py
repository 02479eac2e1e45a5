"""The API under /api/v1/, all domains."""

from rest_framework.routers import SimpleRouter

from integrations.api.connections import ConnectionViewSet
from integrations.api.runs import RunViewSet
from okr.api import register_okr

router = SimpleRouter()
router.register("connections", ConnectionViewSet, basename="connection")
router.register("runs", RunViewSet, basename="run")
register_okr(router)

urlpatterns = router.urls
