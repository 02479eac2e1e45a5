"""What a quantity means (ST-D6) and which ones nobody can mean (R-191). Pure."""

from decimal import Decimal

from provisioning.intent.mapping import ENTITLEMENT, WORDS, Mapped
from provisioning.intent.result import Problem

MOST = Decimal(10**9) - 1  # a billion and more is a slip of the hand
UNLIMITED = Decimal(-1)


def problem_of_quantity(mapped: Mapped, *, zero_cancels: bool) -> Problem | None:
    """Why the line's quantity cannot be used; `zero_cancels` in amendments, where 0 takes the line away."""
    line, quantity = mapped.line, mapped.line.quantity
    is_limit = mapped.type == ENTITLEMENT
    if is_limit and (line.unlimited or quantity is None):
        return None  # the tick decides, or the plan's own limit
    if quantity is None:
        return _needed(mapped)
    words = _words(quantity, is_limit=is_limit, zero_cancels=zero_cancels)
    if not words:
        return None
    text = f"{quantity.normalize():f}" if quantity.is_finite() else str(quantity)
    message = f"{line.label} has the quantity {text}: {words}."
    return Problem(line.number, "bad_quantity", message, "Correct the quantity in Salesforce.", line.name)


def _needed(mapped: Mapped) -> Problem:
    line = mapped.line
    message = f"{line.label} has no quantity; a line of type {WORDS[mapped.type]} needs one."
    return Problem(line.number, "no_quantity", message, "Enter the quantity in Salesforce.", line.name)


def _words(quantity: Decimal, *, is_limit: bool, zero_cancels: bool) -> str:
    if not quantity.is_finite():
        return "that is no number"
    if quantity < 0 and not (is_limit and quantity == UNLIMITED):
        return "only -1 (unlimited) may stand below 0" if is_limit else "it must be above 0"
    if quantity == 0 and not is_limit and not zero_cancels:
        return "it must be above 0"
    if quantity != quantity.to_integral_value():
        return "it must be a whole number"
    if quantity > MOST:
        return "that is too much; -1 means unlimited" if is_limit else "that is too much"
    return ""
