"""The decorator, the names, and losses made from metrics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import jiqa
from jiqa.core import registry


@pytest.fixture
def scratch(monkeypatch):
    """A registry to which metrics can be added for one test."""
    jiqa.list_metrics()
    monkeypatch.setattr(registry, "_METRICS", dict(registry._METRICS))
    monkeypatch.setattr(registry, "_FUNCTIONS", dict(registry._FUNCTIONS))


def add_metric(**facts):
    """Registers `brightness`, which counts how often it is traced."""
    traces = []
    declared = {
        "kind": "no_reference",
        "higher_is_better": True,
        "score_range": (0, 1),
        "identical": None,
        "paper": "none",
    }

    @registry.metric(**{**declared, **facts})
    def brightness(images, *, data_range=1.0, power=1, levels=(1,)):
        """Mean of the image."""
        traces.append(images.shape)
        return jnp.mean(images / data_range, axis=(-3, -2, -1)) ** power * sum(levels)

    return brightness, traces


@pytest.mark.usefixtures("scratch")
def test_a_metric_is_compiled_once_for_shape_and_options():
    brightness, traces = add_metric()
    image = np.full((4, 4, 1), 0.5)
    for _ in range(3):
        assert brightness(image) == 0.5
    assert len(traces) == 1
    assert brightness(image, power=2) == 0.25
    assert brightness(images=np.ones((2, 4, 4, 1)), levels=[1, 2]).tolist() == [3, 3]
    assert len(traces) == 3


@pytest.mark.usefixtures("scratch")
def test_names_are_found_and_missing_ones_get_a_suggestion():
    brightness, _ = add_metric(protocols={"brightness_squared": {"power": 2}})
    assert {"brightness", "brightness_squared"} <= set(jiqa.list_metrics("no_reference"))
    assert "brightness" not in jiqa.list_metrics("full_reference")
    assert jiqa.brightness is brightness
    assert jiqa.brightness_squared(np.full((4, 4, 1), 0.5)) == 0.25
    assert jiqa.load("brightness_squared")(np.full((4, 4, 1), 0.5), power=1) == 0.5
    with pytest.raises(ValueError, match=r"'brightnes'; did you mean brightness"):
        jiqa.load("brightnes")
    with pytest.raises(AttributeError, match="list_metrics"):
        jiqa.no_such_metric  # noqa: B018
    assert "ssim" in dir(jiqa)


@pytest.fixture
def learned(scratch):  # noqa: ARG001
    """A learned metric `toned`, and a list of what its parameters were loaded for."""
    loaded = []

    def load_parameters(tone):
        loaded.append(tone)
        return {"gain": {"red": 1.0, "none": 0.0}[tone] * np.ones(3, np.float32)}

    @registry.metric(
        kind="full_reference",
        higher_is_better=False,
        score_range=(0, 1),
        identical=0,
        paper="none",
        protocols={"toned_none": {"tone": "none"}},
        parameters=load_parameters,
    )
    def toned(parameters, reference, distorted, *, data_range=1.0, tone="red", power=2):
        """Weighted mean of differences."""
        difference = parameters["gain"] * (reference - distorted) / data_range
        return jnp.mean(difference**power, (-3, -2, -1)) + (tone == "blue")

    return loaded


def test_facts_of_a_learned_metric_need_no_parameters(learned):
    assert {"toned", "toned_none"} <= set(jiqa.list_metrics("full_reference"))
    assert "tone='red' (fixed: 'none')" in jiqa.describe("toned_none")
    facts = jiqa.find("toned")
    assert facts.learned
    assert not jiqa.find("ssim").learned
    assert learned == []
    image = np.zeros((4, 4, 3))
    with pytest.raises(ValueError, match=r"use jiqa.load\('toned'\)"):
        facts(image, image)


def test_a_learned_metric_is_a_tree_of_its_parameters(learned, rng):
    images = rng.random((2, 5, 4, 4, 3)).astype(np.float32)
    metric = jiqa.load("toned")
    assert metric == jiqa.load("toned") == jax.tree.unflatten(*jax.tree.flatten(metric)[::-1])
    assert learned == ["red"]
    assert [leaf.shape for leaf in jax.tree.leaves(metric)] == [(3,)]
    score = jax.jit(lambda metric, x, y: metric(x, y))
    pure = jiqa.toned(metric.parameters, *images)
    for found in (metric(*images), score(metric, *images), jax.jit(metric)(*images)):
        assert_allclose(found, pure, rtol=1e-6)
    doubled = jax.tree.map(lambda gain: 2 * gain, metric)
    assert doubled != metric
    assert_allclose(score(doubled, *images), 4 * pure, rtol=1e-6)
    assert_allclose(jax.vmap(metric)(*images), pure, rtol=1e-6)
    slope = jax.grad(lambda metric: metric(*images).sum())(metric)
    assert_allclose(slope.parameters["gain"].sum(), 2 * pure.sum(), rtol=1e-5)


def test_options_choose_the_parameters(learned, rng):
    images = rng.random((2, 4, 4, 3))
    none = jiqa.load("toned_none")
    assert none == jiqa.toned_none != jiqa.load("toned", tone="none", power=1)
    assert none(*images) == jiqa.load("toned", tone="none")(*images) == 0
    assert learned == ["none"]
    assert jiqa.as_loss("toned", tone="none")(*images) == 0
    assert none(*images, tone="none", power=1) == 0
    for change in (
        lambda: none(*images, tone="red"),
        lambda: jiqa.as_loss(none, tone="red")(*images),
    ):
        with pytest.raises(ValueError, match=r"toned_none: tone chose the parameters"):
            change()
    assert jiqa.as_loss(jiqa.toned, power=1)(*images) == jiqa.load("toned")(*images, power=1)


def test_parameters_are_constants_of_a_loss(learned, rng):  # noqa: ARG001
    images = rng.random((2, 4, 4, 3))
    slopes = jax.jit(jax.grad(jiqa.as_loss("toned"), (0, 1)))(*images)
    assert_allclose(slopes[1], 2 * (images[1] - images[0]) / 48, rtol=1e-6)
    assert_allclose(slopes[0], -slopes[1])


def test_a_metric_first_loaded_inside_a_traced_function_leaks_nothing(learned, rng):
    images = rng.random((2, 4, 4, 3))
    inside = jax.jit(lambda x, y: jiqa.load("toned")(x, y))(*images)
    assert learned == ["red"]
    assert_allclose(jiqa.load("toned")(*images), inside, rtol=1e-6)


def test_a_reference_is_prepared_for_many_images(rng):
    images = rng.random((3, 48, 40, 3))
    metric = jiqa.load("rred", luma="bt601")
    prepared = metric.prepare(images[0])
    score = jax.jit(lambda prepared, images: prepared(images))
    assert_allclose(score(prepared, images[1]), metric(images[0], images[1]), rtol=1e-9)
    assert_allclose(prepared(images[2]), metric(images[0], images[2]), rtol=1e-9)
    levels = np.round(images * 255)
    assert_allclose(
        metric.prepare(levels[0], data_range=255)(levels[1], data_range=255),
        metric(levels[0], levels[1], data_range=255),
        rtol=1e-9,
    )
    with pytest.raises(ValueError, match="ssim compares images, so there is nothing to prepare"):
        jiqa.load("ssim").prepare(images[0])


def test_a_metric_passes_through_jit_as_a_static_leafless_tree():
    metric = jiqa.load("ssim_y")
    assert jax.tree.leaves(metric) == []
    images = np.random.default_rng(0).random((2, 16, 16, 3))
    score = jax.jit(lambda metric, x, y: metric(x, y))(metric, *images)
    assert score == jax.jit(metric)(*images)
    assert hash(metric) == hash(jiqa.load("ssim_y")) != hash(jiqa.load("ssim"))


@pytest.mark.usefixtures("scratch")
def test_wrong_calls_say_what_is_taken():
    brightness, _ = add_metric()
    image = np.zeros((4, 4, 1))
    for wrong in (
        lambda: brightness(image, image),
        lambda: brightness(),
        lambda: brightness(power=2),
    ):
        with pytest.raises(TypeError, match="brightness: takes images"):
            wrong()


def test_describe_names_facts_options_and_what_a_protocol_fixes():
    text = jiqa.describe("ssim_y")
    for expected in ("higher is better", "-1 to 1", "luma=None (fixed: 'matlab')", "Wang, Bovik"):
        assert expected in text
    assert "nearest to identical" in jiqa.describe("structural_content")


def test_losses_follow_the_polarity():
    image = np.random.default_rng(0).random((16, 16, 1))
    dark = 0.5 * image
    assert jiqa.as_loss("mse")(image, dark) == jiqa.mse(image, dark)
    assert jiqa.as_loss(jiqa.ssim)(image, dark) == 1 - jiqa.ssim(image, dark)
    assert jiqa.as_loss(jiqa.ssim_y)(image, dark) == 1 - jiqa.ssim(image, dark)
    assert (
        jiqa.as_loss("structural_content")(image, dark) == jiqa.structural_content(image, dark) - 1
    )
    assert jiqa.as_loss("average_difference")(dark, image) == jiqa.mae(image, dark)
    assert jiqa.as_loss("psnr")(image, dark) == -jiqa.psnr(image, dark)
    assert jiqa.as_loss("psnr")(image, image) == -100
    assert jiqa.as_loss("psnr", cap=50.0)(image, image) == -50
    assert jiqa.as_loss("ssim", window_size=5)(image, dark) == 1 - jiqa.ssim(
        image, dark, window_size=5
    )


@pytest.mark.usefixtures("scratch")
def test_what_has_no_gradient_is_no_loss():
    add_metric(differentiable=False)
    with pytest.raises(ValueError, match="not differentiable"):
        jiqa.as_loss("brightness")
    with pytest.raises(ValueError, match="no metric is called"):
        jiqa.as_loss("nothing")


def test_the_map_of_a_name_has_its_options(rng):
    x, y = rng.random((2, 20, 24, 3))
    assert_allclose(jiqa.load("ssim_y").map_function(x, y), jiqa.ssim_map(x, y, luma="matlab"))
    assert jiqa.load("psnr").map_function is None


@pytest.mark.usefixtures("scratch")
def test_leading_axes_of_one_are_computed_without_and_come_back(rng):
    shapes = []

    @registry.image_function
    def weighted(image, *, data_range=1.0, weights=None):
        shapes.append(image.shape)
        scale = data_range if weights is None else weights[..., None]
        return {"map": image * scale, "mean": jnp.mean(image * scale, axis=(-3, -2, -1))}

    image, weights = rng.random((4, 5, 3)), rng.random((4, 5))
    for leading in [(), (1,), (1, 1), (1, 2), (2, 1)]:
        images = np.broadcast_to(image, (*leading, *image.shape))
        for given in (None, weights, np.broadcast_to(weights, (*leading, *weights.shape))):
            found = weighted(images, weights=given)
            product = image if given is None else image * weights[..., None]
            assert_allclose(found["map"], np.broadcast_to(product, images.shape), rtol=1e-12)
            assert_allclose(found["mean"], np.full(leading, product.mean()), rtol=1e-12)

    assert {shape[:-3] for shape in shapes} == {(), (2,), (2, 1)}
