"""The functions that queries know, and what each takes and gives."""

AGGREGATES = frozenset({"COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX"})
DATE_PARTS = {
    "CALENDAR_YEAR": "CAST(strftime('%Y', {0}) AS INTEGER)",
    "CALENDAR_QUARTER": "((CAST(strftime('%m', {0}) AS INTEGER) + 2) / 3)",
    "CALENDAR_MONTH": "CAST(strftime('%m', {0}) AS INTEGER)",
    "DAY_IN_MONTH": "CAST(strftime('%d', {0}) AS INTEGER)",
    "DAY_IN_WEEK": "(CAST(strftime('%w', {0}) AS INTEGER) + 1)",
    "DAY_IN_YEAR": "CAST(strftime('%j', {0}) AS INTEGER)",
    "WEEK_IN_MONTH": "((CAST(strftime('%d', {0}) AS INTEGER) + 6) / 7)",
    "WEEK_IN_YEAR": "((CAST(strftime('%j', {0}) AS INTEGER) + 6) / 7)",
    "HOUR_IN_DAY": "CAST(strftime('%H', {0}) AS INTEGER)",
    "DAY_ONLY": "strftime('%Y-%m-%d', {0})",
    "FISCAL_MONTH": "((CAST(strftime('%m', {0}) AS INTEGER) - {1} + 12) % 12 + 1)",
    "FISCAL_QUARTER": "((CAST(strftime('%m', {0}) AS INTEGER) - {1} + 12) % 12 / 3 + 1)",
    "FISCAL_YEAR": "(CAST(strftime('%Y', {0}) AS INTEGER) + ({1} > 1 AND CAST(strftime('%m', {0}) AS INTEGER) >= {1}))",
}
DATETIME_ONLY = frozenset({"HOUR_IN_DAY", "DAY_ONLY"})
CONVERSIONS = frozenset({"TOLABEL", "FORMAT", "CONVERTCURRENCY", "CONVERTTIMEZONE"})
PLACES = frozenset({"DISTANCE", "GEOLOCATION"})
FUNCTIONS = AGGREGATES | frozenset(DATE_PARTS) | CONVERSIONS | PLACES | {"GROUPING", "FIELDS"}
EARTH_RADIUS = {"mi": 3958.7564, "km": 6371.0088}
