"""Summary formulas: arithmetic over the aggregates of a group, as in `AMOUNT:SUM / RowCount`."""

import re
from collections.abc import Callable, Mapping

from integrations.demo_org.errors import ApiError

TOKEN = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w.$]*(?::[A-Za-z]+)?)|(?P<sign>[-+*/()]))")
KINDS = {"SUM": "s!", "AVG": "a!", "MIN": "m!", "MAX": "mx!", "UNIQUE": "u!"}
MAX_DEPTH = 30
Values = Mapping[str, float | None]
Compute = Callable[[Values], float | None]


class Formula:
    """A parsed formula. `needs` are the aggregates it reads (s!AMOUNT, RowCount)."""

    def __init__(self, text: str) -> None:
        self.needs: list[str] = []
        self._text = text
        self._tokens = self._cut(text)
        self._depth = 0
        self.compute: Compute = self._sum()
        if self._tokens:
            raise self._bad()

    def _cut(self, text: str) -> list[str]:
        tokens, position = [], 0
        while position < len(text.rstrip()):
            found = TOKEN.match(text, position)
            if not found:
                raise self._bad()
            tokens.append(found.group().strip())
            position = found.end()
        return tokens

    def _bad(self) -> ApiError:
        return ApiError(400, "BAD_REQUEST", f"The formula is not valid: {self._text}")

    def _next(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def _sum(self) -> Compute:
        left = self._product()
        while self._next() in {"+", "-"}:
            left = _combine(self._tokens.pop(0), left, self._product())
        return left

    def _product(self) -> Compute:
        left = self._factor()
        while self._next() in {"*", "/"}:
            left = _combine(self._tokens.pop(0), left, self._factor())
        return left

    def _factor(self) -> Compute:
        self._depth += 1
        if not self._tokens or self._depth > MAX_DEPTH * 10:
            raise self._bad()
        word = self._tokens.pop(0)
        if word == "-":
            return _combine("-", lambda _values: 0.0, self._factor())
        if word == "(":
            inner = self._sum()
            if self._next() != ")":
                raise self._bad()
            self._tokens.pop(0)
            return inner
        if word[0].isdigit():
            number = float(word)
            return lambda _values: number
        return self._aggregate(word)

    def _aggregate(self, word: str) -> Compute:
        name = word
        if word != "RowCount":
            column, _, kind = word.partition(":")
            if kind.upper() not in KINDS:
                raise self._bad()
            name = KINDS[kind.upper()] + column
        self.needs.append(name)
        return lambda values: values.get(name)


def _combine(sign: str, left: Compute, right: Compute) -> Compute:
    """Arithmetic in which missing values and division by zero give nothing."""

    def compute(values: Values) -> float | None:
        a, b = left(values), right(values)
        if a is None or b is None or (sign == "/" and b == 0):
            return None
        return {"+": a.__add__, "-": a.__sub__, "*": a.__mul__, "/": a.__truediv__}[sign](b)

    return lambda values: compute({key: None if each is None else float(each) for key, each in values.items()})
