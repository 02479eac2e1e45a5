"""The suite's own economy is right: what is left out of the second run adds nothing, and what is emptied is empty."""

import random

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from integrations.models import SalesforceOrg
from tests.emptying import empty_tables
from tests.statements import Notes, choose, kinds_of, read_notes, shape_of


@pytest.mark.parametrize("seed", range(5))
def test_the_chosen_tests_send_all_that_all_tests_send(seed):
    chance = random.Random(seed)
    noted = {
        f"t{n}": (chance.uniform(0.02, 5), {str(chance.randint(0, 80)) for _ in range(chance.randint(1, 12))})
        for n in range(100)
    }
    always = {"t1", "t2", "unknown"}
    chosen = choose(noted, always=always)
    assert always <= chosen < noted.keys() | always
    everything = set().union(*(sent for _, sent in noted.values()))
    assert set().union(*(noted[name][1] for name in chosen - {"unknown"})) == everything


def test_the_cheaper_of_two_equal_tests_is_chosen_and_one_that_adds_nothing_is_not():
    noted = {"dear": (5.0, {"a", "b"}), "cheap": (0.1, {"a", "b"}), "part": (4.0, {"a"}), "other": (9.0, {"c"})}
    assert choose(noted) == {"cheap", "other"}
    assert choose(noted, always=["dear"]) == {"dear", "other"}
    assert choose({}) == set()


def test_statements_are_the_same_whatever_their_numbers_and_lengths():
    assert shape_of("SELECT a FROM t WHERE id IN (%s, %s) LIMIT 21") == shape_of("SELECT a FROM t WHERE id IN (%s) LIMIT 5")
    assert shape_of("INSERT INTO t VALUES (%s, %s), (%s, %s)") == shape_of("INSERT INTO t VALUES (%s, %s)")
    assert shape_of("SELECT a FROM t") != shape_of("SELECT b FROM t")
    assert shape_of('SAVEPOINT "s1"') == ""


def test_values_that_databases_treat_differently_are_of_different_kinds():
    values = ["", "a", "ä", "a\x00", "a" * 300, 1, 2**31, 2**63, True, None, 1.5, float("nan"), b""]
    assert len({frozenset(kinds_of([[value]])) for value in values}) == len(values)
    assert kinds_of([{"name": "a"}, {"name": "b"}]) == kinds_of([["c"]])


@pytest.mark.django_db
def test_statements_values_and_failures_are_noted(tmp_path, request):
    notes = Notes(tmp_path / "notes")
    notes.pytest_sessionstart()
    try:
        around = notes.pytest_runtest_protocol(request.node)
        next(around)
        list(User.objects.filter(username="ann"))
        short = set(notes._sent)
        list(User.objects.filter(username="bob"))
        assert notes._sent == short
        list(User.objects.filter(username="ä" * 300))
        assert len(notes._sent) == len(short) + 1
        with pytest.raises(Exception, match="nowhere"), connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM nowhere")
        next(around, None)
    finally:
        notes.pytest_sessionfinish()
    ((name, (_, sent)),) = read_notes(tmp_path / "notes").items()
    assert name.endswith("::test_statements_values_and_failures_are_noted")
    assert len(sent) == len(short) + 2


@pytest.mark.django_db(transaction=True)
def test_what_a_test_committed_is_gone_and_what_every_test_needs_stays():
    kept = ContentType.objects.count(), Permission.objects.count()
    org = SalesforceOrg.objects.create(name="Acme", login_url="https://acme.my.salesforce.com", state="connected")
    org.authorized_by = User.objects.create(username="ann")
    org.save()
    assert set(empty_tables("default")) == {"auth_user", SalesforceOrg._meta.db_table}
    assert not SalesforceOrg.objects.exists()
    assert (ContentType.objects.count(), Permission.objects.count()) == kept
    assert min(kept) > 50
    assert empty_tables("default") == []
