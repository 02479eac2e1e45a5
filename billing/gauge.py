"""Adding up usage, one use after the other, so that memory does not grow with the number of uses. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from billing.pricing import ZERO

COUNT, MAX, LATEST, UNIQUE = "count", "max", "latest", "unique"  # anything else is a sum


@dataclass(slots=True)
class Gauge:
    """Usage of one customer so far. Reports and events go into the same one: a value that both name counts once."""

    how: str
    uses: int = 0
    sum: Decimal = ZERO
    largest: Decimal | None = None
    latest: tuple[datetime, Decimal] | None = None
    values: set[str] = field(default_factory=set)

    def add(self, at: datetime, quantity: Decimal, value: str) -> None:
        """One use; the order of uses does not matter."""
        self.uses += 1
        if self.how == UNIQUE:
            if value:
                self.values.add(value)
        elif self.how == MAX:
            self.largest = quantity if self.largest is None else max(self.largest, quantity)
        elif self.how == LATEST:
            self.latest = (at, quantity) if self.latest is None else max(self.latest, (at, quantity))
        else:
            self.sum += quantity

    def copy(self) -> "Gauge":
        """Another one with the same uses, to go on with."""
        return Gauge(self.how, self.uses, self.sum, self.largest, self.latest, set(self.values))

    def join(self, other: "Gauge") -> None:
        """Take in the uses of another one that gauges in the same way."""
        self.uses += other.uses
        self.sum += other.sum
        self.values |= other.values
        if other.largest is not None:
            self.largest = other.largest if self.largest is None else max(self.largest, other.largest)
        if other.latest is not None:
            self.latest = other.latest if self.latest is None else max(self.latest, other.latest)

    @property
    def result(self) -> Decimal:
        """The usage; 0 without uses."""
        if self.how == COUNT:
            return Decimal(self.uses)
        if self.how == UNIQUE:
            return Decimal(len(self.values))
        if self.how == MAX:
            return ZERO if self.largest is None else self.largest
        if self.how == LATEST:
            return ZERO if self.latest is None else self.latest[1]
        return self.sum
