"""Reading a formula: text to tokens to a tree. Names and functions are looked at later, by `compiling`."""

import re
from dataclasses import dataclass

LONGEST, DEEPEST = 3_900, 40
TOKEN = re.compile(
    r"\s*(?:(?P<comment>/\*.*?\*/)|(?P<number>\d+(?:\.\d+)?|\.\d+)|(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<name>\$?[A-Za-z]\w*(?:\.[A-Za-z]\w*)*)|(?P<sign>&&|\|\||==|!=|<>|<=|>=|[-+*/&=<>!(),]))",
    re.DOTALL,
)
ESCAPE = re.compile(r"\\(.)", re.DOTALL)
SAME = {"==": "=", "!=": "<>"}
# what binds least comes first
LEVELS = (("||",), ("&&",), ("=", "<>"), ("<", ">", "<=", ">="), ("+", "-", "&"), ("*", "/"))


class BadFormula(Exception):
    """A formula that Salesforce would refuse, or that is beyond what is understood here. The text says why."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a text, true, false or null (None)."""

    value: float | str | bool | None


@dataclass(frozen=True, slots=True)
class Name:
    """A field, or a field of a parent: `Amount`, `Account.Name`."""

    path: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function or an operator with what it is applied to; functions are in capitals, operators are signs."""

    function: str
    arguments: "tuple[Node, ...]"


Node = Literal | Name | Call


def read_formula(text: str) -> Node:
    """The tree of a formula. BadFormula when it is empty, too long, too deep or not well-formed."""
    if not text.strip():
        raise BadFormula("Formula is empty")
    if len(text) > LONGEST:
        raise BadFormula(f"Formula is too long ({len(text):,} characters). Maximum length is {LONGEST:,} characters")
    reader = _Reader(_tokens(text))
    tree = reader.read()
    if reader.peek() is not None:
        raise BadFormula(f"Syntax error. Extra {reader.peek()}")
    return tree


def _tokens(text: str) -> list[tuple[str, str]]:
    """(kind, text) of each token."""
    found, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = TOKEN.match(text, at)
        if match is None:
            raise BadFormula(f"Syntax error. Found '{text[at:].strip()[:1]}'")
        at = match.end()
        kind = str(match.lastgroup)
        if kind != "comment":
            found.append((kind, match.group(kind)))
    return found


class _Reader:
    """Walks through the tokens."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens, self.at, self.depth = tokens, 0, 0

    def peek(self) -> str | None:
        """The next token's text, None at the end."""
        return self.tokens[self.at][1] if self.at < len(self.tokens) else None

    def read(self, level: int = 0) -> Node:
        """An expression whose operators bind at least as strongly as `level` says."""
        if level == len(LEVELS):
            return self._operand()
        left = self.read(level + 1)
        while (sign := self._sign(LEVELS[level])) is not None:
            left = Call(sign, (left, self.read(level + 1)))
        return left

    def _sign(self, wanted: tuple[str, ...]) -> str | None:
        """The next operator if it is one of these, taken."""
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "sign":
            sign = SAME.get(self.tokens[self.at][1], self.tokens[self.at][1])
            if sign in wanted:
                self.at += 1
                return sign
        return None

    def _operand(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise BadFormula("Formula is nested too deeply")
        node = self._one()
        self.depth -= 1
        return node

    def _one(self) -> Node:
        """A literal, a name, a call, a sign before something, or a part in brackets."""
        if self.at >= len(self.tokens):
            raise BadFormula("Syntax error. Missing ')' or operand")
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return Literal(float(text))
        if kind == "text":
            return Literal(ESCAPE.sub(r"\1", text[1:-1]))
        if kind == "name":
            return self._named(text)
        if text == "(":
            inner = self.read()
            self._need(")")
            return inner
        if text in {"-", "!", "+"}:
            return Call({"-": "NEGATE", "!": "NOT", "+": "PLUS"}[text], (self._operand(),))
        raise BadFormula(f"Syntax error. Found '{text}'")

    def _named(self, text: str) -> Node:
        """A word: true, false, null, a function or a field."""
        if self.peek() == "(":
            self.at += 1
            return Call(text.upper(), tuple(self._arguments()))
        words: dict[str, bool | None] = {"true": True, "false": False, "null": None}
        return Literal(words[text.lower()]) if text.lower() in words else Name(text)

    def _arguments(self) -> list[Node]:
        """What stands between the brackets of a call."""
        if self.peek() == ")":
            self.at += 1
            return []
        found = [self.read()]
        while self.peek() == ",":
            self.at += 1
            found.append(self.read())
        self._need(")")
        return found

    def _need(self, text: str) -> None:
        if self.peek() != text:
            raise BadFormula(f"Syntax error. Missing '{text}'")
        self.at += 1
