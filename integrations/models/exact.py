"""Exact decimals on every database. SQLite has no decimal type: it keeps 15 digits of a number, so ours are stored as text."""

from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class ExactDecimalField(models.Field):
    """A Decimal that is never rounded by the database: `numeric` in PostgreSQL, text in SQLite.

    Do not compare, sort or add it up in a query on SQLite, where it is text; read the rows instead. Values with more than
    `decimal_places` digits after the point, or more than `max_digits` in all, are refused by validation.
    """

    description = "Exact decimal"

    def __init__(self, *args: Any, max_digits: int = 38, decimal_places: int = 12, **options: Any) -> None:
        self.max_digits, self.decimal_places = max_digits, decimal_places
        super().__init__(*args, **options)

    def deconstruct(self) -> Any:
        name, path, args, options = super().deconstruct()
        return name, path, args, {**options, "max_digits": self.max_digits, "decimal_places": self.decimal_places}

    def get_internal_type(self) -> str:
        return "ExactDecimalField"  # no backend's own conversion: SQLite's would go through a float

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        exact = connection.vendor == "postgresql"
        return f"numeric({self.max_digits}, {self.decimal_places})" if exact else "text"

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Decimal | None:
        return None if value is None else plain(Decimal(str(value)))

    def to_python(self, value: Any) -> Decimal | None:
        if value is None or isinstance(value, Decimal):
            return value
        try:
            return Decimal(str(value).strip())
        except InvalidOperation:
            raise ValidationError(f"“{value}” is not a decimal number.", code="invalid") from None

    def validate(self, value: Any, model_instance: Any) -> None:
        super().validate(value, model_instance)
        if value is not None and (message := problem_of(value, digits=self.max_digits, places=self.decimal_places)):
            raise ValidationError(message, code="invalid")

    def get_prep_value(self, value: Any) -> Any:
        return self.to_python(value)

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        number = value if prepared else self.get_prep_value(value)
        if number is None or connection.vendor == "postgresql":
            return number
        return f"{plain(number):f}"

    def value_to_string(self, obj: models.Model) -> str:
        value = self.value_from_object(obj)
        return "" if value is None else f"{plain(value):f}"

    def formfield(self, **options: Any) -> Any:
        from django.forms import DecimalField

        own = {"form_class": DecimalField, "max_digits": self.max_digits, "decimal_places": self.decimal_places}
        return super().formfield(**{**own, **options})


def plain(number: Decimal) -> Decimal:
    """The same number without needless zeros and without an exponent: equal numbers have one form."""
    if not number.is_finite():
        return number
    whole = number == number.to_integral_value()
    return number.quantize(Decimal(1)) if whole else number.normalize()


def problem_of(number: Decimal, *, digits: int, places: int) -> str:
    """Why the number does not fit, "" when it does."""
    if not number.is_finite():
        return "must be a finite number"
    _, figures, exponent = number.normalize().as_tuple()
    after = max(0, -int(exponent))
    before = max(0, len(figures) + int(exponent))
    if after > places:
        return f"must have at most {places} decimals"
    if before > digits - places:
        return f"must have at most {digits - places} digits before the point"
    return ""
