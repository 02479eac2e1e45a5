"""SOSL texts: search terms escaped, names checked; and the call that runs one.

Reserved characters in a term are `? & | ! { } [ ] ( ) ^ ~ * : \\ " ' + -`; each is preceded by a backslash, so that what a
person typed is searched and never understood as an operator (S-030).
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from integrations.salesforce.client import Client, Deadlines, Retry
from integrations.salesforce.errors import TooLarge, UnexpectedAnswer
from integrations.salesforce.soql import encoded_length, field_name, object_name

RESERVED = re.compile(r'([?&|!{}\[\]()^~*:\\"\'+\-])')
OPERATORS = frozenset(("and", "or", "not"))
GROUPS = frozenset(("ALL", "NAME", "EMAIL", "PHONE", "SIDEBAR"))
SHORTEST, MOST_WORDS, LONGEST_WORD = 2, 10, 60
LONGEST_SEARCH = 14_000
"""Bytes of a URL-encoded search that surely fit beside host, path and headers."""


def words_of(text: str) -> list[str]:
    """What of a typed text can be searched: words of two characters or more, without operators, each once, at most ten."""
    plain = "".join(" " if unicodedata.category(each).startswith("C") else each for each in unicodedata.normalize("NFC", text))
    found: dict[str, None] = {}
    for word in plain.split():
        word = word.strip(".,;!?…“”„\"'()[]{}<>*")[:LONGEST_WORD]
        letters = sum(each.isalnum() for each in word)
        if letters >= SHORTEST and word.casefold() not in OPERATORS:
            found.setdefault(word)
    return list(found)[:MOST_WORDS]


def escape(word: str) -> str:
    """A word with every reserved character escaped."""
    return RESERVED.sub(r"\\\1", word)


def term_of(words: Sequence[str], *, joint: str = "AND", open_end: bool = False) -> str:
    """The term between the braces: all words (AND) or any (OR). `open_end`: the last word may be the beginning of one.

    ValueError when there are no words.
    """
    if not words or joint not in ("AND", "OR"):
        raise ValueError("a search needs words, joined by AND or OR")
    escaped = [escape(word) for word in words]
    if open_end and words[-1][-1:].isalnum():
        escaped[-1] += "*"
    return f" {joint} ".join(escaped)


def write_search(
    term: str, object_: str, fields: Sequence[str], *, where: str = "", group: str = "ALL", limit: int = 20
) -> str:
    """`FIND {term} IN ALL FIELDS RETURNING Object(fields WHERE … LIMIT n)`; `where` is made by the functions of `soql`."""
    if group not in GROUPS or not 0 < limit <= 2000:
        raise ValueError("unknown field group or limit")
    listed = ", ".join(field_name(each) for each in fields)
    condition = f" WHERE {where}" if where else ""
    return f"FIND {{{term}}} IN {group} FIELDS RETURNING {object_name(object_)}({listed}{condition} LIMIT {limit})"


def run_search(
    client: Client, text: str, *, deadlines: Deadlines | None = None, retry: Retry | None = None
) -> list[dict[str, Any]]:
    """The records that a search finds, in Salesforce's order of relevance. The index lags by minutes behind changes."""
    if encoded_length(text) > LONGEST_SEARCH:
        raise TooLarge("The search is too long for one request.", code="URI_TOO_LONG")
    data = client.request("GET", "search", params={"q": text}, deadlines=deadlines, retry=retry).data
    records = data.get("searchRecords") if isinstance(data, dict) else data  # a bare array before API 37.0
    if not isinstance(records, list):
        raise UnexpectedAnswer("A search answer has no records.", code="BAD_SEARCH_ANSWER")
    return [each for each in records if isinstance(each, dict)]
