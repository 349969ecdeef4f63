"""PHOG: its cells and bins, its symmetries, its distances."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jiqa.core import edges
from jiqa.core.phog import chi_squared_distance, histogram_intersection, phog
from tests import goldens

IMAGE = goldens.read("astronaut_ref")[100:149, 180:242] / 255.0


def plain_phog(gray, bins, angle, levels):
    padded = np.pad(gray, 1, mode="edge")
    smooth = np.array([1, 2, 1]) / 4
    height, width = gray.shape
    dx = sum(
        s * (padded[i : i + height, 2:] - padded[i : i + height, :-2]) for i, s in enumerate(smooth)
    )
    dy = sum(
        s * (padded[2:, i : i + width] - padded[:-2, i : i + width]) for i, s in enumerate(smooth)
    )
    strength = np.hypot(dx, dy) * np.asarray(edges.canny(gray[..., None]))[..., 0]
    place = np.degrees(np.arctan2(dy, dx)) % angle // (angle / bins)
    histograms = []
    for level in range(levels + 1):
        n = 2**level
        row, column = np.arange(height) * n // height, np.arange(width) * n // width
        for cell in np.ndindex(n, n):
            inside = np.ix_(row == cell[0], column == cell[1])
            histograms += [strength[inside][place[inside] == k].sum() for k in range(bins)]
    return np.array(histograms) / np.sum(histograms)


@pytest.mark.parametrize(("bins", "angle", "levels"), [(8, 180, 3), (20, 180, 2), (40, 360, 1)])
def test_definition(bins, angle, levels, rng):
    gray = IMAGE.mean(-1) + 0.1 * rng.random(IMAGE.shape[:2])
    ours = phog(gray[..., None], bins=bins, angle=angle, levels=levels)
    assert ours.shape == (bins * (4 ** (levels + 1) - 1) // 3,)
    # Levels within 1e-4 of a whole number are made whole, one in five thousand of these.
    assert_allclose(ours, plain_phog(gray, bins, angle, levels), rtol=1e-4, atol=1e-7)


def test_without_edges_it_is_zero():
    assert not phog(np.full((16, 16, 3), 0.3)).any()


def test_a_quarter_turn_moves_the_bins(rng):
    image = IMAGE + 0.1 * rng.random(IMAGE.shape)
    turned = phog(np.rot90(image), levels=0, luma="bt601")
    assert_allclose(turned, np.roll(phog(image, levels=0, luma="bt601"), 4), rtol=1e-9)


def test_batches_jit_and_colour():
    batch = np.stack([IMAGE, IMAGE[::-1], 0 * IMAGE])
    each = [phog(image) for image in batch]
    assert_allclose(jax.jit(phog)(batch), each, rtol=1e-9, atol=1e-15)
    levels = np.round(255 * batch)
    assert_allclose(phog(levels, data_range=255), each, rtol=1e-9, atol=1e-15)


def test_distances():
    x, y = phog(np.stack([IMAGE, IMAGE[:, ::-1]]))
    assert_allclose([histogram_intersection(x, x), chi_squared_distance(x, x)], [1, 0], atol=1e-12)
    assert 0 < histogram_intersection(x, y) < 1
    both = (x + y) > 0
    known = np.sum((x - y)[both] ** 2 / (x + y)[both])
    assert_allclose(chi_squared_distance(x, y), known, rtol=1e-10)
    assert jnp.isfinite(jax.grad(lambda y: chi_squared_distance(0 * x, y))(0 * y)).all()


def test_errors():
    with pytest.raises(ValueError, match="angle=90 is unknown"):
        phog(IMAGE, angle=90)
    with pytest.raises(ValueError, match="smaller than the 8 x 8"):
        phog(IMAGE[:7])
