"""FSIM, SR-SIM and VSI: the authors' scores on LIVE, colour, maps, negative chrominance."""

import csv

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from jiqa.full_reference.fsim import phase_congruency


@pytest.fixture(scope="module")
def live_rows(shared_data):
    folder = shared_data / "data" / "live_subset"
    with (folder / "dmos.csv").open() as file:
        return folder, list(csv.DictReader(file))


def test_fsim_is_the_authors_on_live(live_rows):
    """A few images of every reference; scores in the table have about 15 digits.

    Nothing but the identity of the file could differ: the table was matched to the images by
    another implementation. Half a millionth is what single images differ by.
    """
    folder, rows = live_rows
    for row in rows[::7]:
        pair = [jiqa.images.read_image(folder / row[key]).astype(float) for key in ("ref", "dist")]
        for name in ("fsim", "fsimc"):
            score = float(jiqa.load(name)(*pair, data_range=255))
            assert_allclose(score, float(row[f"{name}_official"]), rtol=2e-6, err_msg=row["dist"])


@pytest.mark.parametrize("name", ["fsim", "sr_sim"])
def test_colour_is_seen_only_where_asked_for(rng, name):
    metric = jiqa.load(name)
    x = rng.random((40, 36, 3))
    y = x + 0.2 * np.array([0.956, -0.272, -1.106])  # along I of YIQ, at equal Y
    x, y = 0.3 + 0.3 * x, 0.3 + 0.3 * y
    assert metric(x, y) > 0.999
    assert metric(x, y, color=True) < metric(x, y) - 0.001
    gray = x[..., :1], rng.random((40, 36, 1))
    assert metric(*gray) == metric(*gray, color=True)


@pytest.mark.parametrize(("name", "options"), [("fsim", {}), ("sr_sim", {}), ("vsi", {})])
def test_map_is_one_where_images_are_alike_and_the_range_does_not_matter(rng, name, options):
    x = rng.random((2, 30, 41, 3))
    y = rng.random((2, 30, 41, 3))
    local = getattr(jiqa, f"{name}_map")
    assert_allclose(local(x, x), 1, rtol=1e-12)
    assert local(x, y).shape == (2, 30, 41)
    assert local(x, y, **options).max() < 1
    score = jiqa.load(name)(x, y)
    assert_allclose(jiqa.load(name)(x * 255, y * 255, data_range=255), score, rtol=1e-6)


def test_large_images_are_reduced(rng):
    x, y = rng.random((2, 384, 390, 3))
    assert jiqa.vsi_map(x, y).shape == (192, 195)
    assert jiqa.vsi_map(x, y, downsample=False).shape == (384, 390)


def test_opposite_chrominances_have_a_real_similarity():
    """I of the two images differs in sign and Q does not, so the product is negative."""
    gray = jnp.full((16, 16, 3), 0.5)
    tint = 0.3 * jnp.array([0.956, -0.272, -1.106])
    edge = jnp.zeros((16, 16, 1)).at[:, 8:].set(0.1)
    x, y = gray + tint + edge, gray - tint + edge
    for name in ("fsimc", "sr_simc", "vsi"):
        value, slope = jax.value_and_grad(jiqa.load(name), 1)(x, y)
        assert 0 < value < 1
        assert jnp.isfinite(slope).all()


def test_phase_congruency_finds_edges_of_any_contrast():
    image = jnp.zeros((64, 64, 1)).at[:, 32:].set(200.0)
    strong, weak = (phase_congruency(20 + contrast * image)[..., 0] for contrast in (1.0, 0.1))
    for congruency in (strong, weak):
        assert congruency[20:44, 31:33].min() > 0.7
        assert congruency[20:44, 31:33].min() > congruency[20:44, 20:28].max()
    assert_allclose(weak[32, 31], strong[32, 31], rtol=0.01)


def test_phase_congruency_does_not_depend_on_the_batch(rng):
    images = 255 * rng.random((2, 3, 24, 21, 1))
    batch = phase_congruency(images)
    assert_allclose(batch[1, 2], phase_congruency(images[1, 2]), rtol=1e-9, atol=1e-12)
