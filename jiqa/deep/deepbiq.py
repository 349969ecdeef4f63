"""DeepBIQ: opinion predicted from features of regions by a pretrained network.

Bianco, Celona, Napoletano and Schettini, "On the use of deep learning for blind image quality
assessment", Signal, Image and Video Processing 12, 2018 (arXiv:1602.05531). About thirty regions of
the network's input size are cut out at random; a linear support vector regression predicts the
opinion of each from its features, and the score is the mean of the predictions.

The authors' features are those of the seventh layer of CaffeNet, fully connected, of a network that
they train before to tell five degrees of quality: `deepbiq_fc7`, for a network with all its layers
(that training is not part of this). By default they are the means over places of all maps of the
five convolutions of AlexNet, whose parameters come with jiqa. A model is fitted to opinions by
`fit_deepbiq`; none is published.
"""

import dataclasses
from os import PathLike
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jiqa
from jiqa.core.color import gray_to_rgb
from jiqa.core.filters import check_window_fits
from jiqa.core.models import check_finite, find_model
from jiqa.core.registry import image_function, metric, public_function
from jiqa.deep.backbones.backbone import Tree
from jiqa.deep.feature_maps import TAPS
from jiqa.deep.maps import COLOR, find_backbone, load_backbone

PAPER = 'Bianco, Celona, Napoletano and Schettini, "On the use of deep learning for blind image '
PAPER += 'quality assessment", Signal, Image and Video Processing 12, 2018'
INFINITY = float("inf")


@dataclasses.dataclass(frozen=True, eq=False)
class LinearModel:
    """A linear regression on standardised features.

    Attributes:
        mean: `[n]`, subtracted from features.
        deviation: `[n]`, by which they are divided.
        coefficients: `[n]`.
        bias: A scalar, the prediction for mean features.
    """

    mean: np.ndarray
    deviation: np.ndarray
    coefficients: np.ndarray
    bias: np.ndarray


Model = str | PathLike[str] | LinearModel | None


def load_parameters(net: str, taps: tuple[str, ...], model: Model) -> dict[str, Any]:
    """Parameters: "network", a tree as of `jiqa.weights`, and "regression", those of the model."""
    if model is None:
        raise ValueError(
            "deepbiq has no published model: fit one by jiqa.fit_deepbiq, and give it, or its "
            'file, as jiqa.load("deepbiq", model=...).'
        )
    connected = any(tap.endswith(("6", "7", "8")) for tap in taps)
    network = jiqa.weights.load(net) if connected else load_backbone(net)
    return {"network": network, "regression": vars(find_model(model, LinearModel, {}))}


@metric(
    kind="no_reference",
    higher_is_better=True,
    score_range=(-INFINITY, INFINITY),
    identical=None,
    paper=PAPER,
    color=COLOR,
    protocols={"deepbiq_fc7": {"net": "caffenet", "taps": ("relu7",)}},
    parameters=load_parameters,
)
def deepbiq(
    parameters: Tree,
    image: jax.Array,
    *,
    data_range: float = 1.0,
    net: str = "alexnet",
    taps: tuple[str, ...] = TAPS,
    model: Model = None,
    regions: int = 30,
) -> jax.Array:
    """Mean opinion score predicted from features of regions.

    Args:
        parameters: "network", a tree as of `jiqa.weights`, and "regression", arrays as of a
            `LinearModel`: `jiqa.load("deepbiq", model=...).parameters`.
        image: `[..., H, W, C]`, C 1 or 3, in [0, data_range], at least 224 x 224 pixels, or 227 x
            227 for Caffe's networks.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        net: A name of `jiqa.deep.backbones.BACKBONES`.
        taps: Names of the network's features.
        model: A model of `fit_deepbiq`, or a file of it by `jiqa.core.models.save_model`; needed
            by `jiqa.load`.
        regions: How many regions are cut out, at places that depend on the image's size only.

    Returns:
        `[...]`, in the unit of the opinions that the model was fitted to. The metric says that
        higher is better, so differential scores are to be negated before the fit.

    Raises:
        ValueError: The image is smaller than a region, or there is no such model.
    """
    del model  # chose the parameters
    features = _features(parameters["network"], image, data_range, net, taps, regions)
    regression = {key: x.astype(features.dtype) for key, x in parameters["regression"].items()}
    standardized = (features - regression["mean"]) / regression["deviation"]
    scores = jnp.sum(standardized * regression["coefficients"], -1) + regression["bias"]
    return jnp.mean(scores, -1)


@image_function
def deepbiq_features(
    parameters: Tree,
    image: jax.Array,
    *,
    data_range: float = 1.0,
    net: str = "alexnet",
    taps: tuple[str, ...] = TAPS,
    regions: int = 30,
) -> jax.Array:
    """The features of regions from which `deepbiq` predicts.

    Args:
        parameters: Of the network alone, a tree as of `jiqa.weights`.
        image: As in `deepbiq`.
        data_range: As in `deepbiq`.
        net: As in `deepbiq`.
        taps: As in `deepbiq`.
        regions: As in `deepbiq`.

    Returns:
        `[..., regions, n]`: of each tap in turn the means of all maps, or the vector that it is.

    Raises:
        ValueError: The image is smaller than a region, or an unknown network or tap.
    """
    return _features(parameters, image, data_range, net, taps, regions)


@public_function
def fit_deepbiq(
    features: np.ndarray,
    opinions: np.ndarray,
    *,
    cost: float = 1e-3,
    tolerance: float = 0.1,
) -> LinearModel:
    """Fits the regression of `deepbiq` to opinions; needs scikit-learn (`jiqa[fit]`).

    Args:
        features: `[N, regions, n]`, of `deepbiq_features`; every region has its image's opinion.
        opinions: `[N]`, higher for better images, in any unit; the metric then predicts this unit.
        cost: What an error costs against the smoothness of the prediction; C of libsvm.
        tolerance: Errors that cost nothing, in deviations of the opinions; epsilon of libsvm.

    Returns:
        The model, for `jiqa.load("deepbiq", model=...)` or `jiqa.core.models.save_model`.

    Raises:
        ValueError: Shapes that do not fit, or values that are not finite.
        ImportError: scikit-learn is not installed.

    >>> rng = np.random.default_rng(0)
    >>> features = rng.random((40, 3, 5)) + rng.random((40, 1, 5))
    >>> model = fit_deepbiq(features, 50 * features[:, 0, 0])
    >>> model.coefficients.shape
    (5,)
    """
    from sklearn.svm import SVR

    features, opinions = np.asarray(features, np.float64), np.asarray(opinions, np.float64)
    if features.ndim != 3 or opinions.shape != features.shape[:1]:
        raise ValueError(
            f"fit_deepbiq: features {features.shape} and opinions {opinions.shape} must be "
            "[N, regions, n] and [N]."
        )
    check_finite("fit_deepbiq", features, opinions)
    rows = features.reshape(-1, features.shape[-1])
    mean, deviation = rows.mean(0), rows.std(0)
    deviation = np.where(deviation > 0, deviation, 1)
    center, spread = opinions.mean(), opinions.std() or 1.0
    targets = np.repeat((opinions - center) / spread, features.shape[1])
    fitted = SVR(kernel="linear", C=cost, epsilon=tolerance)
    fitted.fit((rows - mean) / deviation, targets)
    return LinearModel(
        mean=mean,
        deviation=deviation,
        coefficients=spread * fitted.coef_[0],
        bias=center + spread * fitted.intercept_[0],
    )


def _features(
    parameters: Tree,
    images: jax.Array,
    data_range: float,
    net: str,
    taps: tuple[str, ...],
    regions: int,
) -> jax.Array:
    backbone = find_backbone(net)
    crops = _cut(gray_to_rgb(images) / data_range, backbone.side, regions)
    found = backbone(parameters, backbone.normalize(crops), taps)
    is_map = {tap: found[tap].ndim == crops.ndim for tap in taps}
    vectors = [found[tap].mean((-3, -2)) if is_map[tap] else found[tap] for tap in taps]
    return jnp.concatenate(vectors, -1)


def _cut(images: jax.Array, side: int, regions: int) -> jax.Array:
    """Squares at random places that depend on the size only, `[..., regions, side, side, C]`."""
    check_window_fits(images.shape, side, side)
    height, width = images.shape[-3:-1]
    rng = np.random.default_rng(0)
    rows, columns = (rng.integers(0, n - side + 1, regions) for n in (height, width))
    squares = [
        images[..., row : row + side, column : column + side, :]
        for row, column in zip(rows, columns, strict=True)
    ]
    return jnp.stack(squares, -4)
