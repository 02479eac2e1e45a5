"""`/healthz` (this process), `/readyz` (database and queue), `/metrics` (numbers for Prometheus, not public)."""

import hmac
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from integrations.access import access, has_role
from integrations.models import WorkerHeartbeat
from project import metrics as metrics_of

SILENT_AFTER = timedelta(minutes=3)


@require_safe
@access("anonymous")
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this process answers, whatever Salesforce or the database do (R-272)."""
    return JsonResponse({"status": "ok"})


@require_safe
@access("anonymous")
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when the database answers, the worker beats and, in the demonstration, its data is there; else 503 with reasons."""
    missing = []
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        beat = WorkerHeartbeat.objects.filter(name="worker").values_list("beat_at", flat=True).first()
        if beat is None or timezone.now() - beat > SILENT_AFTER:
            missing.append("worker")
    except DatabaseError:
        missing.append("database")
    if settings.DEMO_MODE and not (settings.DATA_DIR / "demo.json").exists():
        missing.append("demo data")
    response = JsonResponse({"status": "waiting" if missing else "ready", "missing": missing}, status=503 if missing else 200)
    response._has_been_logged = True  # pyright: ignore[reportAttributeAccessIssue] - waiting is no error in the log
    return response


@require_safe
@access("anonymous")
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text for operators, or with `Authorization: Bearer METRICS_TOKEN`; anybody else gets 404 (S-099)."""
    token = settings.METRICS_TOKEN
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not (token and hmac.compare_digest(given, token)) and not has_role(request.user, "operator"):
        return HttpResponse(status=404)
    return HttpResponse(metrics_of.exposition(now=timezone.now()), content_type="text/plain; version=0.0.4; charset=utf-8")
