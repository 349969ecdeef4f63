"""What every metric owes, of those whose pretrained networks are not at hand: by random ones."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from jiqa.deep import pieapp
from jiqa.deep.backbones.vgg import vgg11
from jiqa.deep.st_lpips import NETWORKS
from tests.deep.networks import draw, draw_st_lpips

SMALL = {"net": "vgg11", "taps": ("relu1_1", "relu2_1", "conv3_1")}
OPTIONS = dict.fromkeys(("content_loss", "contextual_loss", "deepdc", "style_loss"), SMALL)
SIDE = {"pieapp": 64}


@functools.cache
def parameters(name):
    if name == "pieapp":
        return draw(pieapp.SHAPES, 203)
    if name == "st_lpips":
        shapes = NETWORKS["alex"].backbone.shapes
        return draw_st_lpips(shapes, (64, 192, 384, 256, 256), 201)
    return vgg11.initialize(np.random.default_rng(0), ["features"])


def degenerate_pairs(side):
    photo = np.random.default_rng(1).random((side, side, 3), np.float32)
    black, gray, white = (np.full_like(photo, value) for value in (0.0, 0.5, 1.0))
    one_pixel, dot = photo.copy(), black.copy()
    one_pixel[5, 7], dot[5, 7] = 0.25, 1.0
    reference = [photo, black, black, gray, photo, photo, black, gray, black]
    distorted = [photo, black, white, photo, gray, one_pixel, dot, gray + 1e-6, 1e-8 * photo]
    return np.stack(reference), np.stack(distorted)


@pytest.mark.parametrize("name", [*OPTIONS, "pieapp", "st_lpips"])
def test_scores_gradients_and_vmap(name):
    metric = dataclasses.replace(
        jiqa.find(name), parameters=parameters(name), options=OPTIONS.get(name, {})
    )
    x, y = degenerate_pairs(SIDE.get(name, 26))

    @jax.jit
    def everything(metric, x, y):
        def total(x, y):
            scores = metric(x, y)
            return jnp.sum(scores), scores

        gradients, scores = jax.grad(total, argnums=(0, 1), has_aux=True)(x, y)
        return gradients, scores, jax.vmap(metric)(x[:2], y[:2])

    gradients, scores, mapped = everything(metric, x, y)
    assert scores.dtype == jnp.float32
    assert_allclose(mapped, scores[:2], rtol=1e-4, atol=1e-5)
    assert jnp.isfinite(scores).all()
    for gradient in gradients:
        assert jnp.isfinite(gradient).all()
        assert jnp.abs(gradient).max() < 1e6
    if name != "pieapp":  # of which a fitted number is subtracted
        assert_allclose(scores[0], metric.identical, atol=1e-5)
        assert metric.score_range[0] <= scores.min()
        assert scores[4] > scores[5] >= scores[0]
