"""The small text format of engagements: people write it, everybody sees it built from nodes. Pure.

Paragraphs, line breaks, `**bold**`, `*italic*`, `[label](address)` and lists of `- ` lines. There is no HTML in it: a `<` is
a `<`. The browser gets a tree of nodes and builds elements of it, so that no text is ever parsed as markup there (S-035).
"""

import re
from collections.abc import Callable
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

Node = Any  # a text, or [tag, *children]; a link is ["a", address, *children]
LONGEST = 4000  # characters of a text
_LINK = re.compile(r"\[([^\[\]\n]{1,200})\]\(([^()\s]{1,500})\)")
_ITEM = re.compile(r"\s{0,3}[-*]\s+(?=\S)")
_ADDRESS = re.compile(r"(?:https?://[^\s/\\@]+(?:[/?#]\S*)?|mailto:[^\s@]+@[^\s@]+|/(?![/\\])\S*|/)", re.IGNORECASE)
_ESCAPED = "\\*[]()-"
_TAGS = {"p", "ul", "li", "strong", "em"}


def is_address(text: str) -> bool:
    """Whether a link may lead there: a web address, a mail address, or a path of the host's own site (S-036)."""
    return bool(_ADDRESS.fullmatch(text)) and "\\" not in text and not any(ord(each) < 33 for each in text)


def parse(text: str) -> list[Node]:
    """The blocks of `text`, cut at `LONGEST` characters."""
    plain = text[:LONGEST].replace("\r\n", "\n").replace("\r", "\n")
    blocks: list[Node] = []
    for part in re.split(r"\n[ \t]*\n", plain):
        lines = [line for line in part.split("\n") if line.strip()]
        blocks += _blocks(lines)
    return blocks


def links_in(nodes: list[Node]) -> list[str]:
    """Every address that the text links to."""
    found: list[str] = []
    for node in nodes:
        if isinstance(node, list):
            found += [node[1]] if node[0] == "a" else []
            found += links_in(node[2:] if node[0] == "a" else node[1:])
    return found


def refused_links(text: str) -> list[str]:
    """Addresses written as links that may not be linked; they stay plain text."""
    return [found[2] for found in _LINK.finditer(text[:LONGEST]) if not is_address(found[2])]


def change_texts(nodes: list[Node], text: Callable[[str], str], address: Callable[[str], str]) -> list[Node]:
    """The same tree with every text and every address replaced."""
    changed: list[Node] = []
    for node in nodes:
        if isinstance(node, str):
            changed.append(text(node))
        elif node[0] == "a":
            changed.append(["a", address(node[1]), *change_texts(node[2:], text, address)])
        else:
            changed.append([node[0], *change_texts(node[1:], text, address)])
    return changed


def plain_text(nodes: list[Node]) -> str:
    """The words alone."""
    return " ".join(filter(None, (_words(node).strip() for node in nodes)))


def html_of(nodes: list[Node]) -> SafeString:
    """The tree as escaped HTML, for our own pages."""
    return format_html_join("", "{}", ((_html(node),) for node in nodes))


def _words(node: Node) -> str:
    if isinstance(node, str):
        return node
    if node[0] == "br":
        return " "
    return "".join(_words(each) for each in (node[2:] if node[0] == "a" else node[1:])) + (" " if node[0] == "li" else "")


def _html(node: Node) -> str:
    if isinstance(node, str):
        return node
    if node[0] == "br":
        return SafeString("<br>")
    if node[0] == "a" and is_address(node[1]):
        return format_html('<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>', node[1], html_of(node[2:]))
    tag = node[0] if node[0] in _TAGS else "span"
    inside = html_of(node[2:] if node[0] == "a" else node[1:])
    return format_html("<{}>{}</{}>", SafeString(tag), inside, SafeString(tag))


def _blocks(lines: list[str]) -> list[Node]:
    """Paragraphs and lists of lines that stand together."""
    blocks: list[Node] = []
    for line in lines:
        item = _ITEM.match(line)
        if item:
            if not blocks or blocks[-1][0] != "ul":
                blocks.append(["ul"])
            blocks[-1].append(["li", *_inline(line[item.end() :].strip())])
        elif blocks and blocks[-1][0] == "p":
            blocks[-1] += [["br"], *_inline(line.strip())]
        else:
            blocks.append(["p", *_inline(line.strip())])
    return blocks


def _inline(text: str) -> list[Node]:
    nodes: list[Node] = []
    words: list[str] = []
    at = 0

    def add(node: Node) -> None:
        if words:
            nodes.append("".join(words))
            words.clear()
        nodes.append(node)

    while at < len(text):
        made, after = _marked(text, at)
        if made is None:
            words.append(text[after - 1])
        else:
            add(made)
        at = after
    if words:
        nodes.append("".join(words))
    return nodes


def _marked(text: str, at: int) -> tuple[Node | None, int]:
    """The element that starts at `at` and where the text goes on; None for a plain character."""
    letter = text[at]
    if letter == "\\" and text[at + 1 : at + 2] and text[at + 1] in _ESCAPED:
        return None, at + 2
    if letter == "*":
        mark, tag = ("**", "strong") if text.startswith("**", at) else ("*", "em")
        ends = text.find(mark, at + len(mark))
        inside = text[at + len(mark) : ends] if ends > 0 else ""
        if inside.strip() and not inside.startswith(" "):
            return [tag, *_inline(inside)], ends + len(mark)
    if letter == "[":
        found = _LINK.match(text, at)
        if found and is_address(found[2]):
            return ["a", found[2], found[1]], found.end()
    return None, at + 1
