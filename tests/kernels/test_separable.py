"""Every form of the separable correlation against the reference, and its derivatives."""

from functools import partial

import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest
from scipy.ndimage import correlate

from jiqa.kernels.forms import PREFERENCES, choose_form, find_module
from jiqa.kernels.separable import reference, separable

PACKAGE = "jiqa.kernels.separable"
CPU_FORMS = [form for form in PREFERENCES["cpu"] if form != "reference"]
WINDOWS = [(11, 11), (1, 30), (8, 5), (7, 7)]


def test_reference_is_scipys(rng):
    image = rng.random((20, 23))
    rows, columns = rng.random(5), rng.random(4)
    whole = correlate(image, np.outer(rows, columns), mode="constant")
    ours = reference.correlation(
        jnp.asarray(image)[None, ..., None], rows=tuple(rows), columns=tuple(columns), stride=2
    )
    np.testing.assert_allclose(ours[0, ..., 0], whole[2:-2, 2:-1][::2, ::2], rtol=1e-12)


@pytest.mark.parametrize("name", CPU_FORMS)
@pytest.mark.parametrize("taps", WINDOWS)
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("shape", [(1, 11, 30, 1), (2, 37, 41, 3), (3, 64, 33, 1)])
def test_forms_equal_the_reference(rng, name, taps, stride, shape):
    windows = {"rows": rng.random(taps[0]).tolist(), "columns": rng.random(taps[1]).tolist()}
    x = jnp.asarray(rng.random(shape), jnp.float32)
    size = shape[1:3]
    if choose_form(PACKAGE, "correlation", [x], "cpu", name, stride=stride, **windows) != name:
        pytest.skip(f"{name} leaves this to the next form, or is not on this machine")
    form = find_module(PACKAGE, name)
    expected = reference.correlation(x, stride=stride, **windows)
    np.testing.assert_allclose(form.correlation(x, stride=stride, **windows), expected, rtol=1e-5)
    np.testing.assert_allclose(
        form.adjoint(expected, stride=stride, size=size, **windows),
        reference.adjoint(expected, stride=stride, size=size, **windows),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("implementation", [None, "reference", "xla"])
def test_derivatives_to_second_order(rng, stride, implementation):
    x = jnp.asarray(rng.random((2, 14, 15, 2)))
    filtered = partial(
        separable,
        rows=rng.random(7).tolist(),
        columns=rng.random(6).tolist(),
        stride=stride,
        implementation=implementation,
    )
    jax.test_util.check_grads(lambda x: filtered(x) ** 3, (x,), order=2, rtol=1e-4, atol=1e-4)


def test_adjoint_is_the_transpose(rng):
    x = jnp.asarray(rng.random((1, 20, 21, 3)))
    filtered = partial(separable, rows=rng.random(6).tolist(), columns=rng.random(7).tolist())
    result, transpose = jax.vjp(filtered, x)
    probe = jnp.asarray(rng.random(result.shape))
    np.testing.assert_allclose(
        jnp.vdot(probe, result), jnp.vdot(transpose(probe)[0], x), rtol=1e-12
    )


def test_leading_axes_and_vmap_agree(rng):
    x = jnp.asarray(rng.random((2, 3, 20, 21, 1)))
    filtered = partial(separable, rows=[0.1] * 10, columns=[0.2] * 5)
    np.testing.assert_allclose(jax.vmap(filtered)(x), filtered(x), rtol=1e-14)
    np.testing.assert_allclose(
        jax.vmap(filtered, in_axes=1, out_axes=1)(x), filtered(x), rtol=1e-14
    )
    assert filtered(x[0, 0]).shape == (11, 17, 1)
