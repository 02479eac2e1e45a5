"""The smaller figures of drivers: E-values, sample sizes, ranks, strata, the practical floor, names like the outcome."""

import numpy as np
import pytest

from analytics.drivers import raw, verdicts
from analytics.drivers.design import design_of, is_of_outcome, read_design
from analytics.drivers.segments import segments_of, strata_of
from analytics.drivers.study import Levels
from analytics.drivers.threshold import candidates, doses, halves
from analytics.outcomes import statistics
from tests.analytics.planted import study_of


def test_methods_8_4_e_values_of_van_der_weele_and_ding():
    # Their example: maternal smoking, risk ratio 3.9 (1.8 to 8.7): 7.26, and 3.0 for the limit.
    assert verdicts.e_value(3.9) == pytest.approx(7.26, abs=0.005)
    assert verdicts.e_value(1.8) == pytest.approx(3.0, abs=0.005)
    assert verdicts.e_value(1 / 3.9) == pytest.approx(7.26, abs=0.005)
    assert verdicts.e_value(1.0) == 1.0
    point, end = verdicts.e_values(0.1, 0.02, 0.2)
    assert point == pytest.approx(verdicts.e_value(1.5))
    assert end == pytest.approx(verdicts.e_value((0.3 - 1.96 * 0.02) / 0.2), rel=1e-4)
    assert verdicts.e_values(0.1, 0.2, 0.2)[1] == 1.0
    assert verdicts.e_values(-0.1, 0.02, 0.2)[0] == pytest.approx(verdicts.e_value(2.0))


def test_methods_8_6_sample_sizes_for_80_percent_power():
    # 60 % against 70 %: 356 in each group; half a standard deviation: 63 (normal approximation).
    assert verdicts.accounts_for_rates(0.6, 0.7) == 356
    assert verdicts.accounts_for_money(5, 10) == 63
    assert verdicts.accounts_for_rates(0.5, 0.5) is None


def test_methods_8_4_the_smallest_detectable_difference_has_80_percent_power():
    from scipy.stats import norm

    error = 0.01
    smallest = verdicts.detectable(error)
    assert norm.sf(1.959964 - smallest / error) == pytest.approx(0.8, abs=1e-4)


def test_fz_d8_ranks_give_scipys_mann_whitney_to_eight_digits():
    from scipy.stats import mannwhitneyu

    rng = np.random.default_rng(1)
    amounts, adopted = rng.integers(-5, 9, 400).astype(float) * 10, rng.random(400) < 0.3
    expected = mannwhitneyu(amounts[adopted], amounts[~adopted], method="asymptotic").pvalue
    assert raw.Ranks.of(amounts).test(adopted) == pytest.approx(expected, rel=1e-8)
    assert raw.Ranks.of(np.ones(10)).test(np.arange(10) < 5) is None


def test_fz_d8_wald_and_normal_tail_equal_scipys():
    from scipy.stats import norm

    assert raw.wald_p(0.3, 0.1) == pytest.approx(2 * norm.sf(3), rel=1e-12)
    assert raw.wald_p(float("nan"), 1) == raw.wald_p(1, 0) == 1.0


def test_methods_8_3_the_practical_floor():
    design = design_of(read_design({"outcome": "churn"}))
    assert design.floor_of(1000, 0.4) == 0.01
    assert design.floor_of(50_000, 0.4) == 0.02
    assert design.floor_of(50_000, 0.05) == pytest.approx(0.005)  # a tenth of the base rate is less
    assert design_of(read_design({"outcome": "churn", "floor": "3"})).floor_of(1000, 0.4) == 0.03
    assert design_of(read_design({"outcome": "revenue"})).floor_of(1000, 250.0) == 2.5
    assert verdicts.passes(0.05, 0.02, 1.0, 0.01)
    assert not verdicts.passes(0.05, 0.021, 1.0, 0.01)
    assert not verdicts.passes(0.05, 0.001, -1.0, 0.01)


@pytest.mark.parametrize(
    ("q", "raw_q", "passed", "verdict"),
    [(0.05, 0.9, True, "robust"), (0.05, 0.01, False, "weak"), (0.051, 0.05, True, "explained"), (0.06, 0.06, True, "none")],
)
def test_methods_8_4_verdicts(q, raw_q, passed, verdict):
    assert verdicts.decide(q, raw_q, passed) == verdict


@pytest.mark.parametrize(
    ("outcome", "label", "refused"),
    [("churn", "Subscription Cancelled", True), ("retention", "subscription_canceled", True), ("churn", "Export", False),
     ("expansion", "planUpgraded", True), ("trial_to_paid", "Checkout Completed", True), ("trial_to_paid", "Plan Upgraded", False),
     ("churn", "Uncancelable Report", False)],
)  # fmt: skip
def test_fz_d9_names_like_the_outcome(outcome, label, refused):
    assert is_of_outcome(label, f"event:{label}", design_of(read_design({"outcome": outcome}))) is refused


def test_fz_d9_strata_beside_the_raw_value():
    # Within both segments it makes no difference; raw it seems to, because the large segment does it more and stays more.
    sizes = [(80, 64, 20, 16), (20, 4, 80, 16)]
    rows = [(code, did, had) for code, (n, k, m, j) in enumerate(sizes) for did, total, hits in ((1, n, k), (0, m, j))
            for had in [1] * hits + [0] * (total - hits)]  # fmt: skip
    codes, did, had = (np.array(each) for each in zip(*rows, strict=True))
    study = study_of(did[:, None].astype(float), had, attributes={"industry": Levels(codes, ("Large", "Small"))})
    segments, together = segments_of(study, strata_of(study), did == 1, np.arange(200))
    assert [(each.label, each.adopters, each.value, each.difference) for each in segments] == [
        ("Large", 80, 0.8, 0.0), ("Small", 20, 0.2, 0.0),
    ]  # fmt: skip
    assert together[0].difference == 0
    assert together[0].low < 0 < together[0].high
    assert together[0].pooled.odds_ratio == pytest.approx(1.0)
    compared = raw.compare_rates(did == 1, had.astype(float))
    assert compared.difference == pytest.approx(0.36)
    assert (compared.low, compared.high) == statistics.newcombe(68, 100, 32, 100)
    alone = study_of(did[:, None].astype(float), had, attributes={"industry": Levels(np.arange(200) % 2, ("a", "b"))})
    assert segments_of(alone, strata_of(alone), did == 1, np.arange(200))[1][0].difference == pytest.approx(0.36, abs=0.01)


def test_methods_8_5_candidates_have_25_accounts_and_2_percent_on_both_sides():
    counts = np.concatenate([np.zeros(1940), np.ones(20), np.full(39, 4), [30]])
    assert candidates(counts) == [1, 2, 3, 4]
    assert candidates(np.concatenate([np.zeros(1961), np.full(39, 4)])) == []
    assert candidates(np.concatenate([np.zeros(100), np.full(24, 4)])) == []


def test_methods_8_5_halves_are_the_same_for_the_same_seed_and_miss_nobody():
    first, second = halves(101, 3)
    assert sorted([*first, *second]) == list(range(101))
    assert (halves(101, 3)[0] == first).all()
    assert not (halves(101, 4)[0] == first).all()


def test_methods_8_5_the_dose_curve_leaves_nobody_out():
    counts = np.array([0, 0, 1, 7, 12, 30, 400])
    found = doses(counts, np.ones(7), design_of(read_design({"outcome": "churn"})))
    assert [(each.low, each.high, each.accounts) for each in found] == [
        (0, 0, 2),
        (1, 1, 1),
        (6, 7, 1),
        (10, 14, 1),
        (20, None, 2),
    ]
    assert found[0].value_high == 1.0
    assert found[0].value_low == pytest.approx(statistics.wilson(2, 2)[0])
