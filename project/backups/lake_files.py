"""The lake's part of a backup: the files that the database's snapshot knows, linked where that is possible, else copied.

Files of the lake never change once they are there, and replaced ones stay for an hour, so nothing need stand still.
"""

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from integrations.lake import storage
from project.backups.failures import BackupFailed
from project.backups.manifest import CHUNK, Part, digest_file, part_of

FOLDER = "lake"


def take_files(folder: Path, files: Iterable[tuple[str, int]], *, link: bool = True) -> tuple[list[Part], list[str]]:
    """Bring these files of the lake into `folder`; gives their parts, and the paths of those that are not there."""
    store, parts, missing = storage.open_store(), [], []
    for path, size in files:
        place = folder / FOLDER / path
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            _bring(store, path, place, link=link)
        except FileNotFoundError:
            missing.append(path)
            continue
        part = part_of(folder, f"{FOLDER}/{path}")
        if part.bytes != size:
            missing.append(path)
        parts.append(Part(path, part.bytes, part.sha256))
    return parts, missing


def name_files(files: Iterable[tuple[str, int]]) -> tuple[list[Part], list[str]]:
    """The same without copies: the files stay where they are (a bucket that keeps versions), only their names are kept."""
    there = {found.path: found.bytes for found in storage.open_store().files()}
    known = list(files)
    return [Part(path, size) for path, size in known], [path for path, size in known if there.get(path) != size]


def put_files_back(folder: Path, parts: Iterable[Part]) -> int:
    """Bring files of a backup into the lake where it lacks them or has others; how many that were.

    The database does not know them yet, so nobody sees them.
    """
    store, brought = storage.open_store(), 0
    there = {found.path: found.bytes for found in store.files()}
    for part in parts:
        if not part.sha256 or (there.get(part.path) == part.bytes and _same(store, part)):
            continue
        _put(store, folder / FOLDER / part.path, part.path)
        brought += 1
    return brought


def missing_now(parts: Iterable[Part]) -> list[str]:
    """Files of the backup that the lake does not have."""
    there = {found.path: found.bytes for found in storage.open_store().files()}
    return [part.path for part in parts if there.get(part.path) != part.bytes]


def _bring(store: storage.Store, path: str, place: Path, *, link: bool) -> None:
    if isinstance(store, storage.Folder):
        source = store.root / path
        if link:
            with suppress(OSError):  # another disk, or one without links
                os.link(source, place)
                return
        shutil.copyfile(source, place)
        return
    with store.read(path) as source, place.open("wb") as target:
        while piece := source.read(CHUNK):
            target.write(piece)


def _same(store: storage.Store, part: Part) -> bool:
    return not isinstance(store, storage.Folder) or digest_file(store.root / part.path) == part.sha256


def _put(store: storage.Store, source: Path, path: str) -> None:
    """As the lake itself writes: the file appears whole or not at all. Never linked, so that the backup stays its own."""
    upload = store.begin(path)
    try:
        with source.open("rb") as file:
            while piece := file.read(CHUNK):
                upload.sink.write(piece)
        upload.finish()
    except OSError as error:
        upload.abandon()
        raise BackupFailed(f"The lake takes no files: {error}. Make room, then restore again.") from error
