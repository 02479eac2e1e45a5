"""Search terms of SOSL: words, "phrases", wildcards, AND, OR, AND NOT; compiled to SQL over an object's text columns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from integrations.demo_org.errors import ApiError
from integrations.demo_org.soql.conditions import Sql
from integrations.demo_org.soql.literals import variants

TOKEN = re.compile(r'\s*(?:(?P<phrase>"(?:[^"\\]|\\.)*")|(?P<mark>[()])|(?P<word>(?:[^\s()"\\]|\\.)+))', re.DOTALL)
MAX_TERMS = 100


def malformed(sentence: str) -> ApiError:
    """A search that cannot be read."""
    return ApiError(400, "MALFORMED_SEARCH", sentence)


@dataclass(frozen=True)
class Word:
    """A word or phrase: a LIKE pattern that finds candidates and an expression that decides."""

    like: str
    regex: str


@dataclass(frozen=True)
class Joined:
    """Terms joined by AND, OR or NOT (AND NOT: the first without the second)."""

    operator: str
    parts: tuple["Word | Joined", ...]


Term = Word | Joined


def parse_terms(text: str) -> Term:
    """The tree of what stands between the braces. ApiError MALFORMED_SEARCH when it cannot be read."""
    tokens = [found.group().strip() for found in TOKEN.finditer(text)]
    if len(tokens) > MAX_TERMS:
        raise malformed("search term is too long")
    reader = _Reader(tokens)
    term = reader.either()
    if reader.tokens:
        raise malformed(f"unexpected token in search term: {reader.tokens[0]}")
    return term


class _Reader:
    """OR binds weaker than AND; words side by side are joined by AND."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens

    def peek(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def either(self) -> Term:
        parts = [self.both()]
        while self.peek().upper() == "OR":
            self.tokens.pop(0)
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else Joined("OR", tuple(parts))

    def both(self) -> Term:
        term = self.one()
        while self.peek() and self.peek() != ")" and self.peek().upper() != "OR":
            operator = "AND"
            if self.peek().upper() == "AND":
                self.tokens.pop(0)
            if self.peek().upper() == "NOT":
                self.tokens.pop(0)
                operator = "NOT"
            term = Joined(operator, (term, self.one()))
        return term

    def one(self) -> Term:
        first = self.peek()
        if not first or first == ")" or first.upper() in {"AND", "OR", "NOT"}:
            raise malformed(f"unexpected token in search term: {first or '<EOF>'}")
        self.tokens.pop(0)
        if first != "(":
            return word(first)
        inner = self.either()
        if self.peek() != ")":
            raise malformed("unexpected token in search term: <EOF>")
        self.tokens.pop(0)
        return inner


def word(token: str) -> Word:
    """A word or a phrase in quotes. At least two characters besides wildcards."""
    phrase = token.startswith('"')
    body = token[1:-1] if phrase else token
    like, regex, plain, escaped = ["%"], [], "", False
    for letter in body:
        if letter == "\\" and not escaped:
            escaped = True
            continue
        wild = {"*": ("%", r"\w*"), "?": ("_", r"\w")}.get(letter) if not escaped and not phrase else None
        space = (("%", r"\W+") if letter.isspace() else None) if phrase else None
        like.append((wild or space or (_like(letter),))[0])
        regex.append(wild[1] if wild else space[1] if space else re.escape(letter))
        plain += "" if wild else letter
        escaped = False
    if len(plain.strip()) < 2:
        raise malformed(f"search term must be longer than one character: {body}")
    return Word("".join([*like, "%"]), rf"(?<!\w){''.join(regex)}(?!\w)")


def _like(letter: str) -> str:
    return f"\\{letter}" if letter in "%_\\" else letter


def compile_terms(term: Term, columns: Sequence[str]) -> Sql:
    """The condition that a row with these columns matches."""
    if isinstance(term, Word):
        return _word_sql(term, columns)
    parts = [compile_terms(each, columns) for each in term.parts]
    params = [value for each in parts for value in each.params]
    if term.operator == "NOT":
        return Sql(f"({parts[0].text} AND NOT {parts[1].text})", params)
    return Sql(f"({f' {term.operator} '.join(each.text for each in parts)})", params)


def _word_sql(term: Word, columns: Sequence[str]) -> Sql:
    """LIKE finds candidates fast; only those are looked at word by word."""
    forms = variants(term.like) or [term.like]
    likes, params = [], []
    for column in columns:
        likes.append("(" + " OR ".join([f"{column} LIKE ? ESCAPE '\\'"] * len(forms)) + f") AND sf_words({column}, ?)")
        params += [*forms, term.regex]
    joined = " OR ".join(likes) or "0"
    return Sql(f"ifnull(({joined}), 0)", params)


@lru_cache(maxsize=256)
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def has_words(text: str | None, pattern: str) -> int:
    """Whether a text holds the word or phrase; the SQL function sf_words."""
    return int(bool(text) and _regex(pattern).search(str(text)) is not None)
