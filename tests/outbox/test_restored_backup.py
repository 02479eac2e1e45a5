"""Backup, more pushes, restore by the commands: Salesforce keeps what is newer, and one push later nothing is left to send (L-13)."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from integrations.models import HumanEdit, OutboxTarget
from integrations.sync import verifying
from project.backups import databases
from tests.outbox.conftest import classes

pytestmark = pytest.mark.django_db(transaction=True)
HEALTH = "PX_Health__c"


def test_l_13_i_07_an_older_backup_converges_without_sending_old_over_new(desk, tmp_path):
    if connection.vendor == "postgresql" and not databases._program("pg_dump"):
        pytest.skip("needs pg_dump: sudo apt install postgresql-client")
    ids, target = desk.account_ids(3), desk.target()
    old = {"key": ids, HEALTH: ["a", "b", "c"]}
    desk.push(target, old)
    call_command("backup", "--to", tmp_path / "backups", stdout=StringIO())
    desk.push(target, {**old, HEALTH: ["a new", "b", "c"]})
    (folder,) = (tmp_path / "backups").glob("causeway-*")
    call_command("restore", folder, "--yes", "--force", stdout=StringIO())
    restored = OutboxTarget.objects.get(pk=target.pk)
    assert restored.restored_at is not None
    desk.writes()
    run, _ = desk.push(target, {**old, HEALTH: ["a", "b", "c unsent"]})
    assert classes(run, "Account") == {"unchanged": 2, "written": 1}
    assert [desk.values("Account", HEALTH)[each] for each in ids] == ["a new", "b", "c unsent"]
    assert desk.writes()["rows"] == 1
    assert HumanEdit.objects.get().lost
    run, _ = desk.push(target, {**old, HEALTH: ["a", "b", "c unsent"]})
    assert classes(run, "Account") == {"unchanged": 3}
    assert desk.writes()["rows"] == 0
    assert not list(verifying.breaches())
