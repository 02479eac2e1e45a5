"""Small transactions of the ledger, tried again when the database lost a race or was away for a moment (R-258, R-259)."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction

T = TypeVar("T")
WAITS = (0.1, 0.5, 2.0)  # seconds before the second, third and fourth try
CONFLICTS = {"40001", "40P01", "55P03"}  # serialization failure, deadlock, lock not available (PostgreSQL)


def is_conflict(error: BaseException) -> bool:
    """Whether the database undid the transaction only because another one was in its way."""
    if getattr(error.__cause__, "sqlstate", None) in CONFLICTS:
        return True
    return isinstance(error, OperationalError) and "is locked" in str(error)  # SQLite


def is_away(error: BaseException) -> bool:
    """Whether the database could not be reached or went away (restart, failover), rather than refusing a statement."""
    if isinstance(error, InterfaceError):
        return True
    state = getattr(error.__cause__, "sqlstate", None) or ""
    lost = not state or state.startswith(("08", "57P"))
    return isinstance(error, OperationalError) and lost and connection.vendor == "postgresql"


def in_transaction(work: Callable[[], T], *, repeatable: bool = False) -> T:
    """`work()` in a transaction of its own, at most four times after conflicts.

    `repeatable` says that doing it twice is harmless: then it is also tried again when the database went away, where nobody
    knows whether the commit had arrived. Inside a caller's transaction there is one try: only the caller can begin anew.
    """
    nested = connection.in_atomic_block
    for wait in (*WAITS, None):
        try:
            with transaction.atomic():
                return work()
        except DatabaseError as error:
            again = is_conflict(error) or (repeatable and is_away(error))
            if nested or wait is None or not again:
                raise
        except InterfaceError:
            if nested or wait is None or not repeatable:
                raise
        connection.close_if_unusable_or_obsolete()
        time.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
    raise AssertionError("unreachable")
