"""Channels taken apart and mixed, with their derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jax.test_util import check_grads
from numpy.testing import assert_allclose, assert_array_equal

from jiqa.core.channels import mix_channels, split_channels, unstack_channels

MATRIX = np.array([[0.2, 0.5, 0.3], [1.0, -1.0, 0.0]])


def test_groups_and_channels_are_slices(rng):
    images = rng.random((2, 4, 5, 3))
    light, color = split_channels(images, 1, 2)
    assert_array_equal(light, images[..., :1])
    assert_array_equal(color, images[..., 1:])
    assert_array_equal(jnp.stack(unstack_channels(images), -1), images)


@pytest.mark.parametrize("matrix", [MATRIX, MATRIX[:1]], ids=["two rows", "one row"])
def test_a_mixture_is_a_product_with_all_derivatives(matrix, rng):
    images = rng.random((2, 4, 5, 3))
    assert_allclose(mix_channels(images, matrix), images @ matrix.T, rtol=1e-12)
    check_grads(lambda x: mix_channels(x, matrix) ** 3, (images,), order=2, modes=["fwd", "rev"])


def test_dtype_and_precision(rng):
    images = rng.random((4, 5, 3), dtype=np.float32)
    mixed = mix_channels(images, MATRIX)
    assert mixed.dtype == np.float32
    assert_allclose(mixed, images.astype(float) @ MATRIX.T, atol=3e-7)


@pytest.mark.parametrize("axis", [0, 1, 3])
def test_any_axis_can_be_mapped(axis, rng):
    images = rng.random((2, 4, 5, 3))
    mapped = jax.vmap(lambda x: mix_channels(x, MATRIX), in_axes=axis)
    images = np.moveaxis(images, 0, axis)
    assert_allclose(mapped(images), np.moveaxis(images, axis, 0) @ MATRIX.T, rtol=1e-12)


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_a_sharded_batch_stays_where_it_is(kind, rng):
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(kind,))
    images = rng.random((8, 4, 5, 3))
    sharding = NamedSharding(mesh, PartitionSpec("batch"))
    placed = jax.device_put(images, sharding)
    with jax.set_mesh(mesh):
        mixed = jax.jit(lambda x: mix_channels(x, MATRIX))(placed)
        gradient = jax.jit(jax.grad(lambda x: jnp.sum(mix_channels(x, MATRIX) ** 2)))(placed)
    assert mixed.sharding.is_equivalent_to(sharding, 4)
    assert gradient.sharding.is_equivalent_to(sharding, 4)
    assert_allclose(mixed, images @ MATRIX.T, rtol=1e-12)
    assert_allclose(gradient, 2 * images @ MATRIX.T @ MATRIX, rtol=1e-12)


def test_inside_shard_map(rng):
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(AxisType.Auto,))
    images = rng.random((8, 4, 5, 3))
    spec = PartitionSpec("batch")
    mapped = jax.shard_map(
        lambda x: mix_channels(x, MATRIX), mesh=mesh, in_specs=spec, out_specs=spec
    )
    assert_allclose(jax.jit(mapped)(images), images @ MATRIX.T, rtol=1e-12)
