"""Turns the text of a query into a tree. Hand-written, because errors must point where Salesforce points."""

import re
from collections.abc import Callable, Iterable
from typing import Literal, NoReturn, TypeVar

from integrations.demo_org.errors import ApiError
from integrations.demo_org.soql import faults
from integrations.demo_org.soql.dates import COUNTED, PLAIN
from integrations.demo_org.soql.functions import FUNCTIONS
from integrations.demo_org.soql.tokens import Token, tokenize, unescape
from integrations.demo_org.soql.tree import (
    Call,
    Comparison,
    Condition,
    Expression,
    Grouping,
    Item,
    Logic,
    Macro,
    Membership,
    Negation,
    Order,
    Path,
    Query,
    SemiJoin,
    Subquery,
    TypeOf,
    Value,
)

CLAUSES = frozenset({"WHERE", "WITH", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FOR", "USING", "UPDATE", "ALL", "FROM"})
SCOPES = frozenset({"EVERYTHING", "DELEGATED", "MINE", "MINE_AND_MY_GROUPS", "MY_TERRITORY", "MY_TEAM_TERRITORY", "TEAM"})
T = TypeVar("T")
MAX_LITERAL = 4000
MAX_DEPTH = 60
MOST_ROWS = 2**31
CURRENCY = re.compile(r"[A-Za-z]{3}\d+", re.ASCII)


def parse(text: str) -> Query:
    """The tree of a query. ApiError MALFORMED_QUERY when it is not one."""
    if len(text) > faults.MAX_LENGTH:
        raise faults.too_long()
    if not text.strip():
        raise ApiError(400, "MALFORMED_QUERY", "SOQL statements cannot be empty or null")
    return Parser(text).whole()


def parse_clauses(text: str, start: int, end: int) -> tuple[Condition | None, tuple[Order, ...], int | None, int | None]:
    """WHERE, ORDER BY, LIMIT and OFFSET between two characters of a longer text (the RETURNING part of a search)."""
    parser = Parser(text[:end], start)
    found = (parser.where(), parser.order(), parser.number_after("LIMIT"), parser.number_after("OFFSET"))
    parser.finish()
    return found


class Parser:
    """A recursive-descent parser over the tokens of one query."""

    def __init__(self, text: str, start: int = 0) -> None:
        self.text = text
        self.tokens = tokenize(" " * start + text[start:])
        self.position = 0
        self.depth = 0

    # -- tokens ------------------------------------------------------------------------------------------------------

    @property
    def token(self) -> Token:
        """The token that comes next."""
        return self.tokens[self.position]

    def advance(self) -> Token:
        """Take the next token."""
        token = self.token
        if token.kind != "end":
            self.position += 1
        return token

    def refuse(self, token: Token | None = None) -> NoReturn:
        """The next (or the given) token is not expected."""
        token = token or self.token
        raise faults.unexpected(self.text, token.at, token.text)

    def at_word(self, *words: str) -> bool:
        """Whether the next tokens are these keywords."""
        ahead = self.tokens[self.position : self.position + len(words)]
        return len(ahead) == len(words) and all(t.kind == "name" and t.word == w for t, w in zip(ahead, words, strict=True))

    def take_word(self, *words: str) -> bool:
        """Take these keywords if they come next."""
        if not self.at_word(*words):
            return False
        self.position += len(words)
        return True

    def need_word(self, word: str) -> None:
        """Take a keyword that must come."""
        if not self.take_word(word):
            self.refuse()

    def at_mark(self, mark: str) -> bool:
        """Whether the next token is this punctuation."""
        return self.token.kind == "mark" and self.token.text == mark

    def take_mark(self, mark: str) -> bool:
        """Take punctuation if it comes next."""
        return self.at_mark(mark) and bool(self.advance())

    def need_mark(self, mark: str) -> None:
        """Take punctuation that must come."""
        if not self.take_mark(mark):
            self.refuse()

    def need_name(self) -> Token:
        """Take a name that must come."""
        if self.token.kind != "name":
            self.refuse()
        return self.advance()

    def some(self, one: Callable[[], T]) -> tuple[T, ...]:
        """One or more of something, between commas."""
        found = [one()]
        while self.take_mark(","):
            found.append(one())
        return tuple(found)

    def finish(self) -> None:
        """Nothing may follow."""
        if self.token.kind != "end":
            self.refuse()

    # -- the query ---------------------------------------------------------------------------------------------------

    def whole(self) -> Query:
        """The query and nothing after it."""
        query = self.query()
        self.finish()
        return query

    def query(self) -> Query:
        """SELECT ... up to the last clause that belongs to it."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.refuse()
        self.need_word("SELECT")
        items = self.some(self.item)
        self.need_word("FROM")
        source = self.plain_path()
        alias = self.alias()
        joined = self.joined()
        scope = self.scope()
        query = Query(
            items, source, alias, joined, scope, self.where(), self.security(), self.group(), self.having(), self.order(),
            self.number_after("LIMIT"), self.number_after("OFFSET"), self.locks(), self.take_word("ALL", "ROWS"),
        )  # fmt: skip
        self.depth -= 1
        return query

    def joined(self) -> tuple[tuple[Path, str], ...]:
        """Further relationships in FROM with their aliases: FROM Contact c, c.Account a."""
        found = []
        while self.take_mark(","):
            path, alias = self.plain_path(), self.alias()
            if not alias:
                self.refuse()
            found.append((path, alias))
        return tuple(found)

    def item(self) -> Item | Macro | TypeOf | Subquery:
        """One element of the field list."""
        token = self.token
        if self.at_word("TYPEOF"):
            return self.type_of()
        if self.take_mark("("):
            nested = Subquery(self.query(), token.at)
            self.need_mark(")")
            return nested
        if token.kind == "name" and token.word == "FROM":
            self.refuse()
        expression = self.expression()
        if isinstance(expression, Call) and expression.name == "FIELDS":
            return self.macro(expression)
        return Item(expression, self.alias())

    def macro(self, call: Call) -> Macro:
        """FIELDS(ALL | CUSTOM | STANDARD)."""
        argument = call.args[0] if len(call.args) == 1 else None
        if not isinstance(argument, Path) or argument.text.upper() not in {"ALL", "CUSTOM", "STANDARD"}:
            raise faults.unexpected(self.text, call.at, "FIELDS")
        return Macro(argument.text.upper(), call.at)

    def type_of(self) -> TypeOf:
        """TYPEOF path WHEN type THEN fields ... [ELSE fields] END."""
        at = self.advance().at
        path = self.plain_path()
        branches = []
        while self.take_word("WHEN"):
            name = self.need_name().text
            self.need_word("THEN")
            branches.append((name, self.some(self.plain_path)))
        if not branches:
            self.refuse()
        otherwise = self.some(self.plain_path) if self.take_word("ELSE") else ()
        self.need_word("END")
        return TypeOf(path, tuple(branches), otherwise, at)

    def alias(self) -> str | None:
        """A name that follows and is no keyword of the next clause."""
        explicit = self.take_word("AS")
        token = self.token
        if token.kind != "name" or token.word in CLAUSES:
            return self.refuse() if explicit else None
        return self.advance().text

    def plain_path(self) -> Path:
        """A field or relationship path."""
        token = self.need_name()
        return Path(tuple(token.text.split(".")), token.at)

    def expression(self) -> Expression:
        """A path or a function call."""
        token = self.need_name()
        if not self.at_mark("("):
            return Path(tuple(token.text.split(".")), token.at)
        if token.word not in FUNCTIONS:
            self.refuse()
        self.advance()
        args = () if self.at_mark(")") else self.some(self.argument)
        self.need_mark(")")
        return Call(token.word, args, token.at)

    def argument(self) -> Path | Call | Value:
        """What stands between a function's parentheses."""
        return self.expression() if self.token.kind == "name" else self.value()

    # -- clauses -----------------------------------------------------------------------------------------------------

    def scope(self) -> str | None:
        """USING SCOPE name."""
        if not self.take_word("USING"):
            return None
        self.need_word("SCOPE")
        if self.token.word not in SCOPES:
            self.refuse()
        return self.advance().word

    def where(self) -> Condition | None:
        """WHERE condition."""
        return self.condition() if self.take_word("WHERE") else None

    def having(self) -> Condition | None:
        """HAVING condition."""
        return self.condition() if self.take_word("HAVING") else None

    def security(self) -> str | None:
        """WITH SECURITY_ENFORCED, USER_MODE or SYSTEM_MODE; data categories are not supported here."""
        if not self.take_word("WITH"):
            return None
        if self.token.word not in {"SECURITY_ENFORCED", "USER_MODE", "SYSTEM_MODE"}:
            self.refuse()
        return self.advance().word

    def group(self) -> Grouping | None:
        """GROUP BY expressions, GROUP BY ROLLUP(...), GROUP BY CUBE(...)."""
        if not self.take_word("GROUP", "BY"):
            return None
        kind = self.token.word
        if kind not in {"ROLLUP", "CUBE"} or self.tokens[self.position + 1].text != "(":
            return Grouping("PLAIN", self.some(self.expression))
        self.advance()
        self.need_mark("(")
        expressions = self.some(self.expression)
        self.need_mark(")")
        return Grouping(kind, expressions)

    def order(self) -> tuple[Order, ...]:
        """ORDER BY terms."""
        return self.some(self.order_term) if self.take_word("ORDER", "BY") else ()

    def order_term(self) -> Order:
        """expression [ASC | DESC] [NULLS FIRST | LAST]."""
        expression = self.expression()
        descending = self.take_word("DESC")
        if not descending:
            self.take_word("ASC")
        nulls = None
        if self.take_word("NULLS"):
            if self.token.word not in {"FIRST", "LAST"}:
                self.refuse()
            nulls = self.advance().word
        return Order(expression, descending, nulls)

    def number_after(self, word: str) -> int | None:
        """LIMIT n or OFFSET n."""
        if not self.take_word(word):
            return None
        token = self.token
        if token.kind != "number" or not token.text.isdigit():
            self.refuse()
        return min(int(self.advance().text), MOST_ROWS)

    def locks(self) -> tuple[str, ...]:
        """FOR VIEW, FOR REFERENCE, FOR UPDATE, UPDATE TRACKING, UPDATE VIEWSTAT."""
        found = []
        while self.at_word("FOR") or self.at_word("UPDATE"):
            allowed = {"VIEW", "REFERENCE", "UPDATE"} if self.advance().word == "FOR" else {"TRACKING", "VIEWSTAT"}
            while True:
                if self.token.word not in allowed:
                    self.refuse()
                found.append(self.advance().word)
                if not self.take_mark(","):
                    break
        return tuple(found)

    # -- conditions --------------------------------------------------------------------------------------------------

    def condition(self) -> Condition:
        """Conditions joined by AND or by OR; a mixture needs parentheses."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.refuse()
        parts = [self.simple()]
        operator: Literal["AND", "OR", ""] = "AND" if self.at_word("AND") else "OR" if self.at_word("OR") else ""
        while operator and self.take_word(operator):
            parts.append(self.simple())
        if self.at_word("AND") or self.at_word("OR"):
            self.refuse()
        self.depth -= 1
        return Logic(operator, tuple(parts)) if operator else parts[0]

    def simple(self) -> Condition:
        """NOT condition, a condition in parentheses, or a comparison."""
        if self.take_word("NOT"):
            return Negation(self.simple())
        if self.take_mark("("):
            inner = self.condition()
            self.need_mark(")")
            return inner
        return self.comparison()

    def comparison(self) -> Condition:
        """left operator right."""
        at = self.token.at
        left = self.expression()
        if self.take_word("NOT", "IN"):
            return self.membership(left, "NOT IN", at)
        for word in ("IN", "INCLUDES", "EXCLUDES"):
            if self.take_word(word):
                return self.membership(left, word, at)
        if self.take_word("LIKE"):
            return Comparison(left, "LIKE", self.value(), at)
        if self.token.kind != "operator":
            self.refuse()
        operator = self.advance().text
        return Comparison(left, "!=" if operator == "<>" else operator, self.value(), at)

    def membership(self, left: Expression, operator: str, at: int) -> Condition:
        """A list of values or a nested query, in parentheses."""
        if self.at_mark(":"):
            self.refuse_bind()
        self.need_mark("(")
        if self.at_word("SELECT") and operator in {"IN", "NOT IN"}:
            nested = self.query()
            self.need_mark(")")
            return SemiJoin(left, operator == "NOT IN", nested, at)
        values = self.some(self.value)
        self.need_mark(")")
        return Membership(left, operator, values, at)

    def refuse_bind(self) -> NoReturn:
        """A bind variable outside Apex."""
        raise faults.fault(self.text, self.token.at, "Bind variables only allowed in Apex code")

    def value(self) -> Value:
        """A literal."""
        token = self.token
        if token.kind == "string":
            return self.string(self.advance())
        if token.kind in {"number", "date", "time", "currency"}:
            self.advance()
            return Value(token.kind, token.text, at=token.at)
        if token.kind == "datetime":
            self.advance()
            return Value("datetime", token.text, at=token.at)
        if token.kind == "name":
            return self.named(self.advance())
        if self.at_mark(":"):
            self.refuse_bind()
        return self.refuse()

    def string(self, token: Token) -> Value:
        """A quoted literal."""
        value, pattern = unescape(self.text, token)
        if len(value) > MAX_LITERAL:
            raise faults.fault(self.text, token.at, f"string literal is longer than {MAX_LITERAL} characters")
        return Value("string", value, pattern, at=token.at)

    def named(self, token: Token) -> Value:
        """TRUE, FALSE, NULL or a date literal, with its number if it takes one."""
        word = token.word
        if word in {"TRUE", "FALSE"}:
            return Value("boolean", word, at=token.at)
        if word == "NULL":
            return Value("null", "NULL", at=token.at)
        if word in PLAIN and not self.at_mark(":"):
            return Value("name", word, at=token.at)
        if word in COUNTED and self.take_mark(":"):
            number = self.advance()
            if number.kind != "number" or not number.text.isdigit():
                self.refuse(number)
            return Value("name", word, count=int(number.text), at=token.at)
        if CURRENCY.fullmatch(token.text):
            return Value("currency", token.text, at=token.at)
        return self.refuse(self.token if word in COUNTED else token)


def walk(condition: Condition | None) -> Iterable[Condition]:
    """Every condition inside a condition, itself included."""
    if condition is None:
        return
    yield condition
    parts = condition.parts if isinstance(condition, Logic) else ()
    for part in (condition.part,) if isinstance(condition, Negation) else parts:
        yield from walk(part)
