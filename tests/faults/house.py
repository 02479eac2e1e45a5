"""A furnished house in the test's own database, and every address of it that answers."""

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.db import models
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from integrations.models import RowOutcome, Run, RunObject, SalesforceOrg
from integrations.orgs.connect import client_for
from okr import linking
from okr.models import Department, KeyResult, License, Objective, Period


def furnish_okr(org: SalesforceOrg, cast: Any) -> KeyResult:
    """An objective with one key result of Jane's, linked to a report of the demo org."""
    today, now = timezone.now().date(), timezone.now()
    for person in (cast.jane, cast.ada):
        License.objects.create(org=org, user=person)
    sales = Department.objects.create(name="Sales", lead=cast.jane)
    period = Period.objects.create(name="Now", starts_on=today - timedelta(days=30), ends_on=today + timedelta(days=60))
    objective = Objective.objects.create(title="Grow", owner=cast.jane, department=sales, period=period)
    key_result = KeyResult.objects.create(objective=objective, title="Pipeline", owner=cast.jane, target=Decimal(10**9))
    report = client_for(org, domain="test").query_all("SELECT Id FROM Report WHERE Name = 'Open pipeline by stage'")
    report_id = next(iter(report))["Id"]
    linking.link(key_result, org=org, report_id=report_id, field_name="s!AMOUNT", user=cast.jane, now=now)
    return key_result


def furnish_run(org: SalesforceOrg | None, **rows: str) -> Run:
    """A finished run with one failed row; `rows` overrides its texts."""
    run = Run.objects.create(
        job="okr.refresh", org=org, domain="okr", state="partial", finished_at=timezone.now(), started_at=timezone.now()
    )
    counted = RunObject.objects.create(run=run, name=rows.pop("name", "links"), read=1, failed=1)
    texts = {"key": "row 1", "label": "Row", "code": "BAD", "message": "It was bad.", **rows}
    RowOutcome.objects.create(run_object=counted, outcome="failed", **texts)
    return run


def named_patterns() -> Iterator[tuple[str, URLPattern]]:
    """Every URL of the URLconf with its namespaced name."""

    def walk(patterns: Any, prefix: str) -> Iterator[tuple[str, URLPattern]]:
        for each in patterns:
            if isinstance(each, URLResolver):
                yield from walk(each.url_patterns, f"{prefix}{each.namespace}:" if each.namespace else prefix)
            elif each.name:
                yield f"{prefix}{each.name}", each

    yield from walk(get_resolver().url_patterns, "")


ABOUT = (
    ("connection", SalesforceOrg), ("signin", SalesforceOrg), ("license", SalesforceOrg), ("run", Run), ("objective", Objective),
    ("key", KeyResult), ("check_in", KeyResult), ("refresh", KeyResult), ("unlink", KeyResult), ("readings", KeyResult),
    ("department", Department), ("period", Period),
)  # fmt: skip


def every_address() -> list[str]:
    """A path for each address of ours, each with the number of something that exists."""
    report = KeyResult.objects.exclude(link=None).values_list("link__report_id", flat=True).first() or "00O000000000000AAA"
    found = []
    for name, pattern in named_patterns():
        if name.startswith(("admin:", "social:", "axes")):
            continue
        local = name.split(":")[-1]
        model = next((model for word, model in ABOUT if local.startswith(word)), None)
        pk = model.objects.values_list("pk", flat=True).first() if model else 1
        keys = set(pattern.pattern.converters) | set(getattr(pattern.pattern, "regex", re.compile("")).groupindex)
        values = {
            key: (Objective.objects.first() or pk) and Objective.objects.values_list("pk", flat=True).first()
            if key == "objective_id"
            else pk
            for key in keys
        }
        if local.startswith("report-"):
            values = dict.fromkeys(keys, report)
        if "format" in keys:
            continue
        found.append(reverse(name, kwargs=values))
    return found


def admin_addresses() -> list[str]:
    """The back office: its lists, and the first row of each."""
    from django.contrib import admin

    paths = ["/admin/"]
    for model in admin.site._registry:
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        paths.append(base)
        pk = model._default_manager.values_list("pk", flat=True).first()
        if pk is not None:
            paths.append(f"{base}{str(pk).replace('_', '_5F').replace('.', '_2E')}/change/")
    return paths


def body_of(answer: Any) -> bytes:
    """Content of an answer, streamed or not."""
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def crawl(client: Client, paths: list[str]) -> dict[str, tuple[int, bytes]]:
    """Status and body of a GET of each."""
    answers = {}
    for path in paths:
        answer = client.get(path)
        answers[path] = (answer.status_code, body_of(answer) + str(answer.headers).encode())
    return answers


def contents(*, without: set[str]) -> dict[str, str]:
    """Every row of every table but those named (app.Model), as text."""
    found = {}
    for model in apps.get_models(include_auto_created=True):
        if model._meta.label in without or not issubclass(model, models.Model):
            continue
        for row in model._default_manager.order_by("pk").values():
            found[f"{model._meta.label} {row.get('id', '')} {hash(str(row.get('pk', '')))}"] = str(row)
    return found
