"""Match runs in the ledger: counts, crashes, turns, pinned versions, and how little a later run looks at (I-01, I-02, I-13)."""

from datetime import timedelta

import pytest

from integrations.models import LakeFile, LinkEvent, MatchState, RecordLink, Run
from integrations.sync import runs
from integrations.sync.matching import changes, link_store, links, match, rounds, storing


def counts(run):
    rows = run.objects_touched.values_list("name", "read", "written", "unchanged", "skipped", "failed", "not_attempted")
    return {name: numbers for name, *numbers in rows}


def fill(world, count):
    world.mirror("Account", [{"Name": f"Account {n}", "Website": f"a{n}.example"} for n in range(count)], kind="base")
    world.customers({"external_id": f"c{n}", "name": f"account {n}"} for n in range(0, count, 2))
    world.customers({"external_id": f"c{n}", "website": f"a{n}.example"} for n in range(1, count, 2))
    world.customers({"external_id": f"x{n}", "name": "Nobody"} for n in range(4))


def test_i_01_every_record_is_in_exactly_one_class_by_rule(world):
    fill(world, 10)
    gone = world.account("Gone")
    suspended, apart = world.customer("s", name="Gone"), world.customer("a", name="Account 0")
    world.rules(name=True, website_domain=True)
    links.link(suspended, org=world.org, salesforce_id=gone, actor=None, now=world.now)
    links.link(apart, org=world.org, salesforce_id=gone, actor=None, now=world.now)
    links.unlink(apart, org=world.org, actor=None, now=world.now)
    world.delete("Account", gone)
    first, second = world.match(), world.match()
    assert counts(first) == {
        "customers: name": [5, 5, 0, 0, 0, 0], "customers: website domain": [5, 5, 0, 0, 0, 0],
        "customers: linked before": [0, 0, 0, 0, 0, 0], "customers: without a match": [6, 0, 0, 6, 0, 0],
    }  # fmt: skip
    assert counts(second) == {
        "customers: linked before": [10, 0, 10, 0, 0, 0], "customers: without a match": [6, 0, 0, 6, 0, 0],
    }  # fmt: skip
    for run in (first, second):
        assert run.state == "success"
        assert sum(each[0] for each in counts(run).values()) == 16
    rows = first.objects_touched.get(name="customers: without a match").rows
    assert {row.key for row in rows.all()} == {"x0", "x1", "x2", "x3"}


def test_i_02_a_run_that_dies_between_batches_ends_like_one_that_did_not(world, monkeypatch):
    fill(world, 20)
    world.rules(name=True, website_domain=True)
    monkeypatch.setattr(storing, "STORED_ROWS", 3)
    real, calls = link_store.store_matches, []

    def dies(*args, **named):
        calls.append(1)
        if len(calls) == 4:
            raise RuntimeError("the worker was killed")
        return real(*args, **named)

    monkeypatch.setattr(link_store, "store_matches", dies)
    assert world.match().state == "failed"
    assert len(world.links()) == 9
    assert not MatchState.objects.exists(), "how far it came is stored last"
    run = world.match()
    assert len(world.links()) == 20
    assert LinkEvent.objects.count() == 20
    assert counts(run)["customers: linked before"][2] == 9


def test_a_run_goes_on_in_its_next_turn_and_counts_once(world, monkeypatch):
    fill(world, 12)
    world.rules(name=True, website_domain=True)
    monkeypatch.setattr(storing, "STORED_ROWS", 2)
    monkeypatch.setattr(runs, "SLICE_SECONDS", 0)  # every breath ends a turn
    run = world.match()
    assert run.state == "success", run.sentence
    assert len(world.links()) == 12
    found = counts(run)
    assert found["customers: name"][1] + found["customers: website domain"][1] == 12
    assert found["customers: linked before"] == [0] * 6
    assert sum(each[0] for each in found.values()) == 16


def test_i_13_a_run_works_on_the_version_that_it_began_with(world):
    account = world.account("Acme", Website="acme.example")
    world.customer("by name", name="Acme")
    world.customer("by web", website="acme.example")
    world.rules(name=True)
    waiting = Run.objects.create(job="customers.match", org=world.org, checkpoint={"versions": {"customer": 1}})
    world.rules(website_domain=True)
    runs.perform_run(waiting.pk)
    assert world.links() == {"by name": (account, "name")}
    assert RecordLink.objects.get().mapping_version == 1
    run = world.match()
    assert run.configuration == "customer v2"
    assert world.links()["by web"] == (account, "website_domain")


def test_px_d8_later_runs_look_only_at_what_changed(world, monkeypatch, engine_name):
    fill(world, 30)
    world.rules(name=True, website_domain=True)
    chosen = []
    real = rounds.affected_records
    monkeypatch.setattr(rounds, "affected_records", lambda *args: chosen.append(real(*args)) or chosen[-1])
    world.match()
    assert chosen[-1] is None, "the first match looks at everything"
    world.match()
    assert chosen[-1].num_rows == 0, "nothing changed, nobody is looked at"
    world.account("Somebody", Website="some.example")
    world.match()
    assert chosen[-1].num_rows == 0, "no waiting record has these keys"
    world.account("nobody ")
    world.match()
    assert chosen[-1].num_rows == 4
    assert len(world.links()) == 34
    world.customer("new", name="Account 1")
    world.match()
    assert chosen[-1].num_rows == 1
    assert world.links()["new"][1] == "name"


def test_a_change_of_the_rules_or_a_compaction_looks_at_everything_again(world, monkeypatch):
    from integrations.lake import upkeep
    from integrations.sync.matching import changes

    fill(world, 6)
    world.rules(website_domain=True)
    seen = []
    real = rounds.affected_records
    monkeypatch.setattr(rounds, "affected_records", lambda *args: seen.append(real(*args)) or seen[-1])
    world.match()
    world.rules(website_domain=True, name=True)
    world.match()
    assert seen[-1] is None
    assert len(world.links()) == 6
    world.account("Nobody")
    upkeep.compact(changes.mirrored(world.org, "Account"), now=world.tick())
    world.match()
    assert seen[-1] is None
    assert len(world.links()) == 10
    for table in ("match", "spine"):
        for each in {file.table for file in LakeFile.objects.filter(table__name__startswith=table)}:
            upkeep.compact(each, now=world.tick())
    world.account("Somebody")
    world.customer("somebody", name="somebody")
    world.match()
    assert world.links()["somebody"][1] == "name"


def test_a_compaction_of_what_was_seen_costs_nothing(world, monkeypatch):
    from integrations.lake import upkeep
    from integrations.sync.matching import changes

    fill(world, 6)
    world.account("Later")
    world.rules(name=True)
    world.match()
    upkeep.compact(changes.mirrored(world.org, "Account"), now=world.tick())
    seen = []
    real = rounds.affected_records
    monkeypatch.setattr(rounds, "affected_records", lambda *args: seen.append(real(*args)) or seen[-1])
    world.account("nobody")
    world.match()
    assert seen[-1] is not None
    assert seen[-1].num_rows == 4


def test_moved_users_concern_both_their_customers(world, engine_name):
    """With majority: one leaves a customer, and what is left there is a majority now."""
    one, two = world.account(Website="one.example"), world.account(Website="two.example")
    world.customer("a")
    world.customer("b")
    world.staff("a", ["one.example"] * 3 + ["two.example"] * 3)
    world.rules(recent_user_domain={"majority": True})
    world.match()
    assert world.links() == {}
    world.users({"external_id": f"a-u{n}", "customer": "b"} for n in (3, 4, 5))
    world.match()
    assert world.links() == {"a": (one, "recent_user_domain"), "b": (two, "recent_user_domain")}


def test_r_268_the_cascade_never_asks_the_database_for_rows_one_by_one(world, django_assert_max_num_queries):
    fill(world, 500)
    world.rules(name=True, website_domain=True)
    with django_assert_max_num_queries(250):
        run = world.match()
    assert run.state == "success"
    assert len(world.links()) == 500


def test_the_report_says_what_was_left_out_and_what_is_ambiguous(world):
    world.account("Acme")
    world.account("acme", CreatedDate=world.now - timedelta(days=3000))
    world.customer("c1", name="Acme")
    version = world.rules(name=True, custom_field={"source_field": "attributes.gone", "salesforce_field": "Name"})
    run = Run.objects.create(job="customers.match", org=world.org)
    with runs.recording(run) as recorder:
        assert recorder is not None
        report = match.match_entity(recorder, version)
        assert match.match_entity(recorder, version).linked == 1, "again in the same run: only a report"
    assert (report.written, report.ambiguous, report.linked, report.waiting) == ({"name": 1}, 1, 1, 0)
    assert {each.rule: each.code for each in report.left_out}["custom_field"] == "types"


@pytest.mark.parametrize("rows", [0, 1])
def test_empty_sides_are_fine(world, engine_name, rows):
    world.rules(sfdc_id=True, name=True, website_domain=True, recent_user_domain=True)
    if rows:
        world.customer("c1", name="Acme")
    assert world.match().state == "success"
    assert world.match().state == "success"
    assert world.links() == {}


def test_px_58_one_record_less_can_make_a_match(world, engine_name):
    """Two contacts share an address: no match, until one of them is gone or has another address."""
    first, second, third = (world.contact("team@acme.example") for _ in range(3))
    user = world.user("u1", email="team@acme.example")
    world.rules("end_user", email=True)
    world.match()
    assert world.links("end_user") == {}
    world.delete("Contact", first)
    world.match()
    assert world.links("end_user") == {}
    world.mirror("Contact", [{"Id": second, "Email": "own@acme.example"}])
    world.match()
    assert world.links("end_user") == {user.external_id: (third, "email")}


def test_i_07_what_somebody_changed_while_a_match_ran_is_looked_at_by_the_next(world, monkeypatch):
    fill(world, 12)
    linked = world.customer("by hand", name="Nobody else")
    world.rules(name=True, website_domain=True)
    links.link(linked, org=world.org, salesforce_id=world.account("By hand"), actor=None, now=world.now)
    monkeypatch.setattr(storing, "STORED_ROWS", 4)
    real, calls = link_store.store_matches, []

    def somebody_unlinks(*args, **named):
        calls.append(1)
        if len(calls) == 2:
            links.unlink(linked, org=world.org, actor=None, now=world.now)
        return real(*args, **named)

    monkeypatch.setattr(link_store, "store_matches", somebody_unlinks)
    world.match()
    state = MatchState.objects.get()
    assert changes.touched_since(world.org, "customer", state) == [linked.pk], "between entries of the match itself"
    world.match()
    assert changes.touched_since(world.org, "customer", MatchState.objects.get()) == []


def test_a_match_reads_none_of_its_own_entries_again(world, django_assert_max_num_queries):
    fill(world, 12)
    world.rules(name=True, website_domain=True)
    world.match()
    state = MatchState.objects.get()
    assert state.seen[changes.OWN_EVENTS] == LinkEvent.objects.count() == 12
    last = LinkEvent.objects.order_by("-id").values_list("id", flat=True)[0]
    with django_assert_max_num_queries(1):  # a count, where the database numbers on from earlier tests
        assert changes.events_after(world.org, state) == last
    LinkEvent.objects.filter(id=last).update(id=last + 1)  # a number was left out, as a database does after a failure
    state.seen[changes.OWN_LAST] = last + 1
    assert changes.events_after(world.org, state) == last + 1
    LinkEvent.objects.filter(id=last - 5).delete()
    assert changes.events_after(world.org, state) == state.last_event, "something is different: each entry is read"
