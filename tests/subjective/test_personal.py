"""What one observer would say."""

import numpy as np
import pandas as pd
import pytest

from jiqa.core.models import load_model, save_model
from jiqa.subjective.personal import PersonalModel, fit_personal
from jiqa.subjective.rating_files import read_matrix


def rms(values):
    return np.sqrt(np.nanmean(values**2))


def predict_all(model, features, observers):
    return np.stack([model.predict(features, i).score for i in range(observers)], axis=1)


@pytest.fixture(scope="module")
def images(shared_data):
    """Metric scores and votes of 371 images by 21 observers, and the source of each image."""
    folder = shared_data / "data/avt_image_quality"
    ratings = read_matrix(folder / "per_user.csv", observers=[f"user{i}" for i in range(1, 22)])
    table = pd.read_csv(folder / "objective_metrics_and_mos_ci.csv").set_index("image_name")
    metrics = table.loc[list(ratings.stimuli), ["vmaf", "ms_ssim", "psnr"]].to_numpy(float)
    names = np.array([name.split("_1frame")[0] for name in ratings.stimuli])
    return metrics, ratings.scores[..., 0], np.unique(names, return_inverse=True)[1]


def test_held_out_votes_of_unseen_images_are_predicted_better_than_by_the_mean(images):
    metrics, votes, source = images
    off_mean, off_personal = [], []
    for fold in range(5):  # no source image is in two folds
        unseen = source % 5 == fold
        model = fit_personal(metrics[~unseen], votes[~unseen])
        mean = model.predict(metrics[unseen]).score[:, None]
        off_mean.append(votes[unseen] - mean)
        off_personal.append(votes[unseen] - predict_all(model, metrics[unseen], 21))
    mean, personal = rms(np.concatenate(off_mean)), rms(np.concatenate(off_personal))
    assert mean == pytest.approx(0.735, abs=0.005)
    assert personal == pytest.approx(0.662, abs=0.005)


def test_held_out_votes_are_predicted_better_than_by_the_mean_opinion(images, rng):
    _, votes, _ = images
    held_out = rng.random(votes.shape) < 0.2
    seen = np.where(held_out, np.nan, votes)
    mos = np.nanmean(seen, 1)[:, None]
    model = fit_personal(mos, seen)
    off = (votes - predict_all(model, mos, 21))[held_out]
    assert rms(off) < 0.88 * rms((votes - mos)[held_out])
    deviation = np.stack([model.predict(mos, i).deviation for i in range(21)], 1)[held_out]
    assert np.mean(np.abs(off) < 1.96 * deviation) == pytest.approx(0.95, abs=0.02)


def test_few_votes_of_somebody_new_help_and_more_help_more(images, rng):
    metrics, votes, _ = images
    off = {0: [], 5: [], 20: []}
    for new in range(0, 21, 2):
        model = fit_personal(metrics, np.delete(votes, new, 1))
        order = rng.permutation(len(votes))
        for known, errors in off.items():
            first, rest = order[:known], order[20:]
            met = model.meet(metrics[first], votes[first, new])
            errors.append(votes[rest, new] - met.predict(metrics[rest], 20).score)
    none, five, twenty = (rms(np.concatenate(errors)) for errors in off.values())
    assert twenty < five < none
    assert twenty < 0.95 * none


def simulate(rng, observers=60, stimuli=40, votes=0.5):
    features = rng.normal([5, 20], [1, 4], (stimuli, 2))
    weights = rng.multivariate_normal([3, 0.8, -0.4], np.diag([0.16, 0.04, 0.01]), observers)
    design = np.column_stack([np.ones(stimuli), (features - features.mean(0)) / features.std(0)])
    scores = design @ weights.T + rng.normal(0, 0.5, (stimuli, observers))
    scores[rng.random(scores.shape) > votes] = np.nan
    return features, scores, weights


def test_the_distribution_of_observers_is_recovered(rng):
    features, scores, weights = simulate(rng, observers=800)
    model = fit_personal(features, scores)
    np.testing.assert_allclose(model.mean, [3, 0.8, -0.4], atol=0.05)
    np.testing.assert_allclose(np.diag(model.covariance), [0.16, 0.04, 0.01], atol=0.02)
    assert model.noise == pytest.approx(0.5, abs=0.01)
    error = np.sqrt(np.diagonal(model.weight_covariance, axis1=1, axis2=2))
    assert np.mean(np.abs(model.weights - weights) < 1.96 * error) == pytest.approx(0.95, abs=0.02)


def test_who_is_met_is_as_if_the_model_had_been_fitted_with_their_votes(rng):
    features, scores, _ = simulate(rng)
    model = fit_personal(features, scores)
    given = ~np.isnan(scores[:, 7])
    met = model.meet(features[given], scores[given, 7])
    np.testing.assert_allclose(met.weights[-1], model.weights[7], atol=1e-9)
    np.testing.assert_allclose(met.weight_covariance[-1], model.weight_covariance[7], atol=1e-9)
    stranger = model.meet(features[:0], [])
    np.testing.assert_allclose(stranger.weights[-1], model.mean)
    np.testing.assert_allclose(
        stranger.predict(features, 60).deviation, model.predict(features).deviation
    )


def test_observers_without_votes_are_the_mean_observer(rng):
    features, scores, _ = simulate(rng)
    scores[:, 3] = np.nan
    model = fit_personal(features, scores)
    np.testing.assert_allclose(model.weights[3], model.mean, atol=1e-12)


def test_a_model_comes_back_from_its_file(rng, tmp_path):
    features, scores, _ = simulate(rng, observers=5)
    model = fit_personal(features, scores)
    save_model(tmp_path / "model.safetensors", model)
    found = load_model(tmp_path / "model.safetensors", PersonalModel)
    np.testing.assert_array_equal(
        found.predict(features, 2).score, model.predict(features, 2).score
    )


def test_degenerate_input_is_a_clear_error(rng):
    features, scores, _ = simulate(rng, observers=5)
    with pytest.raises(ValueError, match="feature 1 is constant"):
        fit_personal(np.column_stack([features[:, 0], np.ones(40)]), scores)
    with pytest.raises(ValueError, match="at least two are needed"):
        fit_personal(features, scores[:, :1])
    with pytest.raises(ValueError, match=r"finite ones .* for 40 stimuli"):
        fit_personal(features[:3], scores)
    few = np.full((40, 2), np.nan)
    few[:2] = 1
    with pytest.raises(ValueError, match="4 votes are too few for 2 features"):
        fit_personal(features, few)
    model = fit_personal(features, scores)
    with pytest.raises(ValueError, match="observer 5 is none of 5"):
        model.predict(features, 5)
    with pytest.raises(ValueError, match=r"give finite ones \[stimuli, 2\]"):
        model.predict(features[:, :1])
    with pytest.raises(ValueError, match="give a finite one for each of 40"):
        model.meet(features, scores[:, 0])
    equal = fit_personal(features, np.full((40, 3), 2.0))
    np.testing.assert_allclose(equal.predict(features, 1).score, 2, atol=1e-6)
