"""The reduced-reference projection: its definition, signs, equal eigenvalues, gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.fft import dctn

import jiqa
from jiqa.reduced_reference import Features


def vectors_of(image, size):
    rows, columns = image.shape[0] // size, image.shape[1] // size
    cut = image[: rows * size, : columns * size].reshape(rows, size, columns, size)
    blocks = cut.swapaxes(1, 2).reshape(-1, size**2)
    return blocks - blocks.mean(0)


def texture(size):
    """The covariance of all DCT basis functions, from the lowest frequency to the highest."""
    order = sorted(np.ndindex(size, size), key=lambda place: (sum(place), place[0]))
    total = np.zeros((size**2, size**2))
    for rank, place in enumerate(order):
        wave = np.zeros((size, size))
        wave[place] = 1
        wave = dctn(wave, type=3, norm="ortho").ravel()
        total += 2 * (1 - rank / size**2) * np.outer(wave, wave)
    return total


@pytest.mark.parametrize(("size", "count"), [(8, 24), (5, 25)])
def test_definition(rng, size, count):
    x, y = rng.random((2, 61, 83)) * np.linspace(0.2, 1, 83)
    sent, own = vectors_of(255 * x, size), vectors_of(255 * y, size)
    covariance = sent.T @ sent / len(sent)
    covariance += np.trace(covariance) / size**2 / 32 * texture(size)
    basis = np.linalg.eigh(covariance)[1][:, ::-1][:, :count]
    p, q = (np.abs(blocks @ basis).mean(0) for blocks in (sent, own))
    expected = np.abs(p - q).sum() / (p + 0.01).sum()
    ours = jiqa.rr_svd_projection(x[..., None], y[..., None], block_size=size, vectors=count)
    assert_allclose(ours, expected, rtol=1e-9)


def test_signs_do_not_matter(rng):
    x, y = rng.random((2, 40, 48, 1))
    features = jiqa.rr_svd_projection_features(x)
    signs = rng.choice([-1.0, 1.0], (1, 24, 1))
    values = {**features.values, "vectors": signs * features.values["vectors"]}
    turned = Features(values, features.method, features.options)
    distances = [jiqa.rr_svd_projection_distance(each, y) for each in (turned, features)]
    assert_allclose(*distances, rtol=1e-12)


def symmetric(rng):
    """Blocks and all that turns and mirrors make of them: many eigenvalues are equal in pairs."""
    tiles = []
    for block in rng.random((4, 8, 8)):
        tiles += [np.rot90(each, turn) for each in (block, block.T) for turn in range(4)]
    return np.block([tiles[:16], tiles[16:]])[..., None]


@pytest.mark.parametrize("reference", ["symmetric", "flat"])
def test_equal_eigenvalues_leave_no_choice(rng, reference):
    """Faint noise, which turns the vectors of equal eigenvalues anywhere, hardly changes them."""
    x = symmetric(rng) if reference == "symmetric" else np.full((16, 128, 1), 0.3)
    y = np.clip(x + 0.2 * rng.random(x.shape), 0, 1)
    noisy = x + 1e-9 * rng.standard_normal(x.shape)
    first, second = (
        jiqa.rr_svd_projection_features(image, vectors=6).values["vectors"] for image in (x, noisy)
    )
    alike = np.abs(np.sum(first * second, axis=-1))
    assert_allclose(alike, 1, atol=1e-6)
    single = (image.astype(np.float32) for image in (noisy, y))
    # Single precision turns vectors by some thousandths where eigenvalues are that near.
    assert_allclose(jiqa.rr_svd_projection(*single), jiqa.rr_svd_projection(x, y), rtol=1e-2)


def test_brightness_is_not_seen_and_flat_images_are_finite(rng):
    x = 0.2 + 0.5 * rng.random((40, 48, 3))
    assert_allclose(jiqa.rr_svd_projection(x, x + 0.1, luma="bt601"), 0, atol=1e-9)
    flat = jnp.full((40, 48, 3), 0.5)
    assert_allclose(jiqa.rr_svd_projection(flat, flat), 0, atol=1e-9)
    assert jnp.isfinite(jiqa.rr_svd_projection(flat, x))


def test_the_distance_has_a_gradient(rng):
    x, y = rng.random((2, 24, 32, 1))
    features = jiqa.rr_svd_projection_features(x)
    distance = lambda image: jiqa.rr_svd_projection_distance(features, image)  # noqa: E731
    slope, direction = jax.grad(distance)(y), rng.standard_normal(y.shape)
    step = 1e-6 * direction
    difference = (distance(y + step) - distance(y - step)) / 2e-6
    assert_allclose(np.sum(slope * direction), difference, rtol=1e-5)


def test_errors():
    image = np.zeros((16, 24, 1))
    for vectors in (0, 65):
        with pytest.raises(ValueError, match=f"vectors={vectors} must be from 1 to 64"):
            jiqa.rr_svd_projection(image, image, vectors=vectors)
    with pytest.raises(ValueError, match="smaller than the 8 x 8 window"):
        jiqa.rr_svd_projection(image[:7], image[:7])
