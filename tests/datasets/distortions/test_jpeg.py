"""JPEG beside libjpeg's own, through Pillow, and its gradient."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from jiqa.datasets.distortions.jpeg import COSINES, jpeg_decoded, quality_scale
from tests.datasets.distortions.ladders import read_photographs

decode = jax.jit(jpeg_decoded, static_argnames="subsampling")


@pytest.fixture(scope="module")
def photograph(shared_data):
    return np.asarray(255 * read_photographs(shared_data)[0]).round().astype(np.uint8)


def _by_pillow(image, quality, subsampling):
    options = {} if image.shape[-1] == 1 else {"subsampling": subsampling}
    file = io.BytesIO()
    Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(
        file, "JPEG", quality=quality, **options
    )
    return np.asarray(Image.open(file)).reshape(image.shape)


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("size", [(64, 96), (37, 51), (16, 16), (23, 5), (9, 4), (7, 3)])
@pytest.mark.parametrize("channels", [3, 1])
def test_decoded_image_is_that_of_libjpeg(photograph, size, subsampling, channels):
    image = photograph[20 : 20 + size[0], 30 : 30 + size[1], :channels]
    for quality in (1, 4, 10, 24, 43, 50, 75, 95, 100):
        found = decode(image / np.float32(255), quality_scale(quality), subsampling=subsampling)
        expected = _by_pillow(image, quality, subsampling)
        assert_array_equal(np.round(255 * np.float64(found)), expected)


def test_matrix_is_the_cosine_transform():
    place = np.arange(8)
    expected = np.cos(np.pi * (2 * place + 1) * place[:, None] / 16) * 2**13 * np.sqrt(2)
    expected[0] /= np.sqrt(2)
    assert np.abs(COSINES - expected).max() < 3  # of 8192: sums of rounded factors


def test_gradient_is_straight_through_and_descends(photograph):
    target = jnp.asarray(photograph[:40, :48] / 255)
    start = jnp.clip(target + 0.2 * jax.random.normal(jax.random.key(0), target.shape), 0, 1)

    def loss(image):
        return jnp.mean((jpeg_decoded(image, quality_scale(30)) - target) ** 2)

    step = jax.jit(jax.value_and_grad(loss))
    image, losses = start, []
    for _ in range(30):
        value, gradient = step(image)
        assert bool(jnp.isfinite(gradient).all())
        image = jnp.clip(image - 0.1 * target.size * gradient, 0, 1)
        losses.append(float(value))
    assert min(losses) < 0.3 * losses[0]  # a fixed step goes back and forth in the end


def test_gradient_of_grey_is_the_identity(photograph):
    image = jnp.asarray(photograph[:16, :16, :1] / 255)
    weights = jax.random.normal(jax.random.key(0), image.shape)
    found = jax.grad(lambda x: jnp.vdot(weights, jpeg_decoded(x, quality_scale(10))))(image)
    assert_array_equal(found, weights)


def test_gradient_of_colour_is_that_of_sampling_it_down_and_up():
    # A change of colour alone, the same everywhere, passes; a checkerboard of it does not.
    image = jnp.full((16, 16, 3), 0.5)
    color = jnp.array([1.402, -0.714136, 0.0])  # redness in RGB
    board = (jnp.indices((16, 16)).sum(0) % 2 * 2 - 1)[..., None] * color
    tangents = jnp.broadcast_to(color, image.shape), board
    for tangent, factor in zip(tangents, (1, 0), strict=True):
        _, found = jax.jvp(lambda x: jpeg_decoded(x, quality_scale(50)), (image,), (tangent,))
        assert float(jnp.abs(found - factor * tangent).max()) < 1e-5


def test_unknown_subsampling():
    with pytest.raises(ValueError, match="use '4:2:0' or '4:4:4'"):
        jpeg_decoded(jnp.zeros((8, 8, 3)), 100, subsampling="4:1:1")
