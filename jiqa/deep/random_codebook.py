"""Opinion predicted from how strongly an image responds to random filters.

Becker, Wiegand and Bosse, "Curiously effective features for image quality prediction", ICIP 2021:
the features of CORNIA (Ye, Kumar, Kang and Doermann, CVPR 2012) lose little if its learned codebook
is replaced by random numbers, as long as there are thousands of them. Blocks of 7 x 7 pixels of the
grey image, each of mean 0 and deviation 1, are multiplied with every code; the largest product and
the largest of opposite sign, over all blocks, are the features of that code. They are scaled to
[-1, 1] and go into a linear support vector regression. Written from the paper and its equations;
there is no network to be pretrained, and a model is fitted to opinions by `fit_random_codebook`.

What the authors compare is the codebook: `make_codebook` has noise of three distributions, and
`patch_codebook` blocks of images. That of CORNIA, clustered after whitening, is any array of codes.
"""

import dataclasses
from os import PathLike
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.arrays import to_float
from jiqa.core.color import luma
from jiqa.core.filters import check_window_fits, split_blocks
from jiqa.core.models import check_finite, feature_range, find_model, scale_features
from jiqa.core.registry import image_function, metric, public_function
from jiqa.deep.backbones.backbone import Tree

PAPER = 'Becker, Wiegand and Bosse, "Curiously effective features for image quality prediction", '
PAPER += "ICIP 2021"
INFINITY = float("inf")
BLOCK = 7  # pixels along each side
MOST_BLOCKS = 10_000  # of an image, chosen at random
AT_ONCE = 512  # blocks multiplied together
CONSTANT = 10.0  # added to the variance of a block, of levels of 0 to 255
DISTRIBUTIONS = ("uniform", "normal", "laplace")


@dataclasses.dataclass(frozen=True, eq=False)
class CodebookModel:
    """A codebook, and a linear regression on features of which `lowest` becomes -1, `highest` 1.

    Attributes:
        codebook: `[49, codes]`.
        lowest: `[2 * codes]`.
        highest: `[2 * codes]`.
        coefficients: `[2 * codes]`.
        bias: A scalar.
    """

    codebook: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    coefficients: np.ndarray
    bias: np.ndarray


Model = str | PathLike[str] | CodebookModel | None


def load_parameters(model: Model) -> dict[str, Any]:
    """The arrays of a model."""
    if model is None:
        raise ValueError(
            "random_codebook has no published model: fit one by jiqa.fit_random_codebook, and give "
            'it, or its file, as jiqa.load("random_codebook", model=...).'
        )
    return dict(vars(find_model(model, CodebookModel, {})))


@metric(
    kind="no_reference",
    higher_is_better=True,
    score_range=(-INFINITY, INFINITY),
    identical=None,
    paper=PAPER,
    color="grey",
    parameters=load_parameters,
)
def random_codebook(
    parameters: Tree,
    image: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str = "bt601",
    model: Model = None,
) -> jax.Array:
    """Mean opinion score predicted from responses to random filters.

    Args:
        parameters: Arrays as of a `CodebookModel`:
            `jiqa.load("random_codebook", model=...).parameters`.
        image: `[..., H, W, C]`, C 1 or 3, in [0, data_range], at least 7 x 7 pixels.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`.
        model: A model of `fit_random_codebook`, or a file of it by `jiqa.core.models.save_model`;
            needed by `jiqa.load`.

    Returns:
        `[...]`, in the unit of the opinions that the model was fitted to. The metric says that
        higher is better, so differential scores are to be negated before the fit.

    Raises:
        ValueError: The image is smaller than a block, or there is no such model or preset.
    """
    del model  # chose the parameters
    features = _features(parameters["codebook"], image, data_range, luma)
    lowest, highest, coefficients, bias = (
        parameters[key].astype(features.dtype)
        for key in ("lowest", "highest", "coefficients", "bias")
    )
    scaled = scale_features(features, lowest, highest)
    return jnp.sum(scaled * coefficients, -1) + bias


@image_function
def random_codebook_features(
    parameters: jax.Array, image: jax.Array, *, data_range: float = 1.0, luma: str = "bt601"
) -> jax.Array:
    """The features from which `random_codebook` predicts.

    Args:
        parameters: A codebook `[49, codes]`, such as of `make_codebook`.
        image: As in `random_codebook`.
        data_range: As in `random_codebook`.
        luma: As in `random_codebook`.

    Returns:
        `[..., 2 * codes]` from 0: the largest responses, then the largest of opposite sign.

    >>> codebook = make_codebook("normal", 100)
    >>> random_codebook_features(codebook, jnp.zeros((2, 20, 30, 3))).shape
    (2, 200)
    """
    return _features(parameters, image, data_range, luma)


@public_function
def make_codebook(distribution: str = "normal", codes: int = 10_000, seed: int = 0) -> np.ndarray:
    """A codebook of random numbers.

    Args:
        distribution: "uniform" (0 to 1), "normal" or "laplace" (of mean 0 and scale 1).
        codes: How many codes; the paper has 10,000.
        seed: Of the generator; the same numbers for the same seed.

    Returns:
        `[49, codes]`, float32.

    Raises:
        ValueError: Unknown distribution.

    >>> make_codebook("laplace", 5).shape
    (49, 5)
    """
    if distribution not in DISTRIBUTIONS:
        raise ValueError(
            f"make_codebook: distribution={distribution!r} is unknown; use "
            f"{', '.join(DISTRIBUTIONS)}."
        )
    rng, size = np.random.default_rng(seed), (BLOCK**2, codes)
    drawn = rng.random(size) if distribution == "uniform" else getattr(rng, distribution)(size=size)
    return drawn.astype(np.float32)


@public_function
def patch_codebook(images: np.ndarray, codes: int = 10_000, seed: int = 0) -> np.ndarray:
    """A codebook of normalised blocks of images.

    Args:
        images: Grey levels of 0 to 255, `[..., H, W, 1]`, of which blocks are chosen.
        codes: How many codes; the paper has 10,000.
        seed: Of the generator that chooses among the blocks.

    Returns:
        `[49, codes]`, float32.

    Raises:
        ValueError: There are fewer blocks.

    >>> patch_codebook(np.zeros((2, 70, 70, 1)), 150).shape
    (49, 150)
    """
    blocks = np.asarray(_blocks(to_float(images)), np.float32).reshape(-1, BLOCK**2)
    if len(blocks) < codes:
        raise ValueError(f"patch_codebook: {len(blocks)} blocks are too few for {codes} codes.")
    return blocks[np.random.default_rng(seed).permutation(len(blocks))[:codes]].T


@public_function
def fit_random_codebook(
    codebook: np.ndarray,
    features: np.ndarray,
    opinions: np.ndarray,
    *,
    cost: float = 1.0,
    share: float = 0.5,
) -> CodebookModel:
    """Fits the regression of `random_codebook` to opinions; needs scikit-learn (`jiqa[fit]`).

    Args:
        codebook: `[49, codes]`.
        features: `[N, 2 * codes]`, one row of `random_codebook_features` for each image.
        opinions: `[N]`, higher for better images, in any unit; the metric then predicts this unit.
        cost: What an error costs against the smoothness of the prediction; C of libsvm.
        share: The share of images that become support vectors at least; nu of libsvm.

    Returns:
        The model, for `jiqa.load("random_codebook", model=...)` or `jiqa.core.models.save_model`.

    Raises:
        ValueError: Shapes that do not fit, or values that are not finite.
        ImportError: scikit-learn is not installed.

    >>> rng = np.random.default_rng(0)
    >>> features = rng.random((40, 6))
    >>> model = fit_random_codebook(np.ones((49, 3)), features, 50 * features[:, 0])
    >>> model.coefficients.shape
    (6,)
    """
    from sklearn.svm import NuSVR

    features, opinions = np.asarray(features, np.float64), np.asarray(opinions, np.float64)
    expected = (len(opinions), 2 * codebook.shape[-1])
    if opinions.ndim != 1 or features.shape != expected or len(codebook) != BLOCK**2:
        raise ValueError(
            f"fit_random_codebook: codebook {codebook.shape}, features {features.shape} and "
            f"opinions {opinions.shape} must be [49, codes], [N, 2 * codes] and [N]."
        )
    check_finite("fit_random_codebook", features, opinions)
    lowest, highest = feature_range(features)
    center, spread = opinions.mean(), opinions.std() or 1.0
    fitted = NuSVR(kernel="linear", C=cost, nu=share)
    fitted.fit(scale_features(features, lowest, highest), (opinions - center) / spread)
    return CodebookModel(
        codebook=np.asarray(codebook, np.float32),
        lowest=lowest,
        highest=highest,
        coefficients=spread * fitted.coef_[0],
        bias=center + spread * fitted.intercept_[0],
    )


def _features(codebook: jax.Array, images: jax.Array, data_range: float, preset: str) -> jax.Array:
    """The largest products of blocks and codes, some blocks at a time."""
    blocks = _blocks(luma(images, preset, data_range=data_range) * (255 / data_range))
    codes = jnp.asarray(codebook, blocks.dtype)
    count = blocks.shape[-2]
    chunks = -(-count // AT_ONCE)
    # What is filled up are blocks of zeros, which no code responds to.
    padded = jnp.pad(blocks, [(0, 0)] * (blocks.ndim - 2) + [(0, chunks * AT_ONCE - count), (0, 0)])
    parts = padded.reshape(*blocks.shape[:-2], chunks, AT_ONCE, BLOCK**2)

    @jax.checkpoint
    def look(best: jax.Array, part: jax.Array) -> tuple[jax.Array, None]:
        products = jnp.matmul(part, codes, precision="highest")
        both = jnp.concatenate([products.max(-2), -products.min(-2)], -1)
        return jnp.maximum(best, both), None

    none = jnp.zeros((*blocks.shape[:-2], 2 * codes.shape[-1]), blocks.dtype)
    best, _ = jax.lax.scan(look, none, jnp.moveaxis(parts, -3, 0))
    return best


def _blocks(levels: jax.Array) -> jax.Array:
    """Normalised blocks `[..., blocks, 49]` of levels `[..., H, W, 1]`, at most `MOST_BLOCKS`."""
    check_window_fits(levels.shape, BLOCK, BLOCK)
    rows, columns = (n // BLOCK * BLOCK for n in levels.shape[-3:-1])
    blocks = split_blocks(levels[..., :rows, :columns, :], BLOCK)[..., 0, :, :, :]
    blocks = blocks.reshape(*blocks.shape[:-2], BLOCK**2)
    if blocks.shape[-2] > MOST_BLOCKS:
        chosen = np.random.default_rng(0).permutation(blocks.shape[-2])[:MOST_BLOCKS]
        blocks = blocks[..., chosen, :]
    centered = blocks - blocks.mean(-1, keepdims=True)
    return centered / jnp.sqrt(jnp.mean(centered**2, -1, keepdims=True) + CONSTANT)
