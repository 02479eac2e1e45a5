"""Where files are: a folder, a bucket, any other file system; and what happens when there is no room."""

import os
import subprocess
import sys
from datetime import timedelta

import pyarrow as pa
import pytest
from pyarrow import fs

from integrations.lake import storage, upkeep
from integrations.lake.engine import open_engine
from integrations.lake.failures import LakeFull
from integrations.lake.reading import newest
from integrations.models import LakeFile
from tests.demo import ROOT
from tests.lake.bucket_server import BUCKET, running_bucket
from tests.lake.rows import account, accounts, read, store, table_of, write_all


@pytest.fixture
def bucket(settings, monkeypatch, tmp_path):
    settings.DATA_DIR = tmp_path
    with running_bucket() as running:
        settings.LAKE_URL = running.url
        yield running
    storage._store_at.cache_clear()


def work_through(now) -> None:
    """Everything that a lake does, in short."""
    table = accounts()
    store(table, [account("a", 1), account("b", 1)])
    store(table, [account("a", 2, Name="new"), account("c", 1)])
    assert [row["Name"] for row in read(table)] == ["new", "Name of b", "Name of c"]
    upkeep.compact(table, now=now)
    upkeep.erase("Account", "c", now=now)
    upkeep.sweep_files(now=now + timedelta(hours=2))
    assert [row["Id"] for row in read(table)] == ["a", "b"]
    assert upkeep.missing_files() == []
    found = {each.path for each in storage.open_store().files()}
    assert found == set(LakeFile.objects.values_list("path", flat=True))
    assert len(found) == 1


@pytest.mark.django_db
def test_a_lake_in_a_bucket(bucket, now, tmp_path):
    work_through(now)
    assert [key for key in bucket.objects if key.endswith(".parquet")] == [f"data/{LakeFile.objects.get().path}"]
    assert list((tmp_path / "lake-scratch").iterdir()) == []  # what was copied is gone with its engine


@pytest.mark.django_db
def test_a_lake_in_another_file_system_of_pyarrow(settings, tmp_path, monkeypatch, now):
    settings.DATA_DIR = tmp_path
    (tmp_path / "far").mkdir()
    far = storage.ObjectStore(fs.SubTreeFileSystem(str(tmp_path / "far"), fs.LocalFileSystem()), "root", "s3://x/root")
    monkeypatch.setattr(storage, "_store_at", lambda url: far)
    work_through(now)


@pytest.mark.django_db
def test_a_failed_upload_leaves_nothing_in_the_bucket(bucket):
    table = accounts()
    bucket.broken = True
    with pytest.raises(OSError, match="UploadPart"):
        write_all(table, [table_of(table, [account("a", 1)])])
    bucket.broken = False
    with pytest.raises(ValueError, match="lack"):
        write_all(table, [table_of(table, [account("a", 1)]), pa.table({"x": [1]})])
    assert [key for key in bucket.objects if key.endswith(".parquet")] == []


def test_i_14_addresses_of_a_bucket_show_no_credentials(bucket):
    found = storage.open_store()
    assert found.address("t/x.parquet") == f"s3://{BUCKET}/data/t/x.parquet"
    assert found.filesystem.region == "us-east-1"


@pytest.mark.parametrize("url", ["file:///tmp/a*b", "file:///tmp/[x]", "s3://b/{x}"])
def test_folders_that_engines_would_read_as_patterns_are_refused(settings, url):
    settings.LAKE_URL = url
    with pytest.raises(ValueError, match="LAKE_URL must not contain"):
        storage.open_store()


def test_a_folder_with_spaces_and_letters_of_the_world(settings, tmp_path, db):
    settings.LAKE_URL = f"file://{tmp_path}/Ünïcode%20folder's/лейк"
    table = accounts()
    store(table, [account("a", 1)])
    assert [row["Id"] for row in read(table)] == ["a"]
    assert (tmp_path / "Ünïcode folder's" / "лейк" / table.name).is_dir()


NO_ROOM = """
import resource, signal, sys
from pathlib import Path
from tests.lake.victim import begin_django
begin_django(Path(sys.argv[1]))
from integrations.lake import storage
from tests.lake.rows import account, accounts, store, table_of, write_all
table = accounts()
store(table, [account("a", 1)])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
import random
rows = [account(f"{n}", n, Name=str(random.random()) * 9) for n in range(20_000)]
try:
    write_all(table, [table_of(table, rows)])
except Exception as error:
    print(type(error).__name__, "|", error, "|", error.code)
print(len(list(storage.open_store().files())))
"""


def test_r_261_no_room_is_said_plainly_and_leaves_nothing(tmp_path):
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "TEST_", "DJANGO_"))}
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM, str(tmp_path)], cwd=ROOT, env=env, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said, files = done.stdout.splitlines()[-2:]
    assert said == "LakeFull | No room for the lake's files: free some disk space, then run it again. | lake_full"
    assert files == "1"


def test_r_261_other_failures_keep_their_own_words():
    assert isinstance(storage.explain_failure(OSError(28, "No space left on device")), LakeFull)
    other = OSError(13, "Permission denied")
    assert storage.explain_failure(other) is other


@pytest.mark.django_db
def test_scratch_folders_go_with_their_engine_and_old_ones_are_pruned(tmp_path, now):
    accounts()
    folder = tmp_path / "lake" / ".tmp"
    with open_engine() as engine:
        engine.bind("t", newest(accounts()))
        assert [each.name.startswith("engine-") for each in folder.iterdir()] == [True]
    assert list(folder.iterdir()) == []
    (folder / "engine-dead").mkdir()
    storage.open_store().prune(before=now - timedelta(days=1))
    assert (folder / "engine-dead").exists()
    storage.open_store().prune(before=now + timedelta(days=1))
    assert not (folder / "engine-dead").exists()
