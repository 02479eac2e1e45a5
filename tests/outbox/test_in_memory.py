"""Rows that are few enough are sorted and joined in memory: the same rows as the engine's statements give."""

import random
from decimal import Decimal

import pyarrow as pa
import pytest

from integrations.lake.engine import open_engine
from integrations.sync.outbox import answers, diffing, in_memory
from integrations.sync.outbox.columns import Column

COLUMNS = (Column("Name", "Name", "text", "text"), Column("Budget__c", "Budget__c", "number", "number"))
TYPES = (pa.string(), pa.decimal128(38, 12))
TERMS = diffing.Terms(columns=COLUMNS, upsert=True, by_id=False, work=True)


def compared(seed, n=400):
    """Compared rows as `diff.sql` gives them, in no order, some with equal parents, blanks and signs beyond ASCII."""
    dice = random.Random(seed)
    pick, flag = dice.choice, lambda: dice.random() < 0.5
    keys = [pick("abÄzß🙂Z ") + str(i) for i in range(n)]
    dice.shuffle(keys)
    rows = {
        "key_": keys, "id_": [pick([None, f"id{i}"]) for i in range(n)], "parent_": [pick([None, "", "p", "P", "Ä"]) for _ in keys],
        "label_": [pick([None, "L"]) for _ in keys], "new_": [flag() for _ in keys], "remove_": [flag() for _ in keys],
        "sent_": [pick(["11", "10", "01"]) for _ in keys], "known_": ["11"] * n, "heavy_": [flag() for _ in keys],
        "level_": pa.array([dice.randrange(3) for _ in keys], pa.int64()),
        "fate_": [pick(["send", "remove", "orphan", "bad"]) for _ in keys],
    }  # fmt: skip
    for n_, kind in enumerate(TYPES):
        made = (lambda: pick([None, "", "x", "y"])) if n_ == 0 else (lambda: pick([None, Decimal("1.5"), Decimal("0")]))
        rows |= {f"v{n_}": pa.array([made() for _ in keys], kind), f"b{n_}": pa.array([made() for _ in keys], kind)}
        rows[f"c{n_}"] = [flag() for _ in keys]
    return pa.table(rows)


def in_parts(table, size):
    return pa.Table.from_batches(table.to_batches(max_chunksize=size))


@pytest.mark.parametrize("creates_last", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_arranged_rows_are_those_of_the_statement(seed, creates_last):
    work = in_parts(compared(seed), 90)
    with open_engine() as engine:
        engine.bind("work", work)
        wanted = engine.table(diffing.stage_statement(TERMS, creates_last=creates_last), offset=0)
    found = in_memory.arrange(work, COLUMNS, creates_last=creates_last)
    assert set(found.column_names) == set(wanted.column_names)
    assert found.select(wanted.column_names).to_pylist() == wanted.sort_by("place_").to_pylist()


def test_nothing_to_send_is_no_row():
    work = compared(1).filter(pa.array([False] * 400))
    assert in_memory.arrange(work, COLUMNS, creates_last=False).num_rows == 0


def told(rows, seed):
    """Answers in another order than the rows, for most of them."""
    dice = random.Random(seed)
    keys = [key for key in rows.column("key_").to_pylist() if dice.random() < 0.8]
    dice.shuffle(keys)
    ids = [None if dice.random() < 0.1 else f"new-{key}" for key in keys]
    parts = [(key, id_, dice.choice([answers.WRITTEN, answers.FAILED])) for key, id_ in zip(keys, ids, strict=True)]
    return pa.concat_tables(
        [answers.answer_table([key], outcome, ids=[id_]) for key, id_, outcome in parts] or [answers.nothing()]
    )


@pytest.mark.parametrize("seed", range(3))
def test_accepted_rows_and_samples_are_those_of_the_statements(seed):
    rows = in_memory.arrange(compared(seed), COLUMNS, creates_last=False)
    said = told(rows, seed)
    written = said.filter(pa.array([each == answers.WRITTEN for each in said.column("outcome_").to_pylist()]))
    placed = list(enumerate(COLUMNS))
    with open_engine() as engine:
        engine.bind("sent", rows)
        engine.bind("answers", said)
        wanted = engine.table(diffing.whole_statement(placed)).sort_by("key_")
        samples = engine.table(diffing.read_statement("samples.sql", room="20"))
    found = in_memory.find_answers(rows, written)
    assert in_memory.accept(rows, written, found, placed).select(wanted.column_names).sort_by("key_").to_pylist() == (
        wanted.to_pylist()
    )
    listed = in_memory.first_written(rows, written, found, 20)
    assert listed.select(samples.column_names).to_pylist() == samples.to_pylist()


def test_rows_of_a_batch_are_found_by_their_places_though_some_are_missing():
    rows = pa.table({"place_": [1, 2, 5, 6, 9], "key_": list("abcde")})
    assert in_memory.between(rows, 2, 6).column("key_").to_pylist() == ["b", "c", "d"]
    assert in_memory.between(rows, 3, 4).num_rows == 0
    assert in_memory.between(rows, 1, 9).num_rows == 5


@pytest.mark.parametrize(
    ("sent", "answered", "fits"),
    [
        (["a", "b"], ["b", "a"], True),
        (["a", "b"], ["a"], False),
        (["a", "b"], ["a", "a"], False),
        (["a", "b"], ["a", "c"], False),
        (["a", "a"], ["a", "b"], False),
        (["a"], ["a", "b"], False),
        ([], [], True),
    ],
)
def test_i_01_answers_add_up_only_when_each_sent_row_has_exactly_one(sent, answered, fits):
    said = answers.answer_table(answered, answers.WRITTEN)
    assert answers.add_up(said, pa.chunked_array([pa.array(sent, pa.string())])) is fits
