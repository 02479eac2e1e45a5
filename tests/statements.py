"""Which tests are worth a second run on another kind of database: those whose statements no other chosen test sends.

The whole suite runs on SQLite first. Meanwhile `--note-statements FOLDER` writes down, for each test, the statements that it sent,
the kinds of values that went with each (empty, long, beyond ASCII, whole numbers above 31 and 63 bits, ...) and the ways in which
one failed. `--only-database --by-statements FOLDER` then takes, cheapest first, as few tests as send all of them. Tests about
concurrency, those that commit, and those of which nothing was noted (new, skipped, renamed) always run.
"""

import hashlib
import heapq
import json
import math
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from django.db.backends.utils import CursorWrapper

SMALL_CHANGE = 0.02
"""Seconds that any test costs."""
LISTS = re.compile(r"\((?:(?:%s|NULL|\d+)(?:, )?)+\)(?:, \((?:(?:%s|NULL|\d+)(?:, )?)+\))*")
NUMBERS = re.compile(r"\b\d+\b")
OF_NO_TABLE = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "PRAGMA")


def name_of(item: pytest.Item) -> str:
    """The test's id, also where groups are appended to it."""
    return f"{item.location[0]}::{item.location[2]}"


@lru_cache(maxsize=50_000)
def shape_of(sql: str) -> str:
    """The statement without numbers and lengths of lists; empty for those about transactions."""
    if sql.lstrip().upper().startswith(OF_NO_TABLE):
        return ""
    return NUMBERS.sub("0", LISTS.sub("(...)", sql))


def kind_of(value: object) -> str:
    """What databases may treat differently about a value."""
    if isinstance(value, str):
        return _kind_of_text(value)
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, int):
        return f"int {63 if abs(value) >= 2**63 else 31 if abs(value) >= 2**31 else 0}"
    if isinstance(value, float) and not math.isfinite(value):
        return "not finite"
    if isinstance(value, Decimal):
        return f"decimal {len(value.as_tuple().digits) > 15}"
    if isinstance(value, datetime):
        return f"instant {value.tzinfo is not None}"
    return type(value).__name__


def _kind_of_text(value: str) -> str:
    if "\x00" in value:
        return "text with NUL"
    return f"text {'none' if not value else 'long' if len(value) > 255 else 'short'} {value.isascii()}"


@lru_cache(maxsize=200_000)
def _digest(shape: str, kind: str) -> str:
    return hashlib.blake2b(f"{shape}\n{kind}".encode(), digest_size=6).hexdigest()


class Notes:
    """The plugin that writes down what each test sends."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._place = folder / f"{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}.jsonl"
        self._place.unlink(missing_ok=True)
        self._sent: set[str] = set()
        self._patched = pytest.MonkeyPatch()

    def pytest_sessionstart(self) -> None:
        """From here on all threads' cursors tell."""
        for name, is_many in (("_execute", False), ("_executemany", True)):
            self._patched.setattr(CursorWrapper, name, self._telling(getattr(CursorWrapper, name), is_many=is_many))

    def pytest_sessionfinish(self) -> None:
        self._patched.undo()

    def _telling(self, send: Any, *, is_many: bool) -> Any:
        def telling(cursor: CursorWrapper, sql: Any, params: Any, *context: Any) -> Any:
            shape = shape_of(str(sql))
            if is_many:
                params = list(params)
            try:
                answer = send(cursor, sql, params, *context)
            except Exception as error:
                self._sent.add(_digest(shape, f"fails: {type(error).__name__}"))
                raise
            if shape:
                self._sent.update(_digest(shape, kind) for kind in {"", *kinds_of(params if is_many else [params])})
            return answer

        return telling

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._sent.clear()
        began = time.process_time()
        yield
        found = {"test": name_of(item), "seconds": round(time.process_time() - began, 3), "sent": sorted(self._sent)}
        with self._place.open("a") as notes:
            notes.write(json.dumps(found) + "\n")


def kinds_of(many: Iterable[Any]) -> set[str]:
    """The kinds of all parameters of a statement."""
    values = (value for params in many if params for value in (params.values() if isinstance(params, Mapping) else params))
    return {kind_of(value) for value in values}


def read_notes(folder: Path) -> dict[str, tuple[float, set[str]]]:
    """What each test costs in seconds, and what it sends; only of tests that sent anything."""
    lines = [line for place in sorted(folder.glob("*.jsonl")) for line in place.read_text().splitlines()]
    noted = [json.loads(line) for line in lines]
    return {each["test"]: (each["seconds"] + SMALL_CHANGE, set(each["sent"])) for each in noted if each["sent"]}


def choose(noted: Mapping[str, tuple[float, set[str]]], *, always: Iterable[str] = ()) -> set[str]:
    """As few and cheap tests as send everything that all of them send, beyond what those that run `always` send."""
    chosen = set(always)
    left = set().union(*(sent for _, sent in noted.values())) if noted else set()
    for name in chosen & noted.keys():
        left -= noted[name][1]
    # What a test adds only shrinks, so a test that is still the best when looked at again is the best of all.
    queue = [(-len(sent) / cost, name) for name, (cost, sent) in noted.items() if name not in chosen]
    heapq.heapify(queue)
    while left and queue:
        _, name = heapq.heappop(queue)
        cost, sent = noted[name]
        worth = -len(sent & left) / cost
        if worth and queue and worth > queue[0][0]:
            heapq.heappush(queue, (worth, name))
        elif worth:
            chosen.add(name)
            left -= sent
    return chosen
