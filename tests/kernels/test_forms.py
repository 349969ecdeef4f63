"""Which form computes what, where."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from jiqa.kernels.forms import FORMS, PREFERENCES, choose_form
from jiqa.kernels.ssim_statistics import Similarity

PACKAGE = "jiqa.kernels.ssim_statistics"
SIMILARITY = Similarity((0.25,) * 4, 1e-4, 9e-4)


def choose(platform, implementation=None, dtype=jnp.float32):
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), dtype)
    return choose_form(
        PACKAGE, "sums", [image, image], platform, implementation, similarity=SIMILARITY
    )


def test_every_platform_has_a_form():
    assert choose("cpu") in ("native", "xla")
    assert choose("cpu", dtype=jnp.float64) == "xla"
    assert choose("rocm") == "reference"
    assert set(sum(PREFERENCES.values(), ())) <= set(FORMS)


@pytest.mark.parametrize("implementation", ["reference", "xla"])
def test_a_form_can_be_forced(implementation):
    assert choose("cpu", implementation) == implementation


def test_what_a_form_does_not_support_falls_to_the_next():
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    window = {"rows": (1.0, 1.0), "columns": (1.0, 1.0), "stride": 1}
    form = choose_form("jiqa.kernels.separable", "correlation", [image], "cpu", "xla", **window)
    assert form != "xla"


def test_only_the_form_in_use_is_compiled():
    def text(implementation):
        from jiqa.kernels.ssim_statistics import ssim_statistics

        image = jnp.ones((64, 64, 3), jnp.float32)
        compute = jax.jit(
            lambda x: ssim_statistics(x, x, SIMILARITY, implementation=implementation)
        )
        return compute.lower(image).as_text()

    assert "while" in text("xla")
    assert "while" not in text("reference")


@pytest.mark.parametrize("name", ["gmsd", "ssim", "uqi"])
def test_metrics_can_be_gone_through_without_jit(name, rng):
    reference, distorted = rng.random((2, 20, 20, 3), dtype=np.float32)
    metric = jiqa.load(name)
    compiled = metric(reference, distorted)
    with jax.disable_jit():
        assert_allclose(metric(reference, distorted), compiled, rtol=1e-5)
