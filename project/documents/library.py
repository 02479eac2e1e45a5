"""The documents of the folder docs/ as this installation has them: titles, sections, text as HTML. Files only, no database."""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from django.utils.safestring import SafeString

from analytics.analyses.definitions import anchor_of, to_html

FOLDER = Path(__file__).resolve().parents[2] / "docs"
INDEX = "README"
_PICTURE = re.compile(r"!\[[^\]]*\]\([^)\s]*\)")
_FILE_LINK = re.compile(r"\]\(([\w.-]+)\.md(#[^)\s]*)?\)")
_OUTSIDE_LINK = re.compile(r"\[([^\]]+)\]\(\.\./[^)\s]*\)")
_INLINE_CODE = re.compile(r"`[^`]*`")
_CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Section:
    """A heading of a document with what stands below it."""

    heading: str
    anchor: str
    text: str

    @cached_property
    def prose(self) -> str:
        """The text without code: names in examples are nothing that anybody looks for."""
        return _INLINE_CODE.sub(" ", _CODE_BLOCK.sub(" ", self.text)).casefold()


@dataclass(frozen=True)
class Document:
    """One file. `slug` is its name without `.md`; the index is `README`."""

    slug: str
    text: str

    @cached_property
    def title(self) -> str:
        """The first heading."""
        return next((line[2:].strip() for line in self.text.splitlines() if line.startswith("# ")), self.slug)

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """All headings from the second level down; what stands before them belongs to the title, without an anchor."""
        # Comments of a script are no headings.
        blocks = _CODE_BLOCK.sub(lambda found: found[0].replace("\n#", "\n\0"), self.text)
        found = re.split(r"^#+ +(.+)$", blocks, flags=re.MULTILINE)
        pairs = zip(found[1::2], found[2::2], strict=True)
        return tuple(
            Section(heading.strip(), anchor_of(heading) if place else "", text.replace("\n\0", "\n#"))
            for place, (heading, text) in enumerate(pairs)
        )

    @cached_property
    def html(self) -> SafeString:
        """Escaped text with links to the pages of other documents. Pictures are left out: the real pages are at hand."""
        kept = [line for line in self.text.splitlines() if not _PICTURE.search(line)]
        linked = _OUTSIDE_LINK.sub(r"\1", "\n".join(kept))
        return to_html(_FILE_LINK.sub(lambda found: f"]({path_of(found[1])}{found[2] or ''})", linked))


def path_of(slug: str) -> str:
    """The address of a document's page."""
    return "/docs/" if slug == INDEX else f"/docs/{slug}/"


@lru_cache(maxsize=1)
def library(folder: Path = FOLDER) -> dict[str, Document]:
    """All documents by slug, the index first; nothing where the folder is not installed. Read once a process."""
    files = sorted(folder.glob("*.md"), key=lambda file: (file.stem != INDEX, file.stem))
    return {file.stem: Document(file.stem, file.read_text(encoding="utf-8")) for file in files}


def find_sections(text: str, *, most: int) -> list[tuple[Document, Section]]:
    """At most `most` sections with all words of `text` (from a word's beginning on): in headings first, then in prose."""
    starts = [re.compile(rf"\b{re.escape(word)}") for word in text.casefold().split()]
    hits: list[tuple[int, Document, Section]] = []
    for document in library().values():
        for section in document.sections:
            head = f"{document.title} {section.heading}".casefold()
            if all(start.search(head) for start in starts):
                hits.append((0, document, section))
            elif all(start.search(head) or start.search(section.prose) for start in starts):
                hits.append((1, document, section))
    hits.sort(key=lambda hit: hit[0])
    return [(document, section) for _, document, section in hits[:most]]
