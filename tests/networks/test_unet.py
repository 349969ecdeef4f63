"""The U-Net."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jiqa.networks.unet import UNet

WIDTHS = (4, 8, 16)


def test_maps_are_zero_at_first_and_as_large_as_images():
    maps, innermost = UNet(3, 2, widths=WIDTHS, rngs=nnx.Rngs(0))(
        jnp.ones((2, 9, 14, 3)), training=False
    )
    assert maps.shape == (2, 9, 14, 2)
    assert innermost.shape == (2, 3, 4, 16)
    assert not maps.any()


@pytest.mark.parametrize("side", [1, 5, 8])  # of which 4, 8 and 8 are made
def test_sides_are_extended_by_their_border(rng, side):
    net = UNet(1, 1, widths=WIDTHS, rngs=nnx.Rngs(0))
    net.last.kernel[...] = jnp.ones_like(net.last.kernel[...])
    image = jnp.asarray(rng.random((1, side, 8, 1)), jnp.float32)
    extended = jnp.pad(image, ((0, 0), (0, -side % 4), (0, 0), (0, 0)), mode="edge")
    np.testing.assert_allclose(
        net(image, training=False)[0], net(extended, training=False)[0][:, :side], rtol=1e-5
    )


def test_every_place_sees_beyond_its_neighbours(rng):
    net = UNet(1, 1, widths=WIDTHS, rngs=nnx.Rngs(0))
    net.last.kernel[...] = jnp.ones_like(net.last.kernel[...])
    image = jnp.asarray(rng.random((1, 32, 32, 1)), jnp.float32)
    reach = jax.grad(lambda image: net(image, training=False)[0][0, 16, 16, 0])(image)[0, ..., 0]
    rows, columns = np.nonzero(np.asarray(reach))
    assert rows.min() < 10
    assert columns.max() > 22
