"""Consuming and reporting: each report once, never more than was sold, late reports in their own window."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest

from integrations.models import CustomerAlias
from provisioning.entitlements.access import load_access
from provisioning.entitlements.deciding import decide
from provisioning.metering.using import consume, report
from provisioning.models import Feature, Subscription, UsageReport, UsageWindow
from provisioning.subscriptions import changes, endings
from tests.provisioning.crowd import Crowd
from tests.provisioning.shelf import DAY, NOW, ask, customer, spec, stock, subscribe

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme(db):
    stock()
    who = customer()
    subscribe(who)
    return who


def use(amount=1, *, feature="calls", key=None, now=NOW, who="acme"):
    asked = {"customer": who, "feature": f"feature-{feature}", "amount": amount}
    return consume({**asked, "idempotency_key": key} if key else asked, now=now)


def tell(amount, *, feature="calls", key=None, action="delta", at=None, now=NOW, who="acme"):
    row = {"customer": who, "feature": f"feature-{feature}", "amount": amount, "action": action}
    row |= {"idempotency_key": key} if key else {}
    return report([{**row, "at": at.isoformat()} if at else row], now=now)[0]


# --- consuming ------------------------------------------------------------------------------------------------------------------


def test_st_d20_consume_checks_and_counts(acme):
    taken = use(4)
    assert taken.status == "accepted"
    wanted = {"granted": True, "consumed": 4, "usage": 4, "remaining": 6, "limit": 10, "requested": 4, "customer": "acme"}
    assert {name: taken.answer[name] for name in wanted} == wanted
    refused = use(7)
    assert (refused.status, refused.answer["granted"], refused.answer["reason"]) == ("denied", False, "limit_exceeded")
    assert (refused.answer["usage"], refused.answer["consumed"], ask(acme, "calls").usage) == (4, 0, 4)
    assert use(6).answer["remaining"] == 0
    assert not use().answer["granted"]


def test_consumption_of_unlimited_and_soft_goes_on_and_is_counted(acme):
    changes.start(acme, product="mail", terms=spec("plan-mail"), starts_at=NOW - DAY, now=NOW)
    over = use(25, feature="storage")
    assert (over.answer["granted"], over.answer["soft"], over.answer["over_limit"], over.answer["usage"]) == (
        True,
        True,
        True,
        25,
    )
    free = customer("free")
    subscribe(free, overrides={"calls": "unlimited"})
    assert use(10**9, who="free").answer["unlimited"] is True
    assert ask(free, "calls").usage == 10**9


def test_consumption_starts_anew_with_the_window(acme):
    use(10)
    window = ask(acme, "calls")
    later = use(10, now=window.window_end)
    assert later.answer["granted"]
    assert (ask(acme, "calls").usage, ask(acme, "calls", at=window.window_end).usage) == (10, 10)


@pytest.mark.parametrize("amount", [0, -1, "0.5", 1.5, "x", True, None, [], 10**19, "NaN", "Infinity", ""])
def test_consumed_amount_must_be_a_whole_number(acme, amount):
    outcome = use(amount)
    assert outcome.status == "failed"
    assert set(outcome.fields) == {"amount"}
    assert not UsageReport.objects.exists()


def test_what_cannot_be_counted_says_why(acme):
    Feature.objects.filter(key="feature-storage").update(event_name="upload")
    found = {
        (use(feature="none").code, use(feature="none").http_status),
        (use(who="nobody").code, use(who="nobody").http_status),
        (use(feature="sso").code, use(feature="sso").http_status),
        (use(feature="storage").code, use(feature="storage").http_status),
        (consume({"customer": "acme", "feature": "feature-calls", "amont": 1}, now=NOW).code, 400),
        (consume("x", now=NOW).code, 400),
    }
    assert found == {
        ("feature_not_found", 404), ("customer_not_found", 404), ("not_metered", 400), ("counted_from_events", 400), ("invalid", 400),
    }  # fmt: skip
    denied = use(feature="storage", who=customer("bare").external_id)
    assert denied.code == "counted_from_events"
    assert use(who="bare").code == "no_active_subscription"


def test_alias_and_merged_customer_consume_as_themselves(acme):
    CustomerAlias.objects.create(customer=acme, value="acme-old")
    assert use(2, who="acme-old").answer["usage"] == 2
    survivor = customer("survivor")
    type(acme).objects.filter(pk=acme.pk).update(merged_into=survivor)
    assert use(3).answer["usage"] == 5  # it keeps what it has
    empty = customer("empty")
    subscribe(survivor)
    type(acme).objects.filter(pk=empty.pk).update(merged_into=survivor)
    assert use(1, who="empty").answer["granted"]
    assert ask(survivor, "calls").usage == 1


# --- idempotency ----------------------------------------------------------------------------------------------------------------


def test_i_04_the_same_key_counts_once_and_gets_the_same_answer(acme):
    first, *again = [use(3, key="k1") for _ in range(5)]
    assert {each.status for each in again} == {"repeated"}
    assert {**again[-1].answer, "repeated": False} == first.answer
    reports = [tell(2, key="k2") for _ in range(5)]
    assert [each.answer["usage"] for each in reports] == [5] * 5
    assert ask(acme, "calls").usage == 5


def test_a_denied_use_is_denied_again_with_its_key(acme):
    use(10)
    assert [use(key="k").status for _ in range(2)] == ["denied", "repeated"]
    assert use(key="k").answer["granted"] is False


def test_r_197_the_same_key_with_other_content_is_refused(acme):
    use(3, key="k")
    other = [use(4, key="k"), use(3, key="k", feature="storage"), tell(3, key="k"), tell(3, key="k", action="set")]
    assert {(each.status, each.code, each.http_status) for each in other} == {("failed", "idempotency_key_reused", 409)}
    subscribe(customer("other"))
    assert use(3, key="k", who="other").http_status == 409
    assert ask(acme, "calls").usage == 3


def test_same_key_twice_in_one_batch(acme):
    row = {"customer": "acme", "feature": "feature-calls", "amount": 2, "idempotency_key": "k"}
    assert [each.status for each in report([row, row, {**row, "amount": 3}], now=NOW)] == ["accepted", "repeated", "failed"]
    assert ask(acme, "calls").usage == 2


# --- reporting ------------------------------------------------------------------------------------------------------------------


def test_reports_add_set_and_take_back(acme):
    assert tell(7).answer["usage"] == 7
    assert tell("2.5").answer["usage"] == 9.5
    assert tell(3, action="set").answer["usage"] == 3
    assert tell(-1).answer["usage"] == 2
    wrong = tell(-5)
    assert (wrong.code, wrong.http_status) == ("below_zero", 409)
    assert tell(50).status == "accepted"  # it happened: no limit refuses it
    assert ask(acme, "calls").reason == "limit_exceeded"


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"amount": None}, "amount"), ({"amount": 0}, "amount"), ({"amount": "1e40"}, "amount"), ({"amount": "0.0000000000001"}, "amount"),
        ({"amount": -1, "action": "set"}, "amount"), ({"action": "add"}, "action"), ({"at": "yesterday"}, "at"),
        ({"at": "2026-03-10T12:00:00"}, "at"), ({"at": "2026-03-10T13:00:00Z"}, "at"), ({"at": "1999-01-01T00:00:00Z"}, "at"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at"), ({"customer": ""}, "customer"), ({"feature": 5}, "feature"),
        ({"idempotency_key": "k" * 201}, "idempotency_key"), ({"customer": "a\0"}, "customer"), ({"usage": 1}, "usage"),
    ],
)  # fmt: skip
def test_bad_reports_name_their_field(acme, row, field):
    good = {"customer": "acme", "feature": "feature-calls", "amount": 1}
    outcomes = report([{**good, **row}, good], now=NOW)
    assert [each.status for each in outcomes] == ["failed", "accepted"]
    assert list(outcomes[0].fields) == [field]


def test_late_reports_count_in_their_own_window(acme):
    made = acme.subscriptions.get()
    late = made.starts_at + timedelta(hours=1)
    next_window = ask(acme, "calls").window_end + DAY
    tell(4, at=late, now=next_window)
    tell(1, at=next_window, now=next_window)
    assert (ask(acme, "calls", at=late).usage, ask(acme, "calls", at=next_window).usage) == (4, 1)


def test_reports_out_of_order_count_as_if_in_order(acme):
    tell(5, at=NOW - 5 * DAY)
    tell(2, at=NOW - DAY)
    tell(3, action="set", at=NOW - 3 * DAY)  # before the 2, after the 5
    assert ask(acme, "calls").usage == 5
    tell(9, at=NOW - 4 * DAY)  # before the count was set
    assert ask(acme, "calls").usage == 5


def test_as_of_shows_usage_and_access_of_then(acme):
    tell(5, at=NOW - 5 * DAY)
    tell(4, at=NOW - 3 * DAY)
    use(1)
    then = [NOW - 11 * DAY, NOW - 4 * DAY, NOW - 3 * DAY, NOW]
    found = [decide(load_access([acme.pk], as_of=at)[acme.pk], "feature-calls", now=at) for at in then]
    assert [(each.granted, each.usage) for each in found] == [(False, None), (True, 5), (True, 9), (False, 10)]


def test_batch_of_many_customers_asks_few_queries(acme, django_assert_max_num_queries):
    subscribe(customer("b"))
    rows = [
        {"customer": who, "feature": "feature-calls", "amount": 1, "idempotency_key": f"{who}{number}"}
        for number in range(50) for who in ("acme", "b")
    ]  # fmt: skip
    with django_assert_max_num_queries(40):
        outcomes = report(rows, now=NOW)
    assert Counter(each.status for each in outcomes) == {"accepted": 100}
    assert ask(acme, "calls").usage == 50


# --- many at once ---------------------------------------------------------------------------------------------------------------


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("races")
class TestAtOnce:
    @pytest.fixture
    def crowd(self, transactional_db, tmp_path):
        stock()
        subscribe(customer())
        return lambda: Crowd(tmp_path)

    def test_r_199_and_i_20_of_100_parallel_consumptions_exactly_10_are_granted(self, crowd):
        threads = crowd()
        found = threads.together(lambda number: use(), 100)
        assert Counter(getattr(each, "status", each) for each in found) == {"accepted": 10, "denied": 90}
        assert threads.ask(lambda: UsageWindow.objects.get().used) == Decimal(10)
        assert threads.ask(UsageReport.objects.count) == 10

    def test_i_20_amounts_never_pass_the_limit(self, crowd):
        threads = crowd()
        found = threads.together(lambda number: use(1 + number % 4), 24)
        consumed = sum(each.answer["consumed"] for each in found)
        assert consumed == threads.ask(lambda: UsageWindow.objects.get().used)
        assert 7 <= consumed <= 10

    def test_r_198_the_same_key_at_once_is_one_execution(self, crowd):
        threads = crowd()
        found = threads.together(lambda number: use(2, key="same"), 20)
        assert Counter(each.status for each in found) == {"accepted": 1, "repeated": 19}
        assert {each.answer["usage"] for each in found} == {2}
        assert threads.ask(lambda: UsageWindow.objects.get().used) == Decimal(2)

    def test_i_20_no_unit_is_taken_after_a_cancellation(self, crowd):
        """Whoever consumes beside a cancellation either comes first or is told that nothing runs."""
        made = Subscription.objects.get()
        threads = crowd()

        def work(number: int):
            if number == 5:
                endings.cancel(made, now=NOW)
                return "cancelled"
            outcome = use()
            return outcome.answer["reason"] or "granted"

        found = Counter(str(each) for each in threads.together(work, 16))
        assert found["cancelled"] == 1
        assert set(found) <= {"cancelled", "granted", "no_active_subscription", "limit_exceeded"}
        assert threads.ask(lambda: use().answer["reason"]) == "no_active_subscription"
        assert found["granted"] == (threads.ask(UsageReport.objects.count) or 0)

    def test_r_197_the_same_key_of_two_customers_at_once(self, crowd):
        for number in range(8):
            subscribe(customer(f"c{number}"))
        threads = crowd()
        found = threads.together(lambda number: use(2, key="same", who=f"c{number}"), 8)
        assert Counter(each.code for each in found) == {"": 1, "idempotency_key_reused": 7}
        assert threads.ask(UsageReport.objects.count) == 1
