"""Where the lake's files are: a folder that all processes share, or object storage. The only module that knows.

A file appears whole or not at all. In a folder it is written under `.tmp`, synced to the disk and renamed; object storage
shows an object only once its upload is complete. What was written but never registered is swept by age (`upkeep`).
"""

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import parse_qsl, unquote, urlsplit

from django.conf import settings

from integrations.lake.failures import LakeFull

if TYPE_CHECKING:
    from pyarrow import fs as arrow_fs

TEMPORARY = ".tmp"
CONNECT_SECONDS, REQUEST_SECONDS, TRIES = 5, 60, 5
BUCKETS = {"s3", "gcs"}
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is there, registered or not."""

    path: str
    bytes: int
    changed_at: datetime


class Folder:
    """A directory of this machine or of a network mount."""

    is_local = True

    def __init__(self, root: Path) -> None:
        self.root = root

    def address(self, path: str) -> str:
        """How an engine on this machine names the file."""
        return str(self.root / path)

    def begin(self, path: str) -> "LocalUpload":
        """A file that will be at `path` once it is finished."""
        return LocalUpload(self.root, path)

    def read(self, path: str) -> BinaryIO:
        """The bytes of a file; FileNotFoundError when it is gone."""
        return (self.root / path).open("rb")

    def delete(self, path: str) -> None:
        """Remove a file; one that is gone already is fine."""
        (self.root / path).unlink(missing_ok=True)

    def files(self) -> Iterator[Found]:
        """Every file below the root, unfinished ones too."""
        for folder, _, names in os.walk(self.root):
            for name in names:
                place = Path(folder, name)
                try:
                    facts = place.stat()
                except FileNotFoundError:  # renamed or swept meanwhile
                    continue
                changed = datetime.fromtimestamp(facts.st_mtime, tz=UTC)
                yield Found(place.relative_to(self.root).as_posix(), facts.st_size, changed)

    def scratch(self) -> Path:
        """A new folder for the spill files of one engine; its user removes it."""
        return _new_folder(self.root / TEMPORARY)

    def prune(self, *, before: datetime) -> None:
        """Remove scratch folders and empty folders that nobody has used since."""
        for folder, _, _ in os.walk(self.root, topdown=False):
            place = Path(folder)
            try:
                old = datetime.fromtimestamp(place.stat().st_mtime, tz=UTC) < before
                if place != self.root and old and not any(place.iterdir()):
                    place.rmdir()
            except OSError:  # somebody put a file in, or another sweeper was here first
                continue


class LocalUpload:
    """A file on its way into a folder."""

    def __init__(self, root: Path, path: str) -> None:
        self._root, self._path = root, path
        self._temporary = root / TEMPORARY / f"{uuid.uuid4().hex}.part"
        self.sink: Any = _in_folder(self._temporary, lambda: self._temporary.open("wb"))

    def finish(self) -> int:
        """Make the file durable and visible; gives its size in bytes."""
        self.sink.flush()
        os.fsync(self.sink.fileno())
        size = self.sink.tell()
        self.sink.close()
        place = self._root / self._path
        is_new = not place.parent.exists()
        _in_folder(place, lambda: self._temporary.rename(place))
        for folder in (place.parent, place.parent.parent) if is_new else (place.parent,):
            _sync_folder(folder)
        return size

    def abandon(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(OSError):  # it flushes what was buffered, and the disk may be full
            self.sink.close()
        self._temporary.unlink(missing_ok=True)


class ObjectStore:
    """A bucket, through pyarrow's file systems (also any other file system of pyarrow)."""

    is_local = False

    def __init__(self, filesystem: "arrow_fs.FileSystem", root: str, url: str = "") -> None:
        self.filesystem, self.root, self.url = filesystem, root.rstrip("/"), url

    def address(self, path: str) -> str:
        """How an engine that reads object storage itself names the file; without credentials."""
        return f"{self.url}/{path}"

    def begin(self, path: str) -> "ObjectUpload":
        """An object that will be at `path` once it is finished."""
        return ObjectUpload(self, path)

    def read(self, path: str) -> Any:
        """The bytes of an object; FileNotFoundError when it is gone."""
        return self.filesystem.open_input_file(f"{self.root}/{path}")

    def delete(self, path: str) -> None:
        """Remove an object; one that is gone already is fine."""
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.delete_file(f"{self.root}/{path}")

    def files(self) -> Iterator[Found]:
        """Every object below the root."""
        from pyarrow import fs as arrow_fs

        chosen = arrow_fs.FileSelector(self.root, recursive=True, allow_not_found=True)
        for info in self.filesystem.get_file_info(chosen):
            if info.type == arrow_fs.FileType.File:
                path = info.path.removeprefix(self.root).lstrip("/")
                yield Found(path, info.size, info.mtime or datetime.now(UTC))

    def scratch(self) -> Path:
        """A new folder on this machine, for spill files and for copies of objects."""
        return _new_folder(Path(settings.DATA_DIR) / "lake-scratch")

    def prune(self, *, before: datetime) -> None:
        """Remove scratch folders of this machine that nobody has used since."""
        for place in (Path(settings.DATA_DIR) / "lake-scratch").glob("*"):
            if datetime.fromtimestamp(place.stat().st_mtime, tz=UTC) < before:
                shutil.rmtree(place, ignore_errors=True)


class ObjectUpload:
    """An object on its way; invisible until it is complete."""

    def __init__(self, store: ObjectStore, path: str) -> None:
        self._store, self._path = store, path
        place = f"{store.root}/{path}"
        if store.filesystem.type_name not in BUCKETS:  # those have no folders, and making one costs a call
            store.filesystem.create_dir(place.rpartition("/")[0], recursive=True)
        self.sink: Any = store.filesystem.open_output_stream(place)

    def finish(self) -> int:
        """Complete the upload; gives its size in bytes."""
        size = self.sink.tell()
        self.sink.close()
        return size

    def abandon(self) -> None:
        """Leave nothing behind: an object that is complete in spite of us is removed, else it is swept."""
        with contextlib.suppress(OSError):
            self.sink.close()
            self._store.delete(self._path)


Store = Folder | ObjectStore
Upload = LocalUpload | ObjectUpload


def open_store() -> Store:
    """The store that LAKE_URL names."""
    return _store_at(settings.LAKE_URL)


@lru_cache(maxsize=8)
def _store_at(url: str) -> Store:
    parts = urlsplit(url)
    if found := sorted(set("*?[]{}") & set(unquote(parts.path))):
        raise ValueError(f"LAKE_URL must not contain {' '.join(found)}: engines read them as patterns.")
    if parts.scheme == "file":
        return Folder(Path(unquote(parts.path)))
    options = dict(parse_qsl(parts.query))
    root = f"{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
    shown = f"{parts.scheme}://{root}"
    return ObjectStore(_bucket(parts.scheme, options, parts.username, parts.password), root, shown)


def _bucket(scheme: str, options: dict[str, str], user: str | None, password: str | None) -> "arrow_fs.FileSystem":
    """A file system with deadlines and bounded retries (I-09); without a user the environment's credentials count."""
    from pyarrow import fs as arrow_fs

    if scheme == "s3":
        return arrow_fs.S3FileSystem(
            access_key=unquote(user) if user else None, secret_key=unquote(password) if password else None,
            region=options.get("region"), endpoint_override=options.get("endpoint_override"),
            scheme=options.get("scheme", "https"), connect_timeout=CONNECT_SECONDS, request_timeout=REQUEST_SECONDS,
            retry_strategy=arrow_fs.AwsStandardS3RetryStrategy(max_attempts=TRIES),
        )  # fmt: skip
    if scheme == "gs":
        return arrow_fs.GcsFileSystem(
            endpoint_override=options.get("endpoint_override"), scheme=options.get("scheme", "https"),
            retry_time_limit=timedelta(seconds=REQUEST_SECONDS),
        )  # fmt: skip
    raise ValueError("LAKE_URL must begin with file:///, s3:// or gs://.")


def explain_failure(error: OSError) -> OSError:
    """The same failure with a sentence that says what to do, where we know it."""
    if error.errno in NO_ROOM:
        return LakeFull()
    return error


def _in_folder(place: Path, act: Callable[[], Any]) -> Any:
    """Do `act` with the folder of `place` there; twice, as a sweeper may just have removed the empty folder."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        return act()
    except FileNotFoundError:
        place.parent.mkdir(parents=True, exist_ok=True)
        return act()


def _new_folder(parent: Path) -> Path:
    folder = parent / f"engine-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True)
    return folder


def _sync_folder(folder: Path) -> None:
    """A rename survives a power cut only once its folder is on the disk too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
