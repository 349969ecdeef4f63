"""S-CNN, which tells distortions and levels apart."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jiqa.networks import Model, count_parameters
from jiqa.networks.importers import import_network
from jiqa.networks.scnn import LEVELS
from jiqa.training.losses import cross_entropy
from tests.networks.multi_task import train
from tests.networks.pairs import check_gradients, check_predictions, pairs

SMALL = {"levels": (2, 1)}


@pytest.fixture(scope="module", params=[True, False])
def model(request):
    return Model.create("scnn", normalized=request.param, **SMALL)


def test_numbers_of_parameters():
    kernels = 9 * np.dot((3, 48, 48, 64, 64, 64, 64, 128, 128), (48, 48, *[64] * 4, *[128] * 3))
    maps = 2 * 48 + 4 * 64 + 3 * 128
    rest = (129 + 257) * 256 + 2 * 2 * 256 + 257 * 39
    assert count_parameters("scnn", normalized=False) == kernels + maps + rest
    assert count_parameters("scnn") == kernels + 3 * maps + rest


def test_predictions(model, rng):
    images = pairs(rng, 2, 33, 50, 3)[1:]
    scores = {"score": (2,), "severity": (2,)}
    logits = {"classes": (2, 3), "distortion": (2, 2), "features": (2, 128)}
    check_predictions(model, images, scores | logits)


def test_severity_and_distortions_are_of_the_classes(model, rng):
    result = model(pairs(rng, 2, 33, 50, 1)[1])
    shares = np.exp(result["classes"]) / np.exp(result["classes"]).sum(1, keepdims=True)
    np.testing.assert_allclose(result["severity"], shares @ [0.5, 1, 1], rtol=1e-5)
    np.testing.assert_allclose(result["score"], 1 - result["severity"], rtol=1e-5)
    of_distortions = jax.nn.softmax(result["distortion"])
    np.testing.assert_allclose(of_distortions[:, 0], shares[:, :2].sum(1), rtol=1e-5)


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_gradients_of_constant_images_are_finite(level):
    check_gradients(Model.create("scnn", **SMALL), jnp.full((2, 16, 18, 3), level, jnp.float32))


def test_it_learns(rng):
    images = pairs(rng, 8, 32, 32, 3)[1]
    batch = {"distorted": images, "class": jnp.arange(8) // 3}

    def loss(network, batch, rngs):
        classes = network(batch["distorted"], rngs=rngs)["classes"]
        return cross_entropy(classes, batch["class"]), {}

    _, losses = train(Model.create("scnn", **SMALL), loss, batch, steps=20, learning_rate=1e-3)
    assert np.mean(losses[-3:]) < 0.2 * losses[0]


@pytest.mark.parametrize(
    ("source", "file"),
    [("scnn_dbcnn", "scnn_bn_dbcnn_pytorch.pkl"), ("scnn_dbcnn_plain", "scnn_nobn.pkl")],
)
def test_the_authors_network_names_their_distortions(shared_data, rng, source, file):
    """The second to fourth level of noise and of JPEG, on a scale of five."""
    model = import_network(shared_data / "data/weights/dbcnn_scnn" / file, source)
    photograph = Image.open(shared_data / "data/pristine_kodak/13.png").convert("RGB")
    images, expected = [], []
    for level, (quality, variance) in enumerate(((12, -7.5), (7, -5.5), (4, -3.5)), 1):
        noisy = np.asarray(photograph) / 255
        noisy = noisy + 2 ** (variance / 2) * rng.standard_normal(noisy.shape)
        images.append(Image.fromarray(np.uint8(255 * noisy.clip(0, 1))))
        coded = io.BytesIO()
        photograph.save(coded, "jpeg", quality=quality)
        images.append(Image.open(coded))
        expected += [_first("white_noise") + level, _first("jpeg") + level]
    seen = [image.resize((384, 256), Image.Resampling.BILINEAR) for image in images]
    seen = np.stack([np.asarray(image)[16:240, 80:304] for image in seen])
    result = model(jnp.asarray(seen / 255, jnp.float32))
    assert result["classes"].argmax(1).tolist() == expected
    names = [list(LEVELS)[number] for number in result["distortion"].argmax(1)]
    assert names == ["white_noise", "jpeg"] * 3
    np.testing.assert_allclose(result["score"], np.repeat([0.6, 0.4, 0.2], 2), atol=0.1)


def _first(distortion):
    """The first class of a distortion."""
    names = list(LEVELS)
    return sum(LEVELS[name] for name in names[: names.index(distortion)])
