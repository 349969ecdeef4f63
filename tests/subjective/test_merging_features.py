"""Data sets on one scale, through metrics."""

import numpy as np
import pandas as pd
import pytest

from jiqa.subjective.merging_features import merge_by_features


def simulate(rng, noise=0.2):
    """Two sets without a common stimulus, of a quality that two metrics explain but for noise."""
    features = rng.normal(size=(400, 2))
    quality = features @ [0.8, 0.4] + rng.normal(0, noise, 400)
    scores = np.full((400, 2), np.nan)
    scores[:150, 0] = 3 + quality[:150]
    scores[150:, 1] = 50 + 20 * quality[150:]
    return scores, features, quality


def test_lines_and_weights_are_recovered(rng):
    scores, features, quality = simulate(rng)
    found = merge_by_features(scores, features)
    merged = found.merged
    np.testing.assert_allclose(merged.slope, [1, 1 / 20], rtol=0.06)
    assert found.weights == pytest.approx([0.8, 0.4, 3], abs=0.06)
    off = merged.score[150:] - 3 - quality[150:]
    assert np.sqrt(np.mean(off**2)) < 0.1
    assert merged.alignment_error[0] == 0
    assert merged.alignment_error[1] == pytest.approx(np.sqrt(2 / 250) * 0.2, rel=0.2)
    assert [one.pearson > 0.95 for one in found.consistency] == [True, True]


def test_poor_metrics_do_not_squeeze_a_set(rng):
    scores, features, _ = simulate(rng, noise=1.0)
    assert merge_by_features(scores, features).merged.slope[1] == pytest.approx(1 / 20, rel=0.2)


def test_three_public_databases_come_to_one_scale(shared_data):
    """Noise, blur and compression of TID2013, LIVE and CSIQ: a metric that was not used agrees."""
    folder = shared_data / "data/labels_and_scores/vqmtcrossval"
    common = {
        "TID2013": ("mos", 1, [1, 8, 10, 11]),
        "LIVE2": ("dmos_new", -1, ["wn", "gblur", "jpeg", "jp2k"]),
        "csiq": ("dmos", -1, ["AWGN", "BLUR", "JPEG", "jpeg2000"]),
    }
    tables, opinions = [], []
    for name, (label, sign, distortions) in common.items():
        table = pd.read_csv(folder / f"{name}.VQMT.csv")
        tables.append(table[table["dst_type"].isin(distortions)])
        opinions.append(sign * tables[-1][label].to_numpy())
    together = pd.concat(tables)
    of_set = np.repeat(range(3), [len(table) for table in tables])
    scores = np.full((len(together), 3), np.nan)
    scores[np.arange(len(together)), of_set] = np.concatenate(opinions)
    features = np.log(together[["DSSIM", "SSIMULACRA"]].to_numpy() + 1e-3)
    found = merge_by_features(scores, features)
    assert all(one.pearson > 0.94 for one in found.consistency)
    unseen = np.log(together["Butteraugli_XL_3m"].to_numpy())
    lines = [
        np.polyval(np.polyfit(unseen[of_set == k], found.merged.score[of_set == k], 1), [0.5, 1.5])
        for k in range(3)
    ]
    # At one value of that metric the sets differ by less than 0.15 on TID2013's scale from 0 to 9.
    assert np.ptp(lines, axis=0).max() < 0.15


def test_degenerate_sets_are_clear_errors(rng):
    scores, features, _ = simulate(rng)
    with pytest.raises(ValueError, match="scores of set 1 fall where the features' prediction"):
        merge_by_features(scores * [1, -1], features)
    with pytest.raises(ValueError, match="the features depend on each other"):
        merge_by_features(scores, np.column_stack([features, features.sum(1)]))
    with pytest.raises(ValueError, match=r"finite ones .* for 400 stimuli"):
        merge_by_features(scores, features[:-1])
    few = scores.copy()
    few[3:, 0] = np.nan
    with pytest.raises(ValueError, match="set 0 has 3 scores, too few to fit 2 features"):
        merge_by_features(few, features)
