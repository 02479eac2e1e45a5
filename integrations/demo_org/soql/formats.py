"""How a locale writes numbers, amounts and dates: for FORMAT() and for the labels of reports."""

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal


@dataclass(frozen=True)
class Style:
    """Separators and date order of a locale; `{s}` and `{n}` in `money` are the currency sign and the number."""

    group: str = ","
    point: str = "."
    day: str = "{m}/{d}/{y}"
    money: str = "{s}{n}"
    clock12: bool = True


STYLES = {
    "en_US": Style(),
    "en_GB": Style(day="{d:02}/{m:02}/{y}", clock12=False),
    "en_IE": Style(day="{d:02}/{m:02}/{y}", clock12=False),
    "en_AU": Style(day="{d}/{m:02}/{y}"),
    "de_DE": Style(".", ",", "{d:02}.{m:02}.{y}", "{n} {s}", False),
    "fr_FR": Style("\u202f", ",", "{d:02}/{m:02}/{y}", "{n} {s}", False),
    "es_ES": Style(".", ",", "{d}/{m}/{y}", "{n} {s}", False),
    "it_IT": Style(".", ",", "{d:02}/{m:02}/{y}", "{n} {s}", False),
    "ja_JP": Style(",", ".", "{y}/{m:02}/{d:02}", "{s}{n}", False),
}
EXACT = Context(prec=400, rounding=ROUND_HALF_UP)
SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def style_of(locale: str) -> Style:
    """The style of a locale; the language's usual one, else that of the United States."""
    language = locale.partition("_")[0]
    return STYLES.get(locale) or next((style for name, style in STYLES.items() if name.startswith(language + "_")), Style())


def format_number(value: float, scale: int, locale: str) -> str:
    """1234.5 with scale 2 as 1,234.50; halves are rounded away from zero, as Salesforce does."""
    style = style_of(locale)
    text = f"{EXACT.quantize(Decimal(repr(float(value))), Decimal(1).scaleb(-scale)):,f}"
    return text.translate({ord(","): style.group, ord("."): style.point})


def format_money(value: float, scale: int, locale: str, currency: str = "USD") -> str:
    """$1,234.50 in the locale's way; negative amounts in parentheses where dollars are used, as Salesforce does."""
    style = style_of(locale)
    sign = SIGNS.get(currency, currency + " ")
    text = style.money.format(s=sign, n=format_number(abs(value), scale, locale))
    if value >= 0:
        return text
    return f"({text})" if style.point == "." else f"-{text}"


def format_percent(value: float, scale: int, locale: str) -> str:
    """45 as 45%."""
    return f"{format_number(value, scale, locale)}%"


def format_date(text: str, locale: str) -> str:
    """2021-12-03 as 12/3/2021."""
    day = date.fromisoformat(text[:10])
    return style_of(locale).day.format(d=day.day, m=day.month, y=day.year)


def format_datetime(text: str, locale: str) -> str:
    """2021-12-03T17:59:20.000Z (local time already) as 12/3/2021, 5:59 PM."""
    return f"{format_date(text, locale)}, {format_time(text[11:], locale)}"


def format_time(text: str, locale: str) -> str:
    """17:59:20.000Z as 5:59 PM."""
    hour, minute = int(text[:2]), text[3:5]
    if not style_of(locale).clock12:
        return f"{hour:02}:{minute}"
    return f"{hour % 12 or 12}:{minute} {'PM' if hour >= 12 else 'AM'}"


def format_value(value: object, kind: str, scale: int, locale: str) -> str | None:
    """A stored value of describe type `kind` as text; None stays None."""
    if value is None:
        return None
    if isinstance(value, int | float):
        styles = {"currency": format_money, "percent": format_percent}
        return styles.get(kind, format_number)(float(value), scale, locale)
    styles = {"date": format_date, "datetime": format_datetime, "time": format_time}
    return styles[kind](str(value), locale) if kind in styles else str(value)
