"""Backup and restore of a whole installation, on the database that the tests run on (L-13, I-07, I-14, I-23)."""

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from integrations import audit
from integrations.lake.tables import ensure_table, live_files
from integrations.lake.writing import open_writer, register
from integrations.models import AuditEntry, Backup, Customer, Erasure, LakeFile, Lease, Run, SalesforceOrg, WorkerHeartbeat
from integrations.orgs import vault
from integrations.sync import verifying
from project.backups import databases, last, taking
from project.backups.manifest import FILE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _programs_are_there() -> None:
    if connection.vendor == "postgresql" and not databases._program("pg_dump"):
        pytest.skip("needs pg_dump: sudo apt install postgresql-client")


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def house(now) -> SalesforceOrg:
    """A connection with a token, a person, a customer, a finished run, and a lake table with two rows."""
    import pyarrow as pa

    org = SalesforceOrg.objects.create(name="Acme")
    vault.store(org, "refresh_token", "canary-refresh-token-0123456789")
    get_user_model().objects.create_user("ada", password="a long password")
    Customer.objects.create(external_id="c1", name="One")
    Run.objects.create(job="mirror.read", org=org, state="success", finished_at=now)
    table = ensure_table("mirror/1/Account", columns=[("Id", "text"), ("Name", "text")], key="Id")
    add_file(table, pa.table({"Id": ["a", "b"], "Name": ["A", "B"]}), now)
    audit.record("house.built")
    return org


def add_file(table, rows, now) -> None:
    with open_writer(table) as writer:
        writer.write(rows)
    with transaction.atomic():
        register(table, writer.staged, now=now)


def run(*words: object) -> str:
    out = StringIO()
    call_command(*map(str, words), stdout=out, stderr=out)
    return out.getvalue()


def made(root: Path) -> Path:
    run("backup", "--to", root)
    return max(root.glob("causeway-*"))


def age(root: Path, folder: Path, seconds: int) -> Path:
    """The same backup under an older name."""
    older = folder.with_name(f"causeway-2020010{seconds}T000000Z")
    shutil.copytree(folder, older)
    return older


def rewrite(folder: Path, **changes: object) -> None:
    data = json.loads((folder / FILE).read_text())
    (folder / FILE).write_text(json.dumps(data | changes))


# --- the whole way ----------------------------------------------------------------------------------------------------


def test_l_13_the_whole_installation_comes_back(house, root, now):
    import pyarrow as pa

    folder = made(root)
    assert "keys fit" in run("backup", "--verify", folder)
    Customer.objects.create(external_id="c2", name="Two")
    SalesforceOrg.objects.filter(pk=house.pk).update(name="Changed")
    table = LakeFile.objects.get().table
    add_file(table, pa.table({"Id": ["c"], "Name": ["C"]}), now)
    for path in {file.path for file in LakeFile.objects.all()}:
        (taking_lake() / path).unlink()
    said = run("restore", folder, "--yes", "--force")
    assert "1 lake files brought back" in said
    assert [customer.external_id for customer in Customer.objects.all()] == ["c1"]
    org = SalesforceOrg.objects.get()
    assert (org.name, vault.read(org, "refresh_token")) == ("Acme", "canary-refresh-token-0123456789")
    assert get_user_model().objects.get().check_password("a long password")
    assert [read_rows(file) for file in live_files(LakeFile.objects.get().table)] == [["a", "b"]]
    assert not list(verifying.breaches())
    assert audit.verify().holds
    assert AuditEntry.objects.filter(action="backup.restored").count() == 1


def taking_lake() -> Path:
    from integrations.lake import storage

    store = storage.open_store()
    assert isinstance(store, storage.Folder)
    return store.root


def read_rows(file: LakeFile) -> list[str]:
    import pyarrow.parquet as pq

    return pq.read_table(taking_lake() / file.path).column("Id").to_pylist()


def test_i_02_what_was_under_way_does_not_go_on_and_everybody_signs_in_again(house, root, now, client):
    queued = Run.objects.create(job="mapping.push", org=house)
    running = Run.objects.create(job="mirror.read", org=house, state="running", heartbeat_at=now - timedelta(hours=1))
    lease = Lease.objects.create(name="x", holder="somebody", fence=7, expires_at=now + timedelta(minutes=4))
    client.force_login(get_user_model().objects.get())
    folder = made(root)
    run("restore", folder, "--yes", "--force")
    for each in (queued, running):
        each.refresh_from_db()
        assert (each.state, each.reason_code) == ("interrupted", "restored")
        assert each.finished_at is not None
    lease.refresh_from_db()
    assert (lease.holder, lease.expires_at, lease.fence) == ("", None, 8)
    assert not Session.objects.exists()
    assert not list(verifying.breaches())


def test_i_14_keys_and_tokens_are_not_in_it(house, root, settings):
    folder = made(root)
    text = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for secret in (b"canary-refresh-token", settings.FIELD_ENCRYPTION_KEYS[0].encode(), settings.SECRET_KEY.encode()):
        assert secret not in text
    assert json.loads((folder / FILE).read_text())["holds_keys"] is False
    assert (folder / json.loads((folder / FILE).read_text())["database"]["path"]).stat().st_mode & 0o077 == 0


def test_i_23_who_was_erased_after_the_backup_stays_forgotten(house, root, now):
    folder = made(root)
    Erasure.objects.create(kind="Contact", digest="d" * 64, key_mark="12345678", done_at=now)
    assert "1 later erasures kept" in run("restore", folder, "--yes", "--force")
    assert Erasure.objects.get().done_at is None, "the next upkeep finishes it in the restored files"


def test_i_23_s_112_a_customer_who_was_erased_after_the_backup_is_erased_again(house, root):
    folder = made(root)
    run("erase", "customer", "c1", "--yes")
    run("restore", folder, "--yes", "--force")
    record = Customer.objects.get()
    assert record.erased_at is not None
    assert (record.name, record.external_id[:7]) == ("", "erased-")


# --- what is refused --------------------------------------------------------------------------------------------------


def test_a_changed_file_is_refused_and_named(house, root):
    folder = made(root)
    file = next((folder / "lake").rglob("*.parquet"))
    data = bytearray(file.read_bytes())
    file.unlink()  # it may be linked with the lake's own
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(CommandError, match=rf"{file.name} was changed.*Nothing was changed"):
        run("restore", folder, "--yes", "--force")
    with pytest.raises(CommandError, match=file.name):
        run("backup", "--verify", folder)
    file.unlink()
    with pytest.raises(CommandError, match="is missing"):
        run("backup", "--verify", folder)


@pytest.mark.parametrize("change", [{"rows": {}}, {"made_at": "2020-01-01T00:00:00+00:00"}, {"lake": []}, {"engine": "other"}])
def test_a_changed_manifest_is_refused(house, root, change):
    folder = made(root)
    rewrite(folder, **change)
    with pytest.raises(CommandError, match="manifest was changed"):
        run("restore", folder, "--yes", "--force")


@pytest.mark.parametrize(
    ("change", "why"), [({"format": 9}, "format 1"), ({"extra": 1}, "does not hold"), ({"lake": 3}, "does not")]
)
def test_a_manifest_of_another_kind_is_refused_in_a_sentence(house, root, change, why):
    folder = made(root)
    rewrite(folder, **change)
    with pytest.raises(CommandError, match=why):
        run("restore", folder, "--yes", "--force")


def test_a_file_outside_of_the_backup_is_never_read(house, root, settings):
    settings.FIELD_ENCRYPTION_KEYS = []
    folder = made(root)
    from project.backups import manifest as manifests

    held = manifests.read_manifest(folder)
    held.lake = [manifests.Part("../../../other", 1, "0" * 64)]
    manifests.write_manifest(folder, held)
    with pytest.raises(CommandError, match="lies outside"):
        run("restore", folder, "--yes", "--force")


def test_r_019_the_wrong_encryption_key_is_refused_before_anything_is_touched(house, root, settings):
    folder, former = made(root), settings.FIELD_ENCRYPTION_KEYS
    Customer.objects.create(external_id="c2", name="Two")
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match=r"does not hold the key.*Nothing was changed"):
        run("restore", folder, "--yes", "--force")
    assert Customer.objects.count() == 2
    settings.FIELD_ENCRYPTION_KEYS = [*settings.FIELD_ENCRYPTION_KEYS, *former]  # a rotation keeps the old one
    run("restore", folder, "--yes", "--force")
    assert Customer.objects.count() == 1
    settings.FIELD_ENCRYPTION_KEYS = settings.FIELD_ENCRYPTION_KEYS[:1]
    run("restore", folder, "--yes", "--force", "--without-keys")
    assert vault.is_locked(SalesforceOrg.objects.get())


def test_another_secret_key_is_refused_until_the_old_one_is_a_fallback(house, root, settings):
    folder, former = made(root), settings.SECRET_KEY
    settings.SECRET_KEY = "another " * 10
    with pytest.raises(CommandError, match="SECRET_KEY_FALLBACKS"):
        run("restore", folder, "--yes", "--force")
    settings.SECRET_KEY_FALLBACKS = [former]
    run("restore", folder, "--yes", "--force")


def test_an_installation_with_something_in_it_is_replaced_only_when_asked(house, root):
    folder = made(root)
    with pytest.raises(CommandError, match=r"not empty .1 people, 1 connections, 1 customers, 1 runs, 1 lake tables"):
        run("restore", folder, "--yes")
    with pytest.raises(CommandError, match="--yes"):
        run("restore", folder, "--force")
    for model in (LakeFile, Run, Customer, SalesforceOrg):
        model.objects.all().delete()
    LakeFile.objects.all().delete()
    from integrations.models import LakeTable

    LakeTable.objects.all().delete()
    get_user_model().objects.all().delete()
    run("restore", folder, "--yes")
    assert Customer.objects.count() == 1


def test_i_08_nothing_is_restored_while_a_worker_works(house, root, now):
    folder = made(root)
    WorkerHeartbeat.objects.create(name="worker", beat_at=timezone.now() - timedelta(seconds=30))
    with pytest.raises(CommandError, match=r"A worker is at work here .its last sign of life is 3"):
        run("restore", folder, "--yes", "--force")
    run("restore", folder, "--yes", "--force", "--stopped")
    Run.objects.create(job="mirror.read", org=house, state="running", heartbeat_at=timezone.now())
    with pytest.raises(CommandError, match="A worker is at work"):
        run("restore", folder, "--yes", "--force")


def test_a_backup_of_a_newer_version_or_another_kind_of_database_is_refused(house, root, monkeypatch):
    monkeypatch.setattr(taking, "applied_migrations", lambda: {"integrations": ["9999_of_tomorrow"]})
    folder = made(root)
    from project.backups import checking
    from project.backups.failures import BackupFailed
    from project.backups.manifest import read_manifest

    with pytest.raises(CommandError, match=r"newer version \(integrations.9999_of_tomorrow"):
        run("restore", folder, "--yes", "--force")
    held = read_manifest(folder)
    held.engine = "oracle"
    with pytest.raises(BackupFailed, match="same kind"):
        checking.check_fit(held)


def test_a_folder_that_is_no_backup_is_refused(root, db):
    with pytest.raises(CommandError, match="name the folder of one backup"):
        run("restore", root, "--yes", "--force")


# --- making them ------------------------------------------------------------------------------------------------------


def test_a_file_that_the_lake_lacks_is_reported_and_the_rest_is_kept(house, root):
    path = LakeFile.objects.get().path
    (taking_lake() / path).unlink()
    with pytest.raises(CommandError, match="1 files that the database knows are not in the lake"):
        run("backup", "--to", root)
    folder = max(root.glob("causeway-*"))
    with pytest.raises(CommandError, match="not in the lake"):
        run("backup", "--verify", folder)
    assert Backup.objects.get().missing == 1


def test_only_files_that_the_database_knows_are_taken(house, root):
    (taking_lake() / "mirror").mkdir(exist_ok=True)
    (taking_lake() / "mirror" / "stray.parquet").write_bytes(b"nobody knows me")
    LakeFile.objects.create(table=LakeFile.objects.get().table, number=99, path="gone/x.parquet", retired_at=timezone.now())
    folder = made(root)
    assert len([path for path in (folder / "lake").rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize("words", [(), ("--copy",)])
def test_files_are_linked_or_copied_and_a_deleted_original_does_no_harm(house, root, words):
    run("backup", "--to", root, *words)
    folder = max(root.glob("causeway-*"))
    original = taking_lake() / LakeFile.objects.get().path
    copy = next((folder / "lake").rglob("*.parquet"))
    assert copy.samefile(original) is not bool(words)
    original.unlink()
    run("backup", "--verify", folder)


def test_the_lake_may_stay_where_it_is(house, root):
    run("backup", "--to", root, "--without-lake")
    folder = max(root.glob("causeway-*"))
    assert not (folder / "lake").exists()
    run("restore", folder, "--yes", "--force")
    (taking_lake() / LakeFile.objects.get().path).unlink()
    with pytest.raises(CommandError, match="1 files of the lake are missing"):
        run("restore", folder, "--yes", "--force")


def test_the_newest_are_kept_and_what_broke_off_is_cleared_away(house, root):
    import os

    first = made(root)
    older = [age(root, first, n) for n in range(1, 4)]
    broken = root / ".partial-causeway-20200101T000000Z"
    broken.mkdir()
    os.utime(broken, (0, 0))
    run("backup", "--to", root / "elsewhere", "--keep", "1")
    assert all(each.exists() for each in older), "other folders are not looked at"
    taking.prune(root, keep=2, now=timezone.now())
    assert {each.name for each in root.glob("causeway-*")} == {first.name, older[2].name}
    assert not broken.exists()
    with pytest.raises(CommandError, match="at least 1"):
        run("backup", "--to", root, "--keep", "0")


def test_a_disk_that_takes_no_backup_leaves_nothing_behind(house, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CommandError, match="takes no backup"):
        run("backup", "--to", tmp_path / "file" / "backups")
    assert not Backup.objects.exists()


def test_the_age_of_the_last_backup_is_known_also_after_a_restore(house, root, now):
    assert last.last_backup() is None
    assert last.age_of_backup(now=now) is None
    folder = made(root)
    known = last.last_backup()
    assert known is not None
    assert known.name == folder.name
    run("restore", folder, "--yes", "--force")
    again = last.last_backup()
    assert again is not None
    assert (again.name, again.files) == (folder.name, 1)
    age = last.age_of_backup(now=timezone.now() + timedelta(hours=2))
    assert age is not None
    assert age >= timedelta(hours=2)


def test_sqlite_copies_what_was_committed_while_somebody_writes(house, root):
    if connection.vendor != "sqlite":
        pytest.skip("about SQLite")
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM integrations_customer")
        connection.close()
        folder = root / "x"
        folder.mkdir(parents=True)
        held = databases.copy_database(folder)
        other.execute("ROLLBACK")
    assert held.rows["integrations_customer"] == 1
