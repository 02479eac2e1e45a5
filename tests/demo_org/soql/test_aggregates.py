"""Aggregates and groups."""

from typing import Any

import pytest


def rows(answer: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [tuple(list(each.values())[1:]) for each in answer["records"]]


def test_count_answers_with_a_size_and_no_records(ask) -> None:
    assert ask("SELECT COUNT() FROM Contact") == {"totalSize": 4, "done": True, "records": []}
    assert ask("SELECT count() FROM Contact WHERE AccountId != null LIMIT 2")["totalSize"] == 2


def test_unaliased_aggregates_are_numbered(ask) -> None:
    record = ask("SELECT COUNT(Id), SUM(Amount) total, AVG(Amount), COUNT(Amount) FROM Opportunity")["records"][0]
    assert record == {"attributes": {"type": "AggregateResult"}, "expr0": 5, "total": 5350.5, "expr1": 1337.625, "expr2": 4}


def test_aggregates_over_nothing_are_null_or_zero(ask) -> None:
    assert rows(ask("SELECT COUNT(Id), SUM(Amount), MAX(CloseDate) FROM Opportunity WHERE Name = 'none'")) == [(0, None, None)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT StageName, COUNT(Id) FROM Opportunity GROUP BY StageName ORDER BY StageName", [("Prospecting", 2), ("Qualification", 1), ("Closed Won", 2)]),
        ("SELECT StageName s, COUNT(Id) n FROM Opportunity GROUP BY StageName HAVING COUNT(Id) > 1 ORDER BY COUNT(Id), StageName", [("Prospecting", 2), ("Closed Won", 2)]),
        ("SELECT Account.Name, MAX(Amount) FROM Opportunity GROUP BY Account.Name ORDER BY Account.Name NULLS LAST", [("Acme", 250.5), ("Émile & Söhne", 4000.0), (None, None)]),
        ("SELECT AccountId FROM Opportunity WHERE AccountId = null GROUP BY AccountId", [(None,)]),
        ("SELECT CALENDAR_YEAR(CloseDate) y, SUM(Amount) FROM Opportunity GROUP BY CALENDAR_YEAR(CloseDate) ORDER BY CALENDAR_YEAR(CloseDate)", [(2025, 4000.0), (2026, 1350.5), (2027, None)]),
        ("SELECT CALENDAR_QUARTER(CloseDate), COUNT(Id) c FROM Opportunity GROUP BY CALENDAR_QUARTER(CloseDate) ORDER BY CALENDAR_QUARTER(CloseDate)", [(1, 2), (4, 3)]),
        ("SELECT COUNT_DISTINCT(StageName) FROM Opportunity", [(3,)]),
        ("SELECT MIN(Name), MAX(Name) FROM Account", [("Acme", "Émile & Söhne")]),
        ("SELECT MIN(CreatedDate) FROM Account", [("2025-12-31T23:30:00.000+0000",)]),
        ("SELECT IsWon, SUM(Amount) FROM Opportunity GROUP BY IsWon HAVING SUM(Amount) > 500 AND IsWon = true", [(True, 5000.0)]),
        ("SELECT StageName FROM Opportunity GROUP BY StageName ORDER BY COUNT(Id) DESC, StageName LIMIT 1", [("Prospecting",)]),
        ("SELECT StageName s FROM Opportunity GROUP BY StageName ORDER BY s DESC LIMIT 1", [("Closed Won",)]),
        ("SELECT FORMAT(MAX(Amount)) FROM Opportunity", [("$4,000.00",)]),
    ],
)  # fmt: skip
def test_groups(ask, text: str, expected: list[tuple[Any, ...]]) -> None:
    assert rows(ask(text)) == expected


def test_text_groups_ignore_case(ask, world) -> None:
    world.add("Product2", {"p1": {"Name": "pen"}, "p2": {"Name": "PEN"}})
    assert len(rows(ask("SELECT Name, COUNT(Id) FROM Product2 GROUP BY Name"))) == 1


def test_rollup_adds_subtotals(ask) -> None:
    text = "SELECT IsWon, StageName, COUNT(Id) n, GROUPING(IsWon) a, GROUPING(StageName) b FROM Opportunity GROUP BY ROLLUP(IsWon, StageName)"
    found = rows(ask(text))
    assert set(found) == {
        (False, "Prospecting", 2, 0, 0), (False, "Qualification", 1, 0, 0), (True, "Closed Won", 2, 0, 0),
        (False, None, 3, 0, 1), (True, None, 2, 0, 1), (None, None, 5, 1, 1),
    }  # fmt: skip


def test_cube_adds_every_combination(ask) -> None:
    found = rows(
        ask("SELECT IsWon, Type, COUNT(Id) FROM Opportunity GROUP BY CUBE(IsWon, Type) HAVING COUNT(Id) > 2 ORDER BY COUNT(Id)")
    )
    assert sorted(found, key=str) == sorted([(False, None, 3), (None, None, 4), (None, None, 5)], key=str)


def test_more_than_2000_groups_are_refused(ask, refusal, world) -> None:
    world.add("Topic", {f"topic{k}": {"Name": f"Topic {k}"} for k in range(2001)})
    error = refusal("SELECT Name, COUNT(Id) FROM Topic GROUP BY Name")
    assert error.code == "EXCEEDED_ID_LIMIT"
    assert ask("SELECT Name, COUNT(Id) FROM Topic GROUP BY Name LIMIT 2000")["totalSize"] == 2000
