"""Cuts a query into tokens."""

import re
from dataclasses import dataclass

from integrations.demo_org.soql.faults import fault, unexpected

PATTERN = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>'(?:[^'\\]|\\.)*')
    |(?P<datetime>\d{4}-\d\d-\d\d[Tt][0-9:.+\-Zz]*)
    |(?P<date>\d{4}-\d\d-\d\d(?![\w-]))
    |(?P<time>\d\d:\d\d:\d\d(?:\.\d+)?[Zz]?)
    |(?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
    |(?P<currency>[A-Za-z]{3}(?:[-+]\d+(?:\.\d+)?|\d+\.\d+)(?!\w))
    |(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
    |(?P<operator>!=|<>|<=|>=|=|<|>)
    |(?P<mark>[(),:])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\", "_": "_", "%": "%"}
END = "<EOF>"


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its kind, its text as written, its first character."""

    kind: str
    text: str
    at: int

    @property
    def word(self) -> str:
        """The text in capitals, for keywords."""
        return self.text.upper()


def tokenize(text: str) -> list[Token]:
    """All tokens of `text`, ending with an END token."""
    tokens, position = [], 0
    while position < len(text):
        found = PATTERN.match(text, position)
        if not found:
            raise _unreadable(text, position)
        if found.lastgroup != "space":
            tokens.append(Token(found.lastgroup or "", found.group(), position))
        position = found.end()
    tokens.append(Token("end", END, len(text)))
    return tokens


def _unreadable(text: str, position: int) -> Exception:
    if text[position] == "'":
        return fault(text, position, "line breaks not allowed in string literals" if "\n" in text[position:] else
                     "unexpected end of string literal")  # fmt: skip
    return unexpected(text, position, text[position])


def unescape(query: str, token: Token) -> tuple[str, str]:
    """The value of a string literal, and the same as a LIKE pattern in which literal % and _ stay marked with a backslash."""
    value, pattern, body = [], [], token.text[1:-1]
    position = 0
    while position < len(body):
        letter = body[position]
        if letter != "\\":
            value.append(letter)
            pattern.append(letter)
            position += 1
            continue
        taken, length = _escape(query, token, body, position)
        value.append(taken)
        pattern.append("\\" + taken if taken in "%_\\" else taken)
        position += length
    return "".join(value), "".join(pattern)


def _escape(query: str, token: Token, body: str, position: int) -> tuple[str, int]:
    """The character that an escape stands for and the escape's length."""
    letter = body[position + 1]
    if letter.lower() in ESCAPES:
        return ESCAPES[letter.lower()], 2
    code = body[position + 2 : position + 6]
    if letter in "uU" and re.fullmatch("[0-9A-Fa-f]{4}", code) and not 0xD800 <= int(code, 16) < 0xE000:
        return chr(int(code, 16)), 6
    raise fault(query, token.at + 1 + position, f"Illegal character sequence '\\{letter}' in string literal")
