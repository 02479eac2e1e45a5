"""What moved recurring revenue in a time, and the rates that follow from it (analytics reference, section 6). Pure, exact."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, localcontext

ZERO = Decimal(0)
UP, DOWN = ("new", "expansion", "reactivation"), ("contraction", "churn")


@dataclass(frozen=True, slots=True)
class Flow:
    """MRR at the start and the end of a time, and what lies between; amounts that go down are positive, too.

    start + new + expansion + reactivation - contraction - churn = end, exactly; `check` says so.
    """

    start: Decimal = ZERO
    new: Decimal = ZERO
    expansion: Decimal = ZERO
    reactivation: Decimal = ZERO
    contraction: Decimal = ZERO
    churn: Decimal = ZERO
    end: Decimal = ZERO

    def check(self) -> bool:
        """Whether the identity holds."""
        up = self.new + self.expansion + self.reactivation
        return self.start + up - self.contraction - self.churn == self.end

    def then(self, later: "Flow") -> "Flow":
        """This time and the one that follows it."""
        return Flow(
            self.start, self.new + later.new, self.expansion + later.expansion, self.reactivation + later.reactivation,
            self.contraction + later.contraction, self.churn + later.churn, later.end,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kept:
    """Subjects with MRR at the base: how many, how many still pay, and the money of both sides."""

    base_subjects: int = 0
    kept_subjects: int = 0
    base: Decimal = ZERO
    kept: Decimal = ZERO
    capped: Decimal = ZERO
    """The sum of the smaller of both sides of each: what is left without expansion."""

    @property
    def nrr(self) -> Decimal | None:
        """Net revenue retention; None without a base."""
        return ratio(self.kept, self.base)

    @property
    def grr(self) -> Decimal | None:
        """Gross revenue retention, never above 1; None without a base."""
        return ratio(self.capped, self.base)

    @property
    def logos(self) -> Decimal | None:
        """The share of subjects that still pay; None without a base."""
        return ratio(Decimal(self.kept_subjects), Decimal(self.base_subjects))


def ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    """Exact to 28 digits; None for a zero denominator (R-241)."""
    if whole == 0:
        return None
    with localcontext(prec=28):
        return part / whole


def as_float(value: Decimal | None) -> float | None:
    """For a document."""
    return None if value is None else float(value)


def money(value: Decimal) -> str:
    """For a document: two places, which every amount has."""
    return format(value.quantize(Decimal("0.01")), "f")


def joined(flows: Iterable[Flow]) -> Flow:
    """Several groups of subjects in the same time."""
    listed = list(flows)
    names = ("start", "new", "expansion", "reactivation", "contraction", "churn", "end")
    return Flow(*(sum((getattr(each, name) for each in listed), ZERO) for name in names))
