"""The rule that shares API calls, on cases that nobody thought of: never above the share, people can work, no domain starves."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from integrations.orgs import sharing
from integrations.orgs.forecasting import forecast, free_again
from integrations.orgs.sharing import DOMAINS, Rules, Standing

HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
rules = st.builds(
    Rules,
    share=st.floats(0.01, 0.9),
    people=st.floats(0, 0.5),
    weights=st.dictionaries(st.sampled_from(DOMAINS), st.integers(0, 9)),
    caps=st.dictionaries(st.sampled_from(DOMAINS), st.floats(0.05, 1)),
    domains=st.lists(st.sampled_from(DOMAINS), unique=True).map(tuple),
)
wishes = st.lists(st.tuples(st.sampled_from((*DOMAINS, "connection")), st.booleans(), st.integers(1, 50_000)), max_size=40)


def play(chosen: Rules, limit: int, others: int, asked: list[tuple[str, bool, int]], *, greedy: bool = False) -> Standing:
    """Each wish is granted whole or not at all; a greedy one takes all that it may have."""
    standing = Standing(limit, others, {})
    for domain, person, calls in asked:
        most = sharing.may_use(chosen, standing, domain=domain, interactive=person)
        taken = most if greedy else calls if calls <= most else 0
        ours = {**standing.ours, domain: standing.ours.get(domain, 0) + taken}
        standing = Standing(limit, standing.used + taken, ours)
    return standing


@given(rules, st.integers(0, 200_000), st.floats(0, 1), wishes, st.booleans())
def test_i_18_the_sum_of_grants_is_never_above_the_share_nor_takes_what_is_kept_for_others(
    chosen: Rules, limit: int, used: float, asked: list[tuple[str, bool, int]], greedy: bool
):
    others = int(limit * used)
    after = play(chosen, limit, others, asked, greedy=greedy)
    assert after.spent <= int(limit * chosen.share)
    assert after.spent == 0 or after.used <= limit * (1 - sharing.KEPT_FOR_OTHERS)


@given(rules, st.integers(1_000, 200_000), st.lists(st.sampled_from((*DOMAINS, "other")), max_size=40))
def test_people_can_work_when_greedy_schedules_are_refused(chosen: Rules, limit: int, domains: list[str]):
    before = play(chosen, limit, 0, [(domain, False, 0) for domain in domains], greedy=True)
    for domain in DOMAINS:
        kept = sharing.may_use(chosen, before, domain=domain, interactive=True)
        pressed = int(limit * (1 - sharing.KEPT_FOR_OTHERS)) < sharing.share_of(chosen, before)
        assert pressed or kept >= sharing.reserve_of(chosen, before)


@given(rules, st.integers(1_000, 200_000), st.lists(st.tuples(st.sampled_from(DOMAINS), st.booleans()), max_size=40))
def test_no_domain_starves_behind_greedy_ones_or_greedy_people(chosen: Rules, limit: int, others: list[tuple[str, bool]]):
    for domain in chosen.domains:
        asked = [(name, person, 0) for name, person in others if name != domain]
        standing = play(chosen, limit, 0, asked, greedy=True)
        left = sharing.may_use(chosen, standing, domain=domain, interactive=False)
        assert left >= sharing.floors_of(chosen, standing)[domain]


@given(rules, st.integers(0, 200_000), st.floats(0, 1), wishes)
def test_a_person_may_use_at_least_what_a_schedule_of_the_same_domain_may(
    chosen: Rules, limit: int, used: float, asked: list[tuple[str, bool, int]]
):
    standing = play(chosen, limit, int(limit * used), asked)
    for domain in DOMAINS:
        person = sharing.may_use(chosen, standing, domain=domain, interactive=True)
        assert person >= sharing.may_use(chosen, standing, domain=domain, interactive=False)


@given(rules, st.integers(1_000, 200_000), st.sampled_from(DOMAINS), st.floats(0.05, 0.5))
def test_a_cap_holds_a_domains_schedules(chosen: Rules, limit: int, domain: str, cap: float):
    capped = Rules(chosen.share, chosen.people, chosen.weights, {domain: cap}, chosen.domains)
    after = play(capped, limit, 0, [(domain, False, 0)] * 5, greedy=True)
    assert after.spent <= int(sharing.share_of(capped, after) * cap)


def test_without_other_tools_a_quiet_org_gives_a_schedule_all_but_reserve_and_floors():
    standing = Standing(100_000, 0, {})
    assert sharing.may_use(Rules(), standing, domain="okr", interactive=False) == 20_000 - 2_000 - 5 * 333
    assert sharing.may_use(Rules(), standing, domain="okr", interactive=True) == 20_000 - 5 * 333


def test_weights_move_what_is_kept_and_zero_keeps_nothing():
    floors = sharing.floors_of(Rules(weights={"billing": 5, "analytics": 0}), Standing(100_000, 0, {}))
    assert (floors["billing"], floors["okr"], floors["analytics"]) == (int(2_000 * 5 / 9), int(2_000 / 9), 0)
    assert sum(floors.values()) <= 2_000


def test_while_others_press_people_get_what_is_left():
    standing = Standing(100_000, 89_000, {})  # 1,000 are free before what is kept for others
    assert sharing.may_use(Rules(), standing, domain="okr", interactive=True) == 1_000
    assert sharing.may_use(Rules(), standing, domain="okr", interactive=False) == 0


@given(st.lists(st.integers(0, 130), max_size=60))
def test_alerts_do_not_flicker(percents: list[int]):
    level, told = 0, []
    for percent in percents:
        after = sharing.level_after(level, percent)
        if after != level:
            told.append((level, after))
        level = after
        assert (level == 90) or percent < 90
        assert level or percent < 75
    for (_, first), (second, third) in pairwise(told):
        assert first == second
        assert not (first == 90 and third == 75)


def hours_of(*pairs: tuple[int, int]) -> dict[datetime, int]:
    return {NOW - HOUR * back: calls for back, calls in pairs}


def test_calls_are_free_again_a_day_after_their_hour():
    hours = hours_of((20, 500), (3, 1_000), (0, 100), (30, 9_000))
    assert free_again(hours, over=1, this_hour=NOW) == NOW + HOUR * 4
    assert free_again(hours, over=501, this_hour=NOW) == NOW + HOUR * 21
    assert free_again(hours, over=1_601, this_hour=NOW) is None
    assert free_again(hours, over=0, this_hour=NOW) == NOW


def test_the_forecast_adds_what_is_usual_and_takes_off_what_frees():
    usual = {NOW - timedelta(days=day) + HOUR * 6: 300 if day == 1 else 600 for day in range(1, 8)}  # each day at 18:00
    found = forecast({**usual, NOW - timedelta(days=8): 0, NOW - HOUR: 50}, share=640, this_hour=NOW)
    assert found.known_days == 7
    before, after = found.points[5], found.points[6]
    assert (before.at, before.used) == (NOW + HOUR * 6, 50)  # yesterday's are free just when today's come
    assert (after.at, after.used) == (NOW + HOUR * 7, 650)
    assert found.runs_out == NOW + HOUR * 7
    assert forecast({**usual, NOW - timedelta(days=8): 0}, share=640, this_hour=NOW).runs_out is None  # 600 at most


def test_a_new_connection_is_forecast_without_expectations():
    found = forecast(hours_of((0, 40), (1, 60)), share=1_000, this_hour=NOW)
    assert found.known_days == 0
    assert [point.used for point in found.points[-2:]] == [40, 0]
    assert found.runs_out is None


@given(st.dictionaries(st.integers(-200, 0), st.integers(0, 5_000), max_size=60), st.integers(1, 100_000))
def test_a_forecast_never_frees_more_than_was_used(backs: dict[int, int], share: int):
    hours = {NOW + HOUR * back: calls for back, calls in backs.items()}
    used = sum(calls for at, calls in hours.items() if at > NOW - timedelta(days=1))
    found = forecast(hours, share=share, this_hour=NOW)
    assert len(found.points) == 24
    assert all(point.freed <= used for point in found.points)
    assert found.points[-1].freed == used
