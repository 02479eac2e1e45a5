"""The tables of facts."""

from analytics.facts import reading
from analytics.facts.tables import COLUMNS
from integrations.lake.engine import open_engine
from tests.analytics.cast import utc, write_events, write_facts


def test_every_table_can_be_read_before_anything_was_computed(org):
    with open_engine() as engine:
        reading.bind(engine, org, *COLUMNS)
        assert {name: engine.rows(f"SELECT count(*) FROM {name}")[0][0] for name in COLUMNS} == dict.fromkeys(COLUMNS, 0)


def test_facts_that_were_written_are_read(org, engine_name):
    write_facts(
        org,
        subjects=[{"subject": "c1", "mrr": "12.5", "paid_at": "2026-01-02"}],
        months=[{"subject": "c1", "month": "2026-01-01"}],
    )
    write_events([("Login", 1, 2, utc("2026-01-02T10:00"))])
    with open_engine() as engine:
        reading.bind(engine, org, "subjects", "months")
        assert engine.rows("SELECT subject, paid_at FROM subjects") == [("c1", utc("2026-01-02"))]
        assert engine.rows("SELECT count(*) FROM months") == [(1,)]
