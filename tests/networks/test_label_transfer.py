"""Ratings handed on by the nearest images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import spearmanr

from jiqa.core.models import load_model, save_model
from jiqa.networks.label_transfer import LabelTransfer, fit_label_transfer

SIZES = (3, 2)


@pytest.fixture
def images(rng):
    """Features of a channel that tells type and quality, and of one that tells nothing."""
    types = np.repeat(np.arange(2), 60)
    opinions = rng.uniform(0, 100, 120)
    sign = 2 * types - 1
    telling = np.stack([3 * sign, sign * opinions / 30, opinions / 40], -1)
    telling = telling + 0.1 * rng.standard_normal(telling.shape)
    features = np.concatenate([telling, rng.standard_normal((120, 2))], -1)
    return features, opinions, types, np.arange(120) % 15


def slowly(model, features):
    """One image, one channel, one distortion at a time."""
    x = (features - model.mean) / model.deviation
    shares, scores = np.zeros(2), np.zeros(2)
    for channel, weight in enumerate(model.weights):
        columns = model.channels == channel
        distances = np.sqrt(((model.features - x)[:, columns] ** 2).mean(1))

        def say(places, channel=channel, distances=distances):
            places = places[np.argsort(distances[places])][: model.neighbours]
            kept = np.exp(-distances[places] / model.scales[channel])
            return places, kept / kept.sum()

        places, kept = say(np.arange(len(distances)))
        for kind in range(2):
            shares[kind] += weight * kept[model.types[places] == kind].sum()
            own, of_own = say(np.flatnonzero(model.types == kind))
            scores[kind] += weight * (of_own * model.opinions[own]).sum()
    return (shares * scores).sum(), shares


def test_it_is_the_slow_form(images, rng):
    model = fit_label_transfer(*images, sizes=SIZES, neighbours=4)
    queries = images[0][:6] + 0.3 * rng.standard_normal((6, 5))
    result = model.predict(jnp.asarray(queries))
    for place, query in enumerate(queries):
        score, shares = slowly(model, query)
        np.testing.assert_allclose(result["score"][place], score, rtol=1e-9)
        np.testing.assert_allclose(np.exp(result["distortion"][place]), shares, atol=1e-9)


def test_it_rates_images_that_it_has_not_seen(images):
    features, opinions, types, contents = images
    new = contents < 5
    known = [array[~new] for array in images]
    model = fit_label_transfer(*known, sizes=SIZES)
    result = model.predict(jnp.asarray(features[new]))
    assert spearmanr(result["score"], opinions[new]).statistic > 0.9
    assert (jnp.argmax(result["distortion"], -1) == types[new]).mean() > 0.9


def test_a_channel_that_tells_nothing_counts_little(images):
    model = fit_label_transfer(*images, sizes=SIZES)
    assert model.weights.sum() == pytest.approx(1)
    assert model.weights[0] > 0.7


def test_images_of_the_same_original_do_not_vouch_for_a_channel(rng):
    contents = np.repeat(np.arange(20), 4)
    # Opinions are alike within an original, which is all that these features tell.
    opinions = np.repeat(rng.uniform(0, 1, 20), 4)
    features = np.repeat(rng.standard_normal((20, 2)), 4, 0)
    features = features + 1e-3 * rng.standard_normal(features.shape)
    types = np.zeros(80, int)
    useful = opinions[:, None] + 0.3 * rng.standard_normal((80, 1))
    both = np.concatenate([features, useful], -1)
    apart = fit_label_transfer(both, opinions, types, contents, sizes=(2, 1))
    together = fit_label_transfer(both, opinions, types, sizes=(2, 1))
    assert together.weights[0] > 0.5 > 0.3 > apart.weights[0]


def test_few_images_of_a_distortion_are_enough(images):
    features, opinions, types, _ = images
    types = np.where(np.arange(120) == 7, 2, types)
    model = fit_label_transfer(features, opinions, types, sizes=SIZES)
    result = model.predict(jnp.asarray(features))
    assert jnp.isfinite(result["score"]).all()
    assert result["distortion"].shape == (120, 3)


@pytest.mark.parametrize("constant", ["features", "opinions"])
def test_what_is_all_the_same_gives_numbers(images, constant):
    features, opinions, types, contents = images
    if constant == "features":
        features = np.ones_like(features)
    else:
        opinions = np.ones_like(opinions)
    model = fit_label_transfer(features, opinions, types, contents, sizes=SIZES)
    assert model.weights.tolist() == [0.5, 0.5]
    assert jnp.isfinite(model.predict(jnp.asarray(features))["score"]).all()


def test_it_is_saved_and_compiled(images, tmp_path):
    features = images[0]
    model = fit_label_transfer(*images, sizes=SIZES)
    save_model(tmp_path / "m.safetensors", model)
    again = load_model(tmp_path / "m.safetensors", LabelTransfer)
    expected = model.predict(jnp.asarray(features))["score"]
    found = jax.jit(lambda x: again.predict(x)["score"])(features[:1])
    np.testing.assert_allclose(found, expected[:1], rtol=1e-6)
    single = model.predict(jnp.asarray(features, jnp.float32))["score"]
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, expected, rtol=1e-2)


def test_wrong_input_is_an_error(images):
    with pytest.raises(ValueError, match=r"sizes=\[3, 3\] must add up to 5"):
        fit_label_transfer(*images, sizes=(3, 3))
    with pytest.raises(ValueError, match="neighbours=0"):
        fit_label_transfer(*images, neighbours=0)
    with pytest.raises(ValueError, match="types are 1, 2"):
        fit_label_transfer(images[0], images[1], images[2] + 1)
