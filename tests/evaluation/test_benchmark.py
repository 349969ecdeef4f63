"""The whole evaluation of a data set beside its parts, and the published figures it must give."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from jiqa.evaluation import fit_curve, holm, krocc, plcc, rmse, srocc
from jiqa.evaluation.benchmark import Protocol, evaluate
from jiqa.evaluation.pairwise import TESTS, compare_all
from jiqa.evaluation.rated import rate
from tests.evaluation.folders import scored

METRICS = ["good", "worse", "poor"]
QUICK = Protocol(resamples=200)


@pytest.fixture(scope="module")
def table():
    return scored(np.random.default_rng(0))


@pytest.fixture(scope="module")
def found(table):
    steps = []
    evaluation = evaluate(
        rate("set", table, METRICS), QUICK, progress=lambda *done: steps.append(done)
    )
    assert steps == [(step, 8) for step in range(1, 9)]
    return evaluation


def test_summary_is_that_of_the_parts(table, found):
    row = found.summary.set_index("metric").loc["worse"]
    scores, opinions = table["worse"], table["mos"]
    assert row["srocc"] == -srocc(scores, opinions) > 0
    assert row["krocc"] == -krocc(scores, opinions)
    assert row["plcc"] == pytest.approx(-plcc(scores, opinions))
    for kind in ("logistic4", "logistic5", "cubic"):
        predictions = fit_curve(scores, opinions, kind)(scores)
        assert row[f"plcc_{kind}"] == pytest.approx(plcc(predictions, opinions))
    predictions = fit_curve(scores, opinions)(scores)
    assert row["plcc_mapped"] == row["plcc_logistic4"]
    assert row["rmse"] == pytest.approx(rmse(predictions, opinions))
    outliers = np.abs(predictions - opinions) > 1.96 * 0.2
    assert row["outlier_ratio_standard_error"] == outliers.mean()
    for name in ("srocc", "krocc", "plcc_mapped"):
        assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
    assert row["fit_ok"]
    assert 0.5 < row["different_similar"] < row["better_worse"] <= 1
    assert 0 < row["correct_error"] < 0.1
    assert row["listwise_srocc"] == pytest.approx(found.summary["listwise_srocc"][1])


def test_metrics_are_ordered_by_their_noise(found):
    srocc_values = found.summary["srocc"].to_numpy()
    assert (np.diff(srocc_values) < 0).all()
    assert found.drawn == "12 contents"


def test_comparisons(found):
    table = found.comparisons
    assert len(table) == 3 * len(TESTS)
    assert set(table["test"]) == set(TESTS)
    row = table[(table["test"] == "meng") & (table["second"] == "poor")].iloc[0]
    assert row["first"] == "good"
    assert row["difference"] == pytest.approx(found.summary["srocc"][0] - found.summary["srocc"][2])
    assert row["better"] == "good"
    for _, family in table.groupby("test"):
        np.testing.assert_allclose(family["p_corrected"], holm(family["p_value"]))
    strongest = table[(table["first"] == "good") & (table["second"] == "poor")]
    assert (strongest["difference"] > 0).all()


def test_groups(table, found):
    assert found.groups.groupby("kind")["group"].nunique().to_dict() == {
        "content": 12,
        "distortion": 2,
        "quality": 4,
    }
    jpeg = table[table["distortion"] == "jpeg"]
    row = found.groups.query("group == 'jpeg' and metric == 'good'").iloc[0]
    assert row["srocc"] == srocc(jpeg["good"], jpeg["mos"])
    assert row["images"] == 30


def test_what_is_drawn(table):
    rated = rate("set", table[[*METRICS, "mos"]], METRICS)
    found = evaluate(rated, QUICK)
    assert found.drawn == "60 images"
    assert "different_similar" not in found.summary
    assert any("No decisions about pairs" in note for note in found.notes)
    with pytest.raises(ValueError, match="no column content"):
        evaluate(rated, Protocol(resample="content"))
    few = rate("set", table.assign(content=np.arange(60) % 5), METRICS)
    assert evaluate(few, QUICK).drawn == "60 images"


def test_infinite_scores(table):
    infinite = table.copy()
    infinite.loc[infinite["good"].nlargest(3).index, "good"] = np.inf
    found = evaluate(rate("set", infinite, METRICS), QUICK)
    whole = evaluate(rate("set", table, METRICS), QUICK)
    assert found.summary["images_finite"].tolist() == [57] * 3
    assert found.summary["srocc"][1] == whole.summary["srocc"][1]
    assert found.summary["srocc"][0] == pytest.approx(whole.summary["srocc"][0], abs=0.01)
    assert found.summary.notna().all(axis=None)


def test_identical_metrics_do_not_differ(table):
    scores = np.stack([table["good"]] * 2)
    compared = compare_all(
        ["one", "same"],
        turned=scores,
        quality=table["mos"].to_numpy(),
        residuals=scores - table["mos"].to_numpy(),
        bootstrap_p=np.ones((2, 2)),
    )
    assert (compared["p_value"] == 1).all()
    assert (compared["better"] == "").all()


def test_too_few_finite_scores(table):
    almost = table.assign(good=np.where(np.arange(60) < 4, table["good"], np.inf))
    with pytest.raises(ValueError, match="too few images with finite scores"):
        evaluate(rate("set", almost, METRICS), QUICK)


def test_published_correlations(shared_data):
    """FSIM and FSIMc on six databases, GMSD on three, VQMTCrossVal on five, and others."""
    path = Path(__file__).parents[2] / "benchmarks" / "published_correlations.py"
    spec = importlib.util.spec_from_file_location("published_correlations", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tables, published = module.collect(shared_data / "data" / "labels_and_scores")
    statistics = {"srocc": srocc, "krocc": krocc, "plcc": plcc}
    assert len(published) >= 99
    for (data_set, metric, statistic), value in published.items():
        table = tables[data_set]
        opinions = table["mos" if "mos" in table else "dmos"]
        ours = abs(statistics[statistic](table[metric], opinions))
        digits = len(value.partition(".")[2])
        assert ours == pytest.approx(float(value), abs=0.5000001 * 10**-digits), data_set
