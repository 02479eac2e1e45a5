"""The documents as tests read them: files, anchors, links, words in code, fenced blocks, examples with their answers."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analytics.analyses.definitions import anchor_of

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FILES = sorted([*DOCS.glob("*.md"), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def read(path: Path | str) -> str:
    return (DOCS / path if isinstance(path, str) else path).read_text(encoding="utf-8")


def prose(text: str) -> str:
    """Everything but code."""
    return re.sub(r"`[^`]*`", " ", FENCE.sub(" ", text))


def code(text: str) -> str:
    """Everything in code, blocks and words, line by line."""
    blocks = [found[2] for found in FENCE.finditer(text)]
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", FENCE.sub(" ", text))])


def anchors(path: Path) -> set[str]:
    return {anchor_of(found[1]) for found in re.finditer(r"^#+ +(.+)$", FENCE.sub("", read(path)), re.MULTILINE)}


def links(text: str) -> list[str]:
    """Targets of links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", FENCE.sub(" ", text))


@dataclass(frozen=True)
class Example:
    """A block of `sh` or `python`, and the JSON that stands below it, if any."""

    number: int
    language: str
    text: str
    answer: Any = None


def examples(text: str) -> list[Example]:
    """In the order of the document."""
    found: list[Example] = []
    for block in FENCE.finditer(text):
        if block[1] == "json":
            before = found.pop()
            found.append(Example(before.number, before.language, before.text, json.loads(block[2])))
        elif block[1] in {"sh", "python"}:
            found.append(Example(len(found), block[1], block[2]))
    return found


def mismatches(wanted: Any, real: Any, path: str = "") -> list[str]:
    """Where `real` lacks a name of `wanted` or has another kind of value; a null or an empty list says nothing of what is inside."""
    if isinstance(wanted, dict):
        if not isinstance(real, dict):
            return [f"{path}: no object but {real!r}"]
        missing = [f"{path}.{key}: missing" for key in wanted.keys() - real.keys()]
        return missing + [
            each for key in wanted.keys() & real.keys() for each in mismatches(wanted[key], real[key], f"{path}.{key}")
        ]
    if isinstance(wanted, list):
        if not isinstance(real, list):
            return [f"{path}: no list but {real!r}"]
        return mismatches(wanted[0], real[0], f"{path}[0]") if wanted and real else []
    if wanted is None or real is None:
        return []
    kinds = (str, bool, (int, float))
    same = any(isinstance(wanted, kind) and isinstance(real, kind) for kind in kinds) and isinstance(
        wanted, bool
    ) == isinstance(real, bool)
    return [] if same else [f"{path}: {real!r} is another kind of value than {wanted!r}"]
