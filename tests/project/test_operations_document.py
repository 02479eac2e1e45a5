"""docs/operations.md says what is: every metric, every schedule of a retention, every command."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands
from django.utils import timezone

from integrations.models import Backup, Lease, SalesforceOrg
from project import metrics
from project.timetable import timetable

TEXT = (Path(settings.BASE_DIR) / "docs" / "operations.md").read_text(encoding="utf-8")
SETTINGS = (Path(settings.BASE_DIR) / "docs" / "settings.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return TEXT.split(f"## {title}\n")[1].split("\n## ")[0]


def test_every_metric_is_documented_and_every_documented_one_exists():
    documented = re.findall(r"^\| `(causeway_[a-z0-9_]+)`", section("Metrics"), re.MULTILINE)
    assert documented == [each.name for each in metrics.METRICS]


@pytest.mark.django_db
def test_the_exposition_holds_documented_metrics_only_and_is_well_formed(connected_org, now):
    SalesforceOrg.objects.filter(pk=connected_org.pk).update(name='Say "hi"\\\n')
    Backup.objects.create(name="causeway-x", made_at=now)
    Lease.objects.create(name="x", holder="y", expires_at=now + timezone.timedelta(minutes=1))
    text = metrics.exposition(now=now)
    names = {each.name for each in metrics.METRICS}
    for line in text.splitlines():
        if line.startswith("#"):
            assert line.split()[2] in names
            continue
        found = re.fullmatch(r'(\w+)(\{(\w+="([^"\\\n]|\\["\\n])*",?)+\})? -?[0-9.e+]+', line)
        assert found, line
        assert found[1] in names
    assert "causeway_backup_age_seconds 0" in text
    assert "causeway_leases_held 1" in text


def test_s_114_what_the_retention_table_names_exists():
    table = section("What is kept how long")
    slots = {slot.name for slot in timetable()}
    for name in re.findall(r"\| `([a-z ]+)`(?:, |\s*\|)", table):
        assert name in slots, name
    for name in re.findall(r"\| `([A-Z_]+)` \|", table):
        assert hasattr(settings, name) or f"`{name}`" in SETTINGS, name
    assert {"purge", "outbox upkeep", "lake upkeep", "product purge", "provisioning purge"} <= set(
        re.findall(r"`([a-z ]+)`", table)
    )


def test_commands_that_it_names_exist():
    named = set(re.findall(r"manage\.py ([a-z_]+)", TEXT))
    assert {"backup", "restore", "erase", "verify_ledger"} <= named
    assert named <= set(get_commands()), named - set(get_commands())


def test_every_schedule_is_documented():
    documented = set(re.findall(r"^\| ([a-z][a-z -]+) \|", section("Schedules"), re.MULTILINE))
    assert {slot.name for slot in timetable()} <= documented
