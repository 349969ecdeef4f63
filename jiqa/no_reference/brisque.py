"""BRISQUE: opinion predicted from natural-scene statistics by support vector regression.

Mittal, Moorthy and Bovik, "No-reference image quality assessment in the spatial domain", IEEE
Transactions on Image Processing 21(12), 2012, in the convention of the authors' MATLAB code and
with the model that they publish, which was trained on the distorted images of LIVE: rounded grey,
18 features of the whole image at two scales, scaled to [-1, 1].

Values equal the authors' where images have no flat areas; see `jiqa.core.statistics.mscn`. (Their
scaling goes through a file of six digits; ours does not.)
"""

import dataclasses
from os import PathLike
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.color import to_levels
from jiqa.core.filters import check_window_fits, imresize
from jiqa.core.models import (
    SupportVectors,
    check_finite,
    feature_range,
    find_model,
    scale_features,
)
from jiqa.core.registry import image_function, metric, public_function
from jiqa.core.statistics import scene_statistics

PAPER = 'Mittal, Moorthy and Bovik, "No-reference image quality assessment in the spatial domain", '
PAPER += "IEEE TIP 21(12), 2012"
MODELS = {"live": Path(__file__).parent / "data" / "brisque_live.safetensors"}
INFINITY = float("inf")


@dataclasses.dataclass(frozen=True, eq=False)
class BrisqueModel(SupportVectors):
    """A regression on features of which `lowest` becomes -1 and `highest` 1.

    Attributes:
        lowest: `[36]`.
        highest: `[36]`.
    """

    lowest: np.ndarray
    highest: np.ndarray


@metric(
    kind="no_reference",
    higher_is_better=False,
    score_range=(-INFINITY, INFINITY),
    identical=None,
    paper=PAPER,
    color="grey, MATLAB's rounded; luma=None averages over channels",
    loss_options={"nearest": False},
)
def brisque(
    image: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    model: str | PathLike[str] | BrisqueModel = "live",
    nearest: bool = True,
) -> jax.Array:
    """Differential mean opinion score predicted from natural-scene statistics.

    There are neither weights nor a map: the regression was trained on statistics of whole images.

    Args:
        image: `[..., H, W, C]`, C 1 or 3, in [0, data_range], at least 8 x 8 pixels.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        model: "live", the authors'; a file of `jiqa.core.models.save_model`; or a model, such as
            that of `fit_brisque`.
        nearest: Whether shapes are rounded to thousandths, as the authors' code does; as a loss the
            metric does not (`jiqa.core.statistics.fit_aggd`).

    Returns:
        `[...]`, by the authors' model mostly from 0 to 100 and not clipped; lower is better.

    Raises:
        ValueError: The image is smaller than 8 x 8 pixels, or there is no such model.

    >>> noise = jax.random.uniform(jax.random.key(0), (64, 64, 1))
    >>> bool(brisque(noise) > brisque(0.4 + 0.2 * noise))
    True
    """
    regression = find_model(model, BrisqueModel, MODELS)
    features = _features(image, data_range, luma, nearest)
    lowest = jnp.asarray(regression.lowest, features.dtype)
    span = jnp.asarray(regression.highest - regression.lowest, features.dtype)
    return regression.predict(2 * (features - lowest) / span - 1).mean(-1)


@image_function
def brisque_features(
    image: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "matlab",
    nearest: bool = True,
) -> jax.Array:
    """The 36 features of `brisque`, before they are scaled; arguments as there.

    Returns:
        `[..., C, 36]`: shape and variance of the coefficients, then shape, mean and both variances
        of their products with neighbours (`jiqa.core.statistics.neighbor_products`), at two scales.

    Raises:
        ValueError: As in `brisque`.

    >>> brisque_features(jnp.zeros((2, 20, 30, 3))).shape
    (2, 1, 36)
    """
    return _features(image, data_range, luma, nearest)


def _features(image: jax.Array, data_range: float, luma: str | None, nearest: bool) -> jax.Array:
    check_window_fits(image.shape, 8, 8)
    levels = to_levels(image, luma, data_range=data_range)
    scales = (levels, imresize(levels, 0.5))
    return jnp.concatenate([scene_statistics(scale, nearest=nearest) for scale in scales], -1)


@public_function
def fit_brisque(
    features: np.ndarray,
    opinions: np.ndarray,
    *,
    cost: float = 1024.0,
    gamma: float = 0.05,
    tolerance: float = 0.1,
) -> BrisqueModel:
    """Fits the regression of `brisque` to opinions; needs scikit-learn (`jiqa[fit]`).

    The defaults are those of the model that the authors publish.

    Args:
        features: `[N, 36]`, one row of `brisque_features` for each image.
        opinions: `[N]`, in any unit; the metric then predicts this unit.
        cost: What an error costs against the smoothness of the prediction; C of libsvm.
        gamma: As in `jiqa.core.models.SupportVectors`, of scaled features.
        tolerance: Errors that cost nothing, in units of the opinions; epsilon of libsvm.

    Returns:
        The model, for `brisque(..., model=...)` or `jiqa.core.models.save_model`.

    Raises:
        ValueError: Shapes that do not fit, or values that are not finite.
        ImportError: scikit-learn is not installed.

    >>> rng = np.random.default_rng(0)
    >>> features = rng.random((40, 36))
    >>> model = fit_brisque(features, 50 * features[:, 0])
    >>> model.vectors.shape[1], model.lowest.shape
    (36, (36,))
    """
    from sklearn.svm import SVR

    features, opinions = np.asarray(features, np.float64), np.asarray(opinions, np.float64)
    if features.ndim != 2 or features.shape[1] != 36 or opinions.shape != features.shape[:1]:
        raise ValueError(
            f"fit_brisque: features {features.shape} and opinions {opinions.shape} must be "
            "[N, 36] and [N]."
        )
    check_finite("fit_brisque", features, opinions)
    lowest, highest = feature_range(features)
    scaled = scale_features(features, lowest, highest)
    fitted = SVR(C=cost, gamma=gamma, epsilon=tolerance).fit(scaled, opinions)
    return BrisqueModel(
        vectors=fitted.support_vectors_,
        coefficients=fitted.dual_coef_[0],
        bias=-fitted.intercept_[0],
        gamma=np.array(gamma),
        lowest=lowest,
        highest=highest,
    )
