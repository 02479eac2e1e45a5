"""I-07 as a property: whatever the order of files, the newest version of each key is read, by both engines, always."""

import shutil
import uuid
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from integrations.lake import upkeep
from integrations.lake.reading import newest
from integrations.lake.tables import ensure_table
from tests.lake.rows import read, store

pytestmark = pytest.mark.django_db
COLUMNS = [("k", "text"), ("v", "whole"), ("gone", "flag"), ("a", "number"), ("b", "text"), ("c", "text"), ("d", "text")]
quick = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)  # fmt: skip

row = st.tuples(st.sampled_from("abcde"), st.none() | st.integers(-2, 3), st.none() | st.booleans())
files = st.lists(
    st.tuples(st.sampled_from(["write", "write", "write", "compact"]), st.lists(row, max_size=6)), min_size=1, max_size=6
)


def expected(written: list[tuple[str, int | None, bool | None, int]], *, versioned: bool) -> dict[str, tuple]:
    """The rule in plain words: larger version, then what was written later; no version is the oldest."""
    best: dict[str, tuple] = {}
    for place, (key, version, gone, mark) in enumerate(written):
        rank = ((version is not None, version or 0) if versioned else (), place)
        if key not in best or rank > best[key][0]:
            best[key] = (rank, version, gone, mark)
    return best


@pytest.mark.parametrize("narrow", [True, False], ids=["narrow", "wide"])
@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "last"])
@quick
@given(steps=files)
def test_i_07_newer_wins_whatever_the_order(engine_name, versioned, narrow, steps):
    table = ensure_table(f"t/{uuid.uuid4().hex}", columns=COLUMNS, key="k", version="v" if versioned else "", removed="gone")
    written: list[tuple[str, int | None, bool | None, int]] = []
    for action, rows in steps:
        if action == "compact":
            upkeep.compact(table, now=timezone.now())
        marked = [(*each, len(written) + n) for n, each in enumerate(rows)]
        written += marked
        store(table, [{"k": k, "v": v, "gone": gone, "a": Decimal(mark), "b": "x"} for k, v, gone, mark in marked])
    wanted = expected(written, versioned=versioned)
    columns = ["k", "a"] if narrow else None
    everything = {each["k"]: int(each["a"]) for each in read(newest(table, columns=columns, include_removed=True))}
    assert everything == {key: mark for key, (_, _, _, mark) in wanted.items()}
    live = {each["k"]: int(each["a"]) for each in read(newest(table, columns=columns))}
    assert live == {key: mark for key, (_, _, gone, mark) in wanted.items() if not gone}
    some = {each["k"]: int(each["a"]) for each in read(newest(table, columns=columns, keys=["a", "e", "'; --", "\\"]))}
    assert some == {key: mark for key, mark in live.items() if key in "ae"}
    shutil.rmtree(Path(_folder(table)), ignore_errors=True)


def _folder(table) -> Path:
    from integrations.lake import storage

    return storage.open_store().root / table.name
