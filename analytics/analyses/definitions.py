"""The definitions of docs/analytics.md as a page: headings with anchors, paragraphs, lists, tables. Pure but for the one file.

Only what that file uses is understood; everything is escaped, so a definition cannot bring markup of its own.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

FILE = Path(__file__).resolve().parents[2] / "docs" / "analytics.md"
_CODE, _STRONG, _EMPHASIS = re.compile(r"`([^`]+)`"), re.compile(r"\*\*([^*]+)\*\*"), re.compile(r"\*([^*\s][^*]*)\*")
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
_ITEM = re.compile(r"\s*(?:[-*]|\d+\.) +")
_NUMBERED = re.compile(r"\s*\d+\. ")


def anchor_of(heading: str) -> str:
    """The anchor of a heading, as code hosts make it: "NRR and GRR" is #nrr-and-grr."""
    kept = re.sub(r"[^\w\- ]", "", heading.replace("`", "").strip().lower())
    return kept.replace(" ", "-")


@lru_cache(maxsize=1)
def definitions() -> SafeString:
    """The whole file as HTML; nothing where the file is not installed."""
    try:
        return to_html(FILE.read_text(encoding="utf-8"))
    except OSError:
        return SafeString("")


def to_html(text: str) -> SafeString:
    """Headings from the second level down (the first is the page's own), paragraphs, lists, tables, code."""
    return mark_safe("\n".join(_parts(text.splitlines())))  # noqa: S308 - every text went through `escape`


def _parts(lines: Sequence[str]) -> Iterator[str]:
    place = 0
    while place < len(lines):
        line, end = lines[place], place + 1
        if line.startswith("```"):
            while end < len(lines) and not lines[end].startswith("```"):
                end += 1
            yield f'<pre class="mono" tabindex="0">{escape(chr(10).join(lines[place + 1 : end]))}</pre>'
            end += 1
        elif line.startswith("#"):
            yield _heading(line)
        elif line.startswith("|"):
            end = _while(lines, end, lambda each: each.startswith("|"))
            yield _table(lines[place:end])
        elif _ITEM.match(line):
            end = _while(lines, end, _goes_on)
            yield _list(lines[place:end])
        elif line.strip():
            end = _while(lines, end, lambda each: _goes_on(each) and not _ITEM.match(each))
            yield f"<p>{_inline(' '.join(each.strip() for each in lines[place:end]))}</p>"
        place = end


def _goes_on(line: str) -> bool:
    """Whether a line belongs to the paragraph or list before it."""
    return bool(line.strip()) and not line.startswith(("#", "|", "```"))


def _while(lines: Sequence[str], place: int, holds: Callable[[str], bool]) -> int:
    while place < len(lines) and holds(lines[place]):
        place += 1
    return place


def _heading(line: str) -> str:
    level, text = len(line) - len(line.lstrip("#")), line.lstrip("#").strip()
    if level == 1:
        return ""
    name = f"h{min(level, 4)}"
    return f'<{name} id="{escape(anchor_of(text))}">{_inline(text)}</{name}>'


def _list(lines: Sequence[str]) -> str:
    items: list[str] = []
    for line in lines:
        if _ITEM.match(line):
            items.append(_ITEM.sub("", line, count=1).strip())
        else:
            items[-1] += f" {line.strip()}"
    kind = "ol" if _NUMBERED.match(lines[0]) else "ul"
    return f"<{kind}>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + f"</{kind}>"


def _table(lines: Sequence[str]) -> str:
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    body = [row for row in rows[1:] if not all(set(cell) <= set("-: ") for cell in row)]
    head = "".join(f'<th scope="col">{_inline(cell)}</th>' for cell in rows[0])
    inner = "".join("<tr>" + "".join(f"<td>{_inline(cell)}</td>" for cell in row) + "</tr>" for row in body)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{inner}</tbody></table>"
    return f'<div class="table-scroll" role="region" aria-label="Table" tabindex="0">{table}</div>'


def _inline(text: str) -> str:
    """Code as it stands; marks count only around it, as in **`name`** too."""
    codes: list[str] = []

    def put_aside(found: re.Match[str]) -> str:
        codes.append(f"<code>{found[1]}</code>")
        return f"\0{len(codes) - 1}\0"

    shown = _CODE.sub(put_aside, str(escape(text.replace("\0", ""))))
    shown = _STRONG.sub(r"<strong>\1</strong>", shown)
    shown = _EMPHASIS.sub(r"<em>\1</em>", shown)
    shown = _LINK.sub(lambda found: _link(found[1], found[2]), shown)
    return re.sub(r"\0(\d+)\0", lambda found: codes[int(found[1])], shown)


def _link(text: str, target: str) -> str:
    """Links within the page and to web addresses; those to other files are their text."""
    return f'<a href="{target}">{text}</a>' if target.startswith(("#", "https://", "/")) else text
