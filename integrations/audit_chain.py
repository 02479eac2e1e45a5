"""What makes audit entries a chain: the digest of an entry, and the walk that finds the first that does not fit. Pure.

A digest covers an entry's content and the digest before it, keyed, so that nobody without the key can make one. A chain begins
with an entry without a predecessor, or, after old entries were removed by their retention, with the successor of the digest
that a genuine `audit.pruned` entry further on names.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

SALT = "integrations.audit"
PRUNED = "audit.pruned"
ANCHOR_PREFIX = "causeway-audit"
OPTIONAL = ("subject", "connection")
"""Parts of the content that count only when they are there: entries made before these existed keep their digests."""


@dataclass(frozen=True, slots=True)
class Line:
    """One entry as it is stored or exported. `at` is ISO 8601 in UTC."""

    number: int
    at: str
    actor: str
    action: str
    target: str
    before: dict[str, Any]
    after: dict[str, Any]
    address: str | None
    previous: str
    digest: str
    subject: str = ""
    connection: int | None = None


@dataclass(frozen=True, slots=True)
class Anchor:
    """A digest that was noted at some time: the entry of that number must still have it."""

    number: int
    digest: str

    def __str__(self) -> str:
        return f"{ANCHOR_PREFIX}:{self.number}:{self.digest}"


@dataclass(frozen=True)
class Verification:
    """Outcome of a walk: how many entries hold, and the first that does not. `first` and `last` are None of an empty chain."""

    checked: int
    broken_id: int | None = None
    why: str = ""
    first: Anchor | None = field(default=None, compare=False)
    last: Anchor | None = field(default=None, compare=False)

    @property
    def holds(self) -> bool:
        return self.broken_id is None


CHANGED = "Its content was changed, or it was signed without the key."
GAP = "The entry before it was changed, removed or put in later."
HEAD_CUT = "The entries before it are gone, and no retention removed them."
LOST = "It was there when its digest was noted, and is gone now: entries were removed."
OTHER = "It had another digest when that was noted: the chain was written anew from here or earlier."


def digest_of(line: Line, key: str) -> str:
    """The digest that `line` must have under `key`: 64 hex digits."""
    content: dict[str, Any] = {
        "at": line.at, "actor": line.actor, "action": line.action, "target": line.target, "before": line.before,
        "after": line.after, "address": line.address, "previous": line.previous,
    }  # fmt: skip
    content |= {name: getattr(line, name) for name in OPTIONAL if getattr(line, name) not in ("", None)}
    return seal(json.dumps(content, sort_keys=True, separators=(",", ":")), key)


def seal(text: str, key: str) -> str:
    """A keyed digest of any text."""
    derived = hashlib.sha256(f"{SALT}{key}".encode()).digest()
    return hmac.new(derived, text.encode(), hashlib.sha256).hexdigest()


def is_genuine(line: Line, keys: Sequence[str]) -> bool:
    """Whether one of `keys` (the newest first) made the line's digest."""
    return any(hmac.compare_digest(digest_of(line, key), line.digest) for key in keys)


def walk(lines: Iterable[Line], keys: Sequence[str], *, anchors: Iterable[Anchor] = ()) -> Verification:
    """Check `lines`, oldest first, to their end; stops at the first that does not fit.

    `anchors` are digests noted earlier; those of entries that a retention removed are not asked for.
    """
    noted: dict[int, str] = {each.number: each.digest for each in anchors}
    first: Anchor | None = None
    last: Anchor | None = None
    start, checked, released = "", 0, dict[str, int]()
    for line in lines:
        if last is None:
            start = line.previous
            first = Anchor(line.number, line.digest)
        elif line.previous != last.digest:
            return Verification(checked, line.number, GAP, first, last)
        if not is_genuine(line, keys):
            return Verification(checked, line.number, CHANGED, first, last)
        if noted.get(line.number, line.digest) != line.digest:
            return Verification(checked, line.number, OTHER, first, last)
        if line.action == PRUNED:
            released[str(line.after.get("through_digest", ""))] = int(line.after.get("through", 0))
        last, checked = Anchor(line.number, line.digest), checked + 1
        noted.pop(line.number, None)
    if first is not None and start and start not in released:
        return Verification(0, first.number, HEAD_CUT, first, last)
    through = released.get(start, 0) if start else 0
    lost = sorted(number for number in noted if number > through)
    if lost:
        return Verification(checked, lost[0], LOST, first, last)
    return Verification(checked, None, "", first, last)


def read_anchor(text: str) -> Anchor | None:
    """The anchor in `causeway-audit:NUMBER:DIGEST` (blanks around it do no harm); None for anything else."""
    parts = text.strip().split(":")
    if len(parts) != 3 or parts[0] != ANCHOR_PREFIX or not (parts[1].isascii() and parts[1].isdigit() and len(parts[1]) < 19):
        return None
    digest = parts[2].strip().lower()
    return Anchor(int(parts[1]), digest) if len(digest) == 64 and set(digest) <= set("0123456789abcdef") else None


# --- exported files ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FileCheck:
    """What an exported file proves. `gaps` are places where entries of the chain are not in the file (a filter left them out);
    `sealed` says that the file is as it was made: nothing removed, nothing put elsewhere."""

    lines: int
    gaps: int
    sealed: bool
    broken_id: int | None = None
    why: str = ""

    @property
    def holds(self) -> bool:
        return self.sealed and self.broken_id is None


FORGED = "It was changed after it was recorded, or never was."
UNSEALED = "The seal at the end is missing or does not fit: lines were removed, added or moved."


class Sealer:
    """Collects the digests of an export in their order; `value` is the seal that its last line carries."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = keys
        self._text = hashlib.sha256()
        self.count = 0

    def add(self, line: Line) -> None:
        """The next line of the file."""
        self._text.update(f"{line.number}:{line.digest}\n".encode())
        self.count += 1

    def value(self, key: str | None = None) -> str:
        """The seal over everything added so far, under `key` or the newest."""
        return seal(f"export:{self.count}:{self._text.hexdigest()}", key or self._keys[0])

    def fits(self, given: str) -> bool:
        """Whether `given` is the seal under any of the keys."""
        return any(hmac.compare_digest(self.value(key), given) for key in self._keys)


def check_file(
    lines: Iterable[Line], sealed_by: Callable[[], str], keys: Sequence[str], *, newest_first: bool = True
) -> FileCheck:
    """Check the lines of an export; `sealed_by` gives the seal once all lines are read ("" = there is none)."""
    sealer, gaps, neighbour = Sealer(keys), 0, None
    for line in lines:
        if not is_genuine(line, keys):
            return FileCheck(sealer.count, gaps, False, line.number, FORGED)
        if neighbour is not None:
            joined = neighbour.previous == line.digest if newest_first else line.previous == neighbour.digest
            gaps += not joined
        sealer.add(line)
        neighbour = line
    given = sealed_by()
    if not given or not sealer.fits(given):
        number = neighbour.number if neighbour else 0
        return FileCheck(sealer.count, gaps, False, number, UNSEALED)
    return FileCheck(sealer.count, gaps, True)
