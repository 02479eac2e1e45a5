"""Drivers on accounts whose truth is known (analytics methods, section 8)."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from analytics.drivers.estimating import estimate
from tests.analytics.planted import plant, study_of


def by_key(findings):
    return {each.behavior.key: each for each in (*findings.tested, *findings.untested)}


@pytest.fixture(scope="module")
def found():
    planted = plant()
    return planted, by_key(estimate(planted.study, seed=7))


def test_methods_8_4_planted_behaviors_are_robust(found):
    planted, findings = found
    assert {findings[f"event:E{place}"].verdict for place in planted.true} == {"robust"}


def test_fz_d9_confounded_behaviors_end_as_explained(found):
    planted, findings = found
    verdicts = Counter(findings[f"event:E{place}"].verdict for place in planted.confounded)
    assert verdicts["explained"] >= len(planted.confounded) - 1
    assert verdicts["robust"] == 0
    assert all(findings[f"event:E{place}"].raw_q < 1e-6 for place in planted.confounded)


def test_methods_8_3_adjusted_size_is_near_the_truth(found):
    planted, findings = found
    raw = findings["event:E0"].raw.difference
    assert findings["event:E0"].low < 0.09 < findings["event:E0"].high or findings["event:E0"].size == pytest.approx(
        0.09, abs=0.05
    )
    assert raw == pytest.approx(findings["event:E0"].size, abs=0.05)
    confounded = findings[f"event:E{planted.confounded[0]}"]
    assert abs(confounded.size) < confounded.raw.difference / 4
    assert findings["attribute:industry=Banking"].verdict == "robust"
    assert findings["attribute:source=Direct"].verdict == "none"


def test_fz_d8_false_discoveries_over_repeated_null_data_stay_below_the_stated_rate():
    any_found = robust = 0
    for seed in range(60):
        planted = plant(accounts=3000, seed=1000 + seed, effect=0.0, behaviors=20, confounded=5, true=0,
                        parameters={"families": ["event"]})  # fmt: skip
        findings = estimate(planted.study, seed=seed)
        any_found += any(each.q <= 0.05 for each in findings.tested)
        robust += any(each.verdict == "robust" for each in findings.tested)
    # With no true effect the false-discovery rate is the chance of any discovery; 60 repeats of 5 % exceed 8 in 0.4 % of all cases.
    assert any_found <= 8
    assert robust <= any_found


def test_fz_d8_recall_and_false_discoveries_among_mixed_truth():
    hits = false = claimed = planted_ones = 0
    for seed in range(8):
        planted = plant(
            accounts=6000, seed=seed, effect=0.7, true=5, confounded=5, behaviors=25, parameters={"families": ["event"]}
        )
        findings = by_key(estimate(planted.study, seed=seed))
        robust = {place for place in range(25) if findings[f"event:E{place}"].verdict == "robust"}
        hits, planted_ones = hits + len(robust & set(planted.true)), planted_ones + len(planted.true)
        false, claimed = false + len(robust - set(planted.true)), claimed + len(robust)
    assert hits / planted_ones >= 0.9
    assert false / claimed <= 0.05


def test_fz_03_revenue_is_compared_in_money():
    planted = plant(money=True, accounts=8000, parameters={"outcome": "revenue"})
    findings = by_key(estimate(planted.study, seed=3))
    assert {findings[f"event:E{place}"].verdict for place in planted.true} == {"robust"}
    assert all(findings[f"event:E{place}"].verdict in ("explained", "none") for place in planted.confounded)
    # From the second use on it is worth 40 x 0.9 a month; "at least once" holds some with one use alone.
    assert 10 < findings["event:E0"].size < 36
    assert findings["event:E0"].raw.test == "Mann-Whitney test"


def test_methods_8_1_rule_4_time_until_churn_by_cox_where_follow_up_is_not_complete():
    planted = plant(accounts=8000, seed=5)
    rng = np.random.default_rng(5)
    churned = planted.study.outcome == 0
    when = np.where(churned, rng.integers(1, 180, 8000), 180).astype(float)
    until = np.where(rng.random(8000) < 0.3, rng.integers(20, 180, 8000), 180)
    study = replace(
        planted.study,
        design=replace(planted.study.design, follow_up="censored"),
        followed=np.minimum(when, until),
        happened=churned & (when <= until),
        outcome=np.where(until == 180, planted.study.outcome, np.nan),
    )
    findings = by_key(estimate(study, seed=1))
    assert {findings[f"event:E{place}"].verdict for place in planted.true} == {"robust"}
    assert findings["event:E0"].coefficient > 0  # more of the outcome, which is to stay
    assert findings["event:E0"].size > 0


def test_methods_8_2_minimum_sizes():
    planted = plant(accounts=3000, behaviors=8, true=2, confounded=2)
    counts = planted.study.counts.copy()
    counts[:, 6] = 0
    counts[:29, 6] = 1
    counts[:, 7] = 0
    counts[:30, 7] = 1
    study = replace(planted.study, counts=counts)
    findings = by_key(estimate(study, seed=1))
    assert findings["event:E6"].verdict == "few"
    assert "29 accounts did it" in findings["event:E6"].reason
    assert findings["event:E7"].verdict != "few"
    young = by_rows(study, 199)
    assert estimate(young, seed=1).reason == "Not enough data: 199 accounts, 200 are needed."
    rare = replace(study, outcome=np.concatenate([np.zeros(49), np.ones(2951)]))
    assert "49 accounts" in estimate(rare, seed=1).reason


def test_methods_8_2_behaviors_beyond_ten_events_a_column_are_dropped_by_rarity_and_named():
    rng = np.random.default_rng(2)
    counts = np.column_stack([rng.permutation(1000) < 500 - 13 * place for place in range(30)]).astype(float)
    outcome = np.concatenate([np.ones(100), np.zeros(900)])
    findings = estimate(study_of(counts, rng.permutation(outcome), parameters={"families": ["event"]}), seed=1)
    tested = {each.behavior.label for each in findings.tested}
    assert len(tested) <= 10
    assert tested == {f"E{place}" for place in range(len(tested))}
    assert {each.behavior.label for each in findings.untested} == {f"E{place}" for place in range(len(tested), 30)}
    assert all("Too rare" in each.reason for each in findings.untested)


def test_methods_8_1_rule_2_a_leak_is_suspected_and_left_out_of_the_ranking():
    planted = plant(accounts=4000, behaviors=8)
    rng = np.random.default_rng(3)
    counts, had = planted.study.counts.copy(), planted.study.outcome == 1
    counts[:, 7] = had & (rng.random(4000) < 0.5)
    findings = by_key(estimate(replace(planted.study, counts=counts), seed=1))
    assert findings["event:E7"].verdict == "leak"
    assert "lack the outcome" in findings["event:E7"].reason
    assert findings["event:E0"].verdict == "robust"


def test_methods_8_1_rule_2_all_uses_within_a_week_of_the_outcome():
    planted = plant(accounts=4000, behaviors=8)
    rng = np.random.default_rng(4)
    happened = np.where(planted.study.outcome == 1, rng.integers(30, 60, 4000), -1).astype(np.int32)
    first = planted.study.first_use.copy()
    counts = planted.study.counts.copy()
    counts[:, 6] = np.where(happened >= 0, happened < 36, rng.random(4000) < 0.2)
    first[:, 6] = np.where(counts[:, 6] > 0, np.clip(happened - 6, 24, 29), 32767)
    findings = by_key(estimate(replace(planted.study, counts=counts, first_use=first, happened_on=happened), seed=1))
    assert findings["event:E6"].verdict == "leak"
    assert "within 7 days" in findings["event:E6"].reason
    assert findings["event:E0"].verdict == "robust"


def test_methods_8_3_near_duplicates_are_one():
    planted = plant(accounts=5000, behaviors=8)
    counts = planted.study.counts.copy()
    counts[:, 7] = counts[:, 0] * 2
    counts[:20, 7] = 0
    findings = estimate(replace(planted.study, counts=counts), seed=1)
    found = by_key(findings)
    assert [each.label for each in found["event:E0"].same_as] == ["E7"]
    assert found["event:E0"].verdict == "robust"
    assert "event:E7" not in found


def test_methods_8_5_the_number_is_searched_on_one_half_and_estimated_on_the_other(found):
    planted, findings = found
    threshold = findings["event:E0"].threshold
    assert threshold.k == 2
    assert (threshold.searched, threshold.estimated) == (10_000, 10_000)
    assert threshold.is_clear
    assert threshold.found.low < threshold.found.size < threshold.found.high
    again = by_key(estimate(planted.study, seed=7))["event:E0"].threshold
    other = by_key(estimate(planted.study, seed=8))["event:E0"].threshold
    assert again == threshold
    assert other.found.size != threshold.found.size


def test_methods_8_5_no_clear_threshold_where_more_is_gradually_more():
    rng = np.random.default_rng(9)
    counts = rng.poisson(4 * rng.gamma(2, 0.5, (6000, 1)), (6000, 1)).astype(float)
    outcome = (rng.random(6000) < 1 / (1 + np.exp(1 - 0.12 * counts[:, 0]))).astype(float)
    findings = estimate(study_of(counts, outcome), seed=1)
    assert findings.tested[0].verdict == "robust"
    assert not findings.tested[0].threshold.is_clear


def by_rows(study, count):
    return replace(
        study,
        subjects=study.subjects[:count], outcome=study.outcome[:count], happened_on=study.happened_on[:count],
        counts=study.counts[:count], first_use=study.first_use[:count], first_active=study.first_active[:count],
        active_days=study.active_days[:count], active_before=study.active_before[:count], seats=study.seats[:count],
        attributes={name: replace(each, codes=each.codes[:count]) for name, each in study.attributes.items()},
    )  # fmt: skip
