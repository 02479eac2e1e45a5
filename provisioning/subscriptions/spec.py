"""What a subscription is to give, in plain values: what a deal compiles to, what a form asks for, what a term keeps."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple


class AddOnLine(NamedTuple):
    """So many of an add-on (`addon-...`)."""

    key: str
    quantity: Decimal


class OverrideLine(NamedTuple):
    """A limit of its own for a feature (`feature-...`): a number, unlimited, or revoked (ST-D6). `soft` None = as sold."""

    feature: str
    limit: Decimal | None
    unlimited: bool = False
    revoked: bool = False
    soft: bool | None = None


@dataclass(frozen=True)
class TermsSpec:
    """A plan by key, its seats (of a per-seat plan), add-ons and own limits; sorted, so that equal terms are equal values."""

    plan: str
    seats: Decimal | None = None
    add_ons: tuple[AddOnLine, ...] = ()
    overrides: tuple[OverrideLine, ...] = ()

    def __post_init__(self) -> None:
        add_ons = sorted(AddOnLine(*each) for each in self.add_ons)
        overrides = sorted((OverrideLine(*each) for each in self.overrides), key=lambda line: line.feature)
        object.__setattr__(self, "add_ons", tuple(add_ons))
        object.__setattr__(self, "overrides", tuple(overrides))

    def as_dict(self) -> dict[str, Any]:
        """JSON values; numbers as texts, so that no digit is lost."""
        return {
            "plan": self.plan,
            "seats": _text(self.seats),
            "add_ons": [{"key": line.key, "quantity": _text(line.quantity)} for line in self.add_ons],
            "overrides": [{**line._asdict(), "limit": _text(line.limit)} for line in self.overrides],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TermsSpec":
        """The spec that `as_dict` wrote; raises ValueError naming what does not fit."""
        try:
            return cls(
                plan=str(values["plan"]),
                seats=_number(values.get("seats")),
                add_ons=tuple(AddOnLine(str(line["key"]), _needed(line["quantity"])) for line in _lines(values, "add_ons")),
                overrides=tuple(_override(line) for line in _lines(values, "overrides")),
            )
        except (KeyError, TypeError, InvalidOperation) as error:
            raise ValueError(f"These are no terms of a subscription: {error!r}.") from error


def _lines(values: Mapping[str, Any], name: str) -> Iterable[Mapping[str, Any]]:
    return values.get(name) or ()


def _override(line: Mapping[str, Any]) -> OverrideLine:
    unlimited, revoked = bool(line.get("unlimited")), bool(line.get("revoked"))
    return OverrideLine(str(line["feature"]), _number(line.get("limit")), unlimited, revoked, line.get("soft"))


def _number(value: Any) -> Decimal | None:
    return None if value in (None, "") else Decimal(str(value))


def _needed(value: Any) -> Decimal:
    return Decimal(str(value))


def _text(number: Decimal | None) -> str | None:
    return None if number is None else f"{number.normalize():f}"
