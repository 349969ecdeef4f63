"""Every form of convolution against XLA's, with gradients, and which form runs where."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jiqa.kernels import convolution as kernels

# Map, kernel, stride, padding, groups, and the form that a CPU runs.
CASES = {
    "plain": ((9, 8), (3, 3, 4, 5), 1, ((1, 1), (1, 1)), 1, "by_library"),
    "strided": ((17, 20), (5, 5, 4, 5), 4, ((2, 2), (2, 2)), 1, "by_library"),
    "many channels": ((9, 8), (3, 3, 32, 32), 1, ((1, 1), (1, 1)), 1, "by_winograd"),
    "groups": ((9, 8), (3, 3, 4, 6), 1, ((1, 1), (1, 1)), 2, "by_groups"),
    "tiny groups": ((2, 2), (3, 3, 4, 6), 1, ((1, 1), (1, 1)), 2, "by_groups"),
    "channels": ((9, 8), (3, 3, 1, 6), 2, ((0, 1), (1, 1)), 6, "by_channels"),
    "tiny channels": ((2, 3), (5, 5, 1, 6), 1, ((2, 2), (2, 2)), 6, "by_channels"),
    "tiny": ((2, 2), (3, 3, 4, 5), 1, ((1, 1), (1, 1)), 1, "by_patches"),
    "tiny strided": ((9, 5), (5, 5, 4, 5), 2, ((2, 1), (0, 0)), 1, "by_patches"),
    "one pixel": ((1, 1), (3, 3, 4, 5), 1, ((1, 1), (1, 1)), 1, "by_patches"),
    "nothing left": ((2, 8), (3, 3, 4, 5), 1, ((0, 0), (0, 0)), 1, "by_library"),
}


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
@pytest.mark.parametrize("case", CASES)
def test_forms_give_values_and_gradients_of_xla(case, dtype, tolerance, rng):
    size, shape, stride, padding, groups, form = CASES[case]
    x = rng.standard_normal((2, *size, shape[2] * groups)).astype(dtype)
    kernel = (rng.standard_normal(shape) / np.sqrt(np.prod(shape[:3]))).astype(dtype)
    given = {"stride": stride, "padding": padding, "groups": groups}
    if dtype == np.float64 and form == "by_winograd":
        form = "by_library"
    assert kernels.cpu_form(x, kernel, **given).__name__ == form

    @jax.jit
    def both(x, kernel):
        results = []
        for compute in (kernels.convolution, kernels.by_library):
            y, pull = jax.vjp(lambda x, kernel, f=compute: f(x, kernel, **given), x, kernel)
            results.append((y, *pull(jnp.cos(y))))
        return results

    for found, expected in zip(*both(x, kernel), strict=True):
        assert found.dtype == dtype
        assert_allclose(found, expected, rtol=tolerance, atol=tolerance * 10)


def test_accelerators_get_a_convolution():
    x, kernel = jnp.ones((1, 8, 8, 6)), jnp.ones((3, 3, 1, 6))

    def compute(x, kernel):
        return kernels.convolution(x, kernel, groups=6)

    def text(platform):
        return jax.jit(compute).trace(x, kernel).lower(lowering_platforms=(platform,)).as_text()

    assert "feature_group_count = 6" in text("cuda")
    assert "feature_group_count = 6" in text("tpu")
    assert "convolution" not in text("cpu").replace("jit_compute", "")


def test_vmap_over_maps_and_kernels(rng):
    x, kernel = rng.random((3, 1, 6, 5, 4)), rng.random((3, 3, 3, 1, 4))
    mapped = jax.vmap(lambda x, k: kernels.convolution(x, k, groups=4))(x, kernel)
    for i in range(3):
        alone = kernels.convolution(jnp.asarray(x[i]), jnp.asarray(kernel[i]), groups=4)
        assert_allclose(mapped[i], alone, rtol=1e-12)
