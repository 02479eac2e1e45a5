"""Two versions side by side: what migrations may do, and what tasks of the queue look like (docs/operations.md, Upgrade)."""

import inspect
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.utils.module_loading import import_string

from integrations.sync import jobs
from project.timetable import timetable
from project.upgrading import hindrances

OURS = ("integrations", "product", "okr", "billing", "provisioning", "analytics")
# Until the first release nobody runs a version beside another one.
BEFORE_THE_FIRST_RELEASE = {
    "integrations": "0006", "product": "0003", "okr": "0002", "billing": "0003", "provisioning": "0003", "analytics": "0002",
}  # fmt: skip
# app.migration: why it is all right all the same.
LISTED: dict[str, str] = {}
ONE_NUMBER = ("integrations.tasks.perform_run", "provisioning.tasks.look_at")  # tasks that carry an id


@pytest.fixture(scope="module")
def written() -> dict[tuple[str, str], migrations.Migration]:
    """Every migration of ours as it stands on the disk, also where tests go without."""
    from django.test import override_settings

    with override_settings(MIGRATION_MODULES={}):
        found = MigrationLoader(None).disk_migrations
    return {key: each for key, each in (found or {}).items() if key[0] in OURS}


def test_every_migration_lets_the_version_before_go_on_or_is_listed(written):
    assert {app for app, _ in written} == set(OURS)
    found = {}
    for (app, name), migration in written.items():
        if name[:4] > BEFORE_THE_FIRST_RELEASE[app] and f"{app}.{name}" not in LISTED:
            found[f"{app}.{name}"] = list(hindrances(migration.operations))
    assert {name: why for name, why in found.items() if why} == {}


def test_every_listed_migration_exists_and_has_a_reason(written):
    names = {f"{app}.{name}" for app, name in written}
    assert set(LISTED) <= names
    assert all(len(why) > 20 for why in LISTED.values())


def test_every_app_with_tables_of_ours_is_looked_at():
    folders = {Path(each.path).resolve() for each in apps.get_app_configs() if any(each.get_models())}
    ours = {each for each in folders if Path(settings.BASE_DIR) in each.parents and "site-packages" not in str(each)}
    assert ours == {Path(apps.get_app_config(label).path).resolve() for label in OURS}


TEXT = models.CharField(max_length=10)


@pytest.mark.parametrize(
    ("step", "hurts"),
    [
        (migrations.CreateModel("New", [("id", models.BigAutoField(primary_key=True))]), False),
        (migrations.AddField("old", "a", models.IntegerField(null=True)), False),
        (migrations.AddField("old", "a", models.IntegerField(default=1)), True),
        (migrations.AddField("old", "a", models.IntegerField(default=1, db_default=1)), False),
        (migrations.AddField("old", "a", models.ManyToManyField("integrations.Run")), False),
        (migrations.AddIndex("old", models.Index(fields=["a"], name="x")), False),
        (migrations.AlterField("old", "a", models.CharField(max_length=20)), False),
        (migrations.RemoveField("old", "a"), True),
        (migrations.RenameField("old", "a", "b"), True),
        (migrations.DeleteModel("Old"), True),
        (migrations.RenameModel("Old", "New"), True),
        (migrations.AddConstraint("old", models.UniqueConstraint(fields=["a"], name="x")), True),
        (migrations.RunSQL("DROP TABLE x"), True),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_hurts_the_version_before(step, hurts):
    assert bool(list(hindrances([step]))) is hurts


def test_a_new_table_may_get_required_columns_in_its_own_migration():
    steps = [
        migrations.CreateModel("New", [("id", models.BigAutoField(primary_key=True))]),
        migrations.AddField("new", "a", TEXT),
    ]
    assert not list(hindrances(steps))


# --- the queue --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slot", timetable(), ids=lambda slot: slot.name)
def test_what_the_timetable_calls_needs_nothing_that_another_version_would_not_give(slot):
    if slot.job:
        assert jobs.get(slot.job)
        return
    required = [each for each in inspect.signature(import_string(slot.call)).parameters.values() if each.default is each.empty]
    assert required == []


@pytest.mark.parametrize("name", ONE_NUMBER)
def test_tasks_carry_one_number_only(name):
    required = [each for each in inspect.signature(import_string(name)).parameters.values() if each.default is each.empty]
    assert len(required) == 1
    assert required[0].annotation in (int, "int")


def test_no_other_task_is_put_into_the_queue():
    root, found = Path(settings.BASE_DIR), set()
    for app in ("integrations", "project", "okr", "billing", "provisioning", "analytics"):
        for file in (root / app).rglob("*.py"):
            for line in file.read_text().splitlines():
                if "async_task(" in line and "import" not in line:
                    found.add(line.split('"')[1])
    assert found == {*ONE_NUMBER, "integrations.tasks.beat"}
