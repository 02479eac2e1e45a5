"""The load scripts: every target has one that names it and parses its sizes; their pure parts (L-01 to L-14)."""

import ast
import re
import shlex
from pathlib import Path

import pytest
from django.conf import settings

from benchmarks import targets
from benchmarks.__main__ import command_of
from benchmarks.targets import TARGETS, Verdicts

ROOT = Path(settings.BASE_DIR)
RELIABILITY = ROOT.parent / "shared" / "reference" / "reliability.md"


def test_every_load_target_has_a_script():
    assert [each.id for each in TARGETS] == [f"L-{n:02}" for n in range(1, 15)]
    if not RELIABILITY.exists():
        pytest.skip("needs the reference beside the tree")
    assert set(re.findall(r"^- (L-\d\d) ", RELIABILITY.read_text(), re.MULTILINE)) == {each.id for each in TARGETS}


@pytest.mark.parametrize("target", TARGETS, ids=lambda each: each.id)
def test_its_script_names_it_knows_its_sizes_and_ends_with_the_verdict(target):
    text = (ROOT / "benchmarks" / target.script).read_text()
    tree = ast.parse(text)
    assert target.id in (ast.get_docstring(tree) or "")
    assert f'"{target.id}"' in text, "it prints the line of the target"
    known = set(re.findall(r'add_argument\(\s*"(--[a-z-]+)"', text))
    for words in (target.full, target.small):
        assert {word for word in shlex.split(words) if word.startswith("--")} <= known
    assert "--small" not in command_of(target, small=True)


def test_the_last_lines_say_target_measured_verdict(capsys, monkeypatch):
    verdicts = Verdicts("pages.py")
    verdicts.add("L-10", "p95 400 ms", met=True)
    assert verdicts.close() == 0
    verdicts.add("L-10", "p95 600 ms", met=False)
    assert verdicts.close() == 1
    verdicts = Verdicts("pages.py")
    verdicts.add("L-10", "p95 600 ms", met=None)
    assert verdicts.close() == 0
    last = capsys.readouterr().out.splitlines()
    assert (
        last[-1]
        == "L-10 | target: p95 500 ms and 30 SQL queries a page | measured: p95 600 ms | verdict: not judged at this size"
    )
    assert last[-2].endswith("verdict: MISSED")


def test_l_10_pages_come_from_the_urlconf_and_the_table_of_roles(db):
    from benchmarks.pages import page_names
    from project.roles import PAGES

    names = page_names()
    assert {"home", "integrations:runs", "integrations:run"} <= set(names)
    assert len(names) > 100
    assert len(set(names) & set(PAGES)) > len(PAGES) // 3


def test_l_10_links_of_a_page_are_followed_on_this_site_only():
    from benchmarks.pages import links_in

    text = '<a href="/runs/?state=failed&amp;x=1">a</a> <a href="https://other/">b</a> <a href="#top">c</a> <a href="7/">d</a>'
    assert list(links_in(text, "/runs/")) == ["/runs/?state=failed&x=1", "/runs/7/"]


def test_l_10_rows_are_multiplied_with_keys_of_their_own(db, now):
    from benchmarks.pages import _execute, clone_statement
    from integrations.models import Customer, RowOutcome, Run, RunObject

    run = Run.objects.create(job="x", state="success", finished_at=now)
    counted = RunObject.objects.create(run=run, name="n", read=2, written=2)
    for n in range(2):
        RowOutcome.objects.create(run_object=counted, key=f"k{n}", outcome="written")
        Customer.objects.create(external_id=f"c{n}", name="C")
    for model in (RowOutcome, Customer, Run):
        _execute(clone_statement(model, 1000))
        assert model.objects.count() == 1000
    assert Customer.objects.values("external_id").distinct().count() == 1000
    assert RowOutcome.objects.filter(run_object=counted).count() == 1000


def test_l_14_the_instants_of_an_hour_are_those_of_the_timetable():
    from datetime import UTC, datetime

    from benchmarks.day import instants

    found = dict(instants(datetime(2026, 11, 22, 3, tzinfo=UTC)))
    assert len(found) == 60
    assert {slot.name for slot in found[datetime(2026, 11, 22, 3, 0, tzinfo=UTC)]} >= {
        "heartbeat",
        "okr refresh",
        "mapping push",
    }
    assert "four-way audit" in {slot.name for slot in found[datetime(2026, 11, 22, 3, 30, tzinfo=UTC)]}


def test_l_12_growth_leaves_the_warming_up_aside():
    from benchmarks.soak import Watch

    watch = Watch()
    assert watch.growth([1, 10, 10, 10, 10, 10, 10, 11]) == pytest.approx(1.05)
    assert watch.growth([5.0]) == 1.0


@pytest.mark.parametrize("share", [0.01, 0.5])
def test_l_12_about_one_request_in_a_hundred_goes_wrong(share):
    import random

    from benchmarks.soak import break_something

    ordered = []

    class Org:
        def control(self, path, body=None):
            return ordered.append(body) if body else []

    chance = random.Random(3)
    for _ in range(2000):
        break_something(Org(), chance, share)  # type: ignore[arg-type]
    waits = [each.get("after", 0) for each in ordered if each.get("action") != "lock_row"]
    assert sum(waits) / len(waits) == pytest.approx(1 / share, rel=0.15) or share == 0.5
    assert targets.targets_of("soak.py")["L-12"].wanted.startswith("1,000 runs")
