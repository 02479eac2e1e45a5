"""Two workers at once on a real server: numbers are unique and rise with the commits, nothing is lost."""

import threading
from collections.abc import Callable

import pytest
from django.db import connections, transaction
from django.utils import timezone

from integrations.lake import upkeep
from integrations.lake.tables import ensure_table
from integrations.lake.writing import register
from integrations.models import LakeFile, LakeTable
from tests.lake.rows import account, accounts, read, table_of, write_all

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("races")]


def together(work: Callable[[int], object], n: int) -> list[object]:
    barrier, results = threading.Barrier(n), list[object]()

    def one(number: int) -> None:
        barrier.wait(30)
        try:
            results.append(work(number))
        except Exception as error:  # noqa: BLE001 - a result too
            results.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_two_writers_get_numbers_of_their_own():
    table = accounts()

    def write(number: int) -> list[int]:
        numbers = []
        for turn in range(5):
            files = write_all(table, [table_of(table, [account(f"{number}-{turn}", 1)])])
            with transaction.atomic():
                numbers += [file.number for file in register(table, files, now=timezone.now())]
        return numbers

    results = together(write, 4)
    assert sorted(number for each in results for number in each) == list(range(1, 21))
    assert LakeTable.objects.get().next_number == 21
    assert len(read(table)) == 20


def test_one_table_is_made_once_by_eight():
    made = together(lambda number: ensure_table("t", columns=[("k", "text"), (f"c{number}", "whole")], key="k").pk, 8)
    assert len(set(made)) == 1, made
    assert {name for name, _ in LakeTable.objects.get().columns} == {"k", *(f"c{n}" for n in range(8))}


def test_of_two_compactions_one_counts_and_erasures_beside_it_hold():
    table = accounts("mirror/1/Contact")
    for n in range(6):
        files = write_all(table, [table_of(table, [account(f"{n}", 1), account("x", n)])])
        with transaction.atomic():
            register(table, files, now=timezone.now())

    def act(number: int) -> object:
        if number == 0:
            return upkeep.erase("Contact", "x", now=timezone.now())
        return upkeep.compact(table, now=timezone.now())

    results = together(act, 4)
    assert not [each for each in results if isinstance(each, Exception)], results
    assert [row["Id"] for row in read(table)] == [f"{n}" for n in range(6)]
    assert (
        len(LakeFile.objects.filter(retired_at=None).values_list("number").distinct())
        == LakeFile.objects.filter(retired_at=None).count()
    )
