"""The networks that come with jiqa: what they say of photographs, and what every metric owes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jiqa
from jiqa.datasets.distortions import distort
from jiqa.images import read_image
from jiqa.networks import read_about
from jiqa.training.validation import agreement
from tests.test_every_metric import degenerate_pairs


@pytest.fixture(scope="module")
def photograph(shared_data):
    """One of those that were not learned from."""
    return read_image(shared_data / "data/pristine_kodak/19.png")[200:456, 100:356]


def ladder(photograph, name):
    """The photograph, and distorted ever more."""
    levels = [distort(photograph, name, level, jax.random.key(1)) for level in (2, 3, 5)]
    return np.stack([photograph, *levels])


@pytest.mark.parametrize("name", ["kadid_gaussian_blur", "kadid_white_noise", "kadid_jpeg"])
def test_stronger_distortions_score_lower(photograph, name):
    images = ladder(photograph, name)
    alone = jiqa.load("jiqa_nr")(images)
    beside = jiqa.load("jiqa_fr")(np.stack([photograph] * 4), images)
    assert beside[0] == 1
    assert (np.diff(beside) < 0).all()
    assert alone[0] > alone[2] > alone[3]


def test_no_reference_scores_are_those_of_images_alone(photograph):
    metric = jiqa.load("jiqa_nr")
    images = ladder(photograph, "kadid_white_noise")
    batch = metric(images)
    np.testing.assert_allclose(metric(images[2]), batch[2], rtol=1e-4)
    np.testing.assert_allclose(metric(images / 255.0), batch, rtol=1e-4)
    np.testing.assert_allclose(jax.vmap(metric)(jnp.asarray(images)), batch, rtol=1e-4)
    nested = metric(images.reshape(2, 2, *images.shape[1:]))
    np.testing.assert_allclose(nested.ravel(), batch, rtol=1e-4)
    gray = metric(images[..., :1])
    np.testing.assert_allclose(gray, metric(images[..., [0, 0, 0]]), rtol=1e-4)


def test_no_reference_gradient_equals_finite_differences(rng):
    metric = jiqa.load("jiqa_nr")
    image, direction = 0.1 + 0.8 * rng.random((40, 36, 3)), rng.standard_normal((40, 36, 3))
    derive = jax.jit(jax.value_and_grad(metric))
    slope = (derive(image)[1] * direction).sum()
    ahead, behind = (derive(image + step * direction)[0] for step in (1e-7, -1e-7))
    np.testing.assert_allclose(slope, (ahead - behind) / 2e-7, rtol=1e-5, atol=1e-7)


def test_no_reference_gradients_are_finite_on_degenerate_images():
    metric = jiqa.load("jiqa_nr")
    images = jnp.stack([pair[1] for pair in degenerate_pairs((37, 32, 3)).values()])
    slopes = jax.grad(lambda x: metric(x).sum())(images.astype(jnp.float32))
    assert np.isfinite(slopes).all()


def test_their_files_say_how_they_were_trained():
    from jiqa.deep.trained import DATA

    for name, network in (("jiqa_nr", "quality_cnn"), ("jiqa_fr", "quality_siamese")):
        about = read_about(DATA / f"{name}.safetensors")
        assert about["network"] == network
        assert about["facts"]["recipe"]["network"] == network
        assert about["facts"]["validation"]["srocc"] > 0.8


def test_agreement_counts_polarity():
    import pandas as pd

    frame = pd.DataFrame(
        {"score": [1.0, 2, 3, 4, 5], "prediction": [5.0, 4, 3, 2, 1], "higher_is_better": False}
    )
    assert agreement(frame)["srocc"] == pytest.approx(1)
    assert agreement(frame, higher_is_better=False)["srocc"] == pytest.approx(-1)
    assert agreement(frame.assign(prediction=0.5)) == {"srocc": 0, "krocc": 0, "plcc": 0}
