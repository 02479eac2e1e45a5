"""What stands in a backup: a manifest of versions, counts and digests, sealed with the encryption key.

The seal is a text that only FIELD_ENCRYPTION_KEYS can open, over the digest of everything else. So it shows that the keys fit
before anything is touched, and that nobody changed the manifest. The keys themselves are never in a backup.
"""

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from integrations.orgs import vault
from project.backups.failures import BackupFailed, Tampered, WrongKeys

FORMAT = 1
FILE = "manifest.json"
LABEL = "backup"
CHUNK = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a backup: path below its folder, size in bytes, SHA-256. An empty digest: it was left where it is."""

    path: str
    bytes: int
    sha256: str = ""


@dataclass
class Manifest:
    """Everything that is known of a backup without opening its files."""

    name: str
    made_at: str
    engine: str
    version: str
    python: str
    django: str
    secret_mark: str
    database: Part
    migrations: dict[str, list[str]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    lake: list[Part] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    holds_keys: bool = False
    format: int = FORMAT
    seal: str = ""

    @property
    def instant(self) -> datetime:
        """What its database shows (UTC)."""
        return datetime.fromisoformat(self.made_at)

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return self.database.bytes + sum(part.bytes for part in self.lake if part.sha256)

    def digest(self) -> str:
        """SHA-256 of everything but the seal."""
        body = {key: value for key, value in asdict(self).items() if key != "seal"}
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Seal it and write it. Without encryption keys it carries a plain digest, which tells mistakes but not malice."""
    digest = manifest.digest()
    try:
        manifest.seal = vault.seal(LABEL, digest).decode()
    except vault.VaultLocked:
        manifest.seal = digest
    (folder / FILE).write_text(json.dumps(asdict(manifest), indent=1, sort_keys=True), encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the backup in `folder`. `BackupFailed` when there is none that this version understands."""
    try:
        data = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BackupFailed(f"{folder} has no {FILE}: name the folder of one backup.") from error
    except (ValueError, OSError) as error:
        raise Tampered(f"{folder / FILE} cannot be read: {error}") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise BackupFailed(f"{folder / FILE} is not of format {FORMAT}; restore it with the version of Causeway that wrote it.")
    try:
        return _as_manifest(data)
    except (TypeError, KeyError) as error:
        raise Tampered(f"{folder / FILE} does not hold what a manifest holds: {error}") from error


def _as_manifest(data: dict[str, Any]) -> Manifest:
    lake = [Part(**part) for part in data.pop("lake")]
    return Manifest(**data | {"database": Part(**data["database"]), "lake": lake})


def check_seal(manifest: Manifest, *, without_keys: bool = False) -> None:
    """That the keys fit and nothing was changed. `WrongKeys`, `Tampered`."""
    digest = manifest.digest()
    if len(manifest.seal) == len(digest):
        if not hmac.compare_digest(manifest.seal, digest):
            raise Tampered("The manifest was changed after it was written.")
        return
    if without_keys:
        return
    try:
        sealed = vault.unseal(LABEL, manifest.seal.encode())
    except vault.VaultLocked as error:
        raise WrongKeys(
            "FIELD_ENCRYPTION_KEYS does not hold the key that this backup was made with, so the tokens in it could not be "
            "read. Put that key first (older ones after it). If it is lost for good, --without-keys restores everything "
            "else; the connections then read Locked and are authorized again."
        ) from error
    if not hmac.compare_digest(sealed, digest):
        raise Tampered("The manifest was changed after it was written.")


def digest_file(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while piece := source.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def part_of(folder: Path, path: str) -> Part:
    """A file below `folder` as it is now."""
    place = folder / path
    return Part(path, place.stat().st_size, digest_file(place))
