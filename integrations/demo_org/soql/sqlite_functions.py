"""The few functions that SQLite lacks. They run in Python, so statements use them only on selected or already filtered rows."""

import math
import sqlite3

from integrations.demo_org.soql.formats import format_value
from integrations.demo_org.soql.terms import has_words


def _fold(text: str | None) -> str | None:
    """Text without case, beyond A-Z."""
    return text.casefold() if isinstance(text, str) else text


def _distance(lat1: float | None, lon1: float | None, lat2: float | None, lon2: float | None, radius: float) -> float | None:
    """Great-circle distance in the unit of `radius`."""
    if None in (lat1, lon1, lat2, lon2):
        return None
    a, b, c, d = (math.radians(float(each or 0)) for each in (lat1, lon1, lat2, lon2))
    half = math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
    return 2 * radius * math.asin(min(1.0, math.sqrt(half)))


def register(connection: sqlite3.Connection) -> sqlite3.Connection:
    """The same connection, knowing our functions. Cheap when it knows them already."""
    known = connection.execute("SELECT 1 FROM pragma_function_list WHERE name = 'sf_fold'").fetchone()
    if not known:
        connection.create_function("sf_fold", 1, _fold, deterministic=True)
        connection.create_function("sf_distance", 5, _distance, deterministic=True)
        connection.create_function("sf_format", 4, format_value, deterministic=True)
        connection.create_function("sf_words", 2, has_words, deterministic=True)
    return connection
