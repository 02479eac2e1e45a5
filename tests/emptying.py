"""Emptying the database after a test that committed: only tables that hold anything, in one transaction.

Django truncates every table and then makes content types and permissions anew: 0.13 s of work on SQLite, on PostgreSQL a second,
for rows that are the same afterwards. Here these two tables are left as they are. Foreign keys are checked at the end of a
transaction on both databases, so the order of the tables does not matter.
"""

from django.db import connections, transaction
from django.test import TransactionTestCase

KEPT = {"django_migrations", "django_content_type", "auth_permission"}


def empty_tables(alias: str) -> list[str]:
    """Delete all rows of that database; the names of the tables that held any."""
    connection = connections[alias]
    names = sorted(set(connection.introspection.django_table_names(only_existing=True)) - KEPT)
    quote = connection.ops.quote_name
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(f'EXISTS (SELECT 1 FROM {quote(name)})' for name in names)}")
        filled = [name for name, is_filled in zip(names, cursor.fetchone(), strict=True) if is_filled]
        for name in filled:
            cursor.execute(f"DELETE FROM {quote(name)}")
    return filled


def _empty_after(test: TransactionTestCase) -> None:
    for alias in test._databases_names(include_mirrors=False):
        empty_tables(alias)


def empty_quickly() -> None:
    """From here on tests that commit are followed by `empty_tables`."""
    TransactionTestCase._fixture_teardown = _empty_after
