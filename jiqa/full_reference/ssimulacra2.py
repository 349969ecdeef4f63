"""SSIMULACRA 2: structural similarity unveiling local and compression related artifacts.

Sneyers, "SSIMULACRA 2", Cloudinary, version 2.1 of April 2023, in the convention of the author's
`tools/ssimulacra2.cc` in libjxl: XYB colours, six scales halved in linear light, three error maps
(structure, artifacts, lost detail), each pooled by two norms, and 108 weights fitted to opinion.
The recursive Gaussian of that code is a short window of cosines (Charalampidis, "Recursive
implementation of the Gaussian filter using truncated cosine functions", IEEE TSP 64(14), 2016),
applied here as such.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import pooling
from jiqa.core.arrays import safe_power
from jiqa.core.color import gray_to_rgb, linear_rgb_to_xyb, srgb_to_linear
from jiqa.core.filters import check_least_side, correlate_separable, downsample_box
from jiqa.core.registry import metric

PAPER = 'Sneyers, "SSIMULACRA 2", Cloudinary, 2023'

SCALES = 6
LEAST_SIDE = 8  # pixels below which an image is not halved any further
SIGMA = 1.5
CONSTANT = 0.0009  # C2 of SSIM

# What makes X, Y and B - Y of sRGB lie about between 0 and 1: factor of X, and offsets.
X_FACTOR, OFFSETS = 14.0, (0.42, 0.01, 0.55)

# Of each channel, scale, norm (1 and 4) and map, in this order.
WEIGHTS = np.array(
    [
        [
            [[0, 0.0007376606707406586, 0], [0, 0.0007793481682867309, 0]],
            [
                [0, 0.0004371155730107379, 0],
                [1.1041726426657346, 0.00066284834129271, 0.00015231632783718752],
            ],
            [[0, 0.0016406437456599754, 0], [1.8422455520539298, 11.441172603757666, 0]],
            [
                [0.0007989109436015163, 0.000176816438078653, 0],
                [1.8787594979546387, 10.94906990605142, 0],
            ],
            [
                [0.0007289346991508072, 0.9677937080626833, 0],
                [0.00014003424285435884, 0.9981766977854967, 0.00031949755934435053],
            ],
            [[0.0004550992113792063, 0, 0], [0.0013648766163243398, 0, 0]],
        ],
        [
            [[0, 0, 0], [7.466890328078848, 0, 17.445833984131262]],
            [
                [0.0006235601634041466, 0, 0],
                [6.683678146179332, 0.00037724407979611296, 1.027889937768264],
            ],
            [
                [225.20515300849274, 0, 0],
                [19.213238186143016, 0.0011401524586618361, 0.001237755635509985],
            ],
            [
                [176.39317598450694, 0, 0],
                [24.43300999870476, 0.28520802612117757, 0.0004485436923833408],
            ],
            [[0, 0, 0], [34.77906344483772, 44.835625328877896, 0]],
            [[0, 0, 0], [0, 0, 0]],
        ],
        [
            [[0, 0.0008680556573291698, 0], [0, 0, 0]],
            [[0, 0.0005313191874358747, 0], [0.00016533814161379112, 0, 0]],
            [[0, 0, 0], [0.0004179171803251336, 0.0017290828234722833, 0]],
            [[0.0020827005846636437, 0, 0], [8.826982764996862, 23.19243343998926, 0]],
            [
                [95.1080498811086, 0.9863978034400682, 0.9834382792465353],
                [0.0012286405048278493, 171.2667255897307, 0.9807858872435379],
            ],
            [[0, 0, 0], [0.0005130064588990679, 0, 0.00010854057858411537]],
        ],
    ],
    dtype=float,
)
POLYNOMIAL = (6.248496625763138e-05, -0.020884521182843837, 2.326765642916932, 0.0)
FACTOR, POWER = 0.9562382616834844, 0.6276336467831387


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(-float("inf"), 100),
    identical=100,
    paper=PAPER,
    color="XYB; grey images are neutral",
)
def ssimulacra2(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Structure, artifacts and lost detail at six scales, fitted to opinion on compressed images.

    There is no map: the polynomial is of pooled errors of six scales.

    The order of the images matters: artifacts are edges that only the distorted image has. On
    images of fewer than 113 pixels a side there are fewer scales; the weights are then used in
    their order, whatever scale they were fitted for, as the author's code does.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, sRGB in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        weights: Pooling weights `[..., H, W]`, or None; halved with the images.

    Returns:
        `[...]`, 100 for equal images; by the author 90 is visually lossless, 70 high, 50 medium
        and 30 low quality; below 0 for strong distortion.

    Raises:
        ValueError: A side is below 8 pixels.

    >>> image = jnp.linspace(0, 1, 16 * 16 * 3).reshape(16, 16, 3)
    >>> print(ssimulacra2(image, image))
    100.0
    """
    check_least_side("ssimulacra2", reference.shape, LEAST_SIDE)
    x, y = (
        srgb_to_linear(gray_to_rgb(image), data_range=data_range)
        for image in (reference, distorted)
    )
    scales = [_compare(_to_positive_xyb(x), _to_positive_xyb(y), weights)]
    while len(scales) < SCALES and min(x.shape[-3:-1]) >= LEAST_SIDE:
        x, y = downsample_box(x, 2), downsample_box(y, 2)
        weights = pooling.halve_weights(weights)
        scales.append(_compare(_to_positive_xyb(x), _to_positive_xyb(y), weights))
    errors = jnp.stack(scales, -3)
    errors = errors.reshape(*errors.shape[:-4], -1)
    fitted = jnp.asarray(WEIGHTS.ravel()[: errors.shape[-1]], errors.dtype)
    error = FACTOR * jnp.sum(errors * fitted, -1)
    return 100 - 10 * safe_power(jnp.polyval(jnp.array(POLYNOMIAL, error.dtype), error), POWER)


def _to_positive_xyb(linear: jax.Array) -> jax.Array:
    """X, Y and B - Y, each about between 0 and 1."""
    x, y, b = jnp.split(linear_rgb_to_xyb(linear), 3, -1)
    moved = [X_FACTOR * x, y, b - y]
    return jnp.concatenate([part + offset for part, offset in zip(moved, OFFSETS, strict=True)], -1)


def _compare(x: jax.Array, y: jax.Array, weights: jax.Array | None) -> jax.Array:
    """The errors of a scale, `[..., channel, norm, map]`."""
    channels = x.shape[-1]
    moments = jnp.concatenate([x, y, (x - y) ** 2, x * y], -1)
    moments = correlate_separable(moments, _window(), border="zero")
    mean_x, mean_y, square, product = (
        moments[..., i * channels : (i + 1) * channels] for i in range(4)
    )
    apart = (mean_x - mean_y) ** 2
    variance = square - apart  # of the difference; both images' variances less twice the covariance
    covariance = product - mean_x * mean_y
    # 1 - (1 - apart) (2 covariance + C2) / (2 covariance + variance + C2), zero for equal images.
    share = variance / (2 * covariance + variance + CONSTANT)
    structure = jnp.maximum(apart + (1 - apart) * share, 0)
    edges = (1 + jnp.abs(y - mean_y)) / (1 + jnp.abs(x - mean_x)) - 1
    maps = structure, jnp.maximum(edges, 0), jnp.maximum(-edges, 0)
    norms = [
        [pooling.mean(each, weights), safe_power(pooling.mean(each**4, weights), 0.25)]
        for each in maps
    ]
    return jnp.stack([jnp.stack(pair, -1) for pair in norms], -1)


@functools.cache
def _window() -> np.ndarray:
    """The impulse response of the recursive Gaussian: three cosines of odd quarter turns."""
    radius = round(3.2795 * SIGMA + 0.2546)
    turns = np.array([1, 3, 5]) * math.pi / (2 * radius)
    signs = np.array([1, -1, 1])
    p = signs / np.tan(turns / 2)
    r = signs * p**2 / np.sin(turns)
    decay = np.exp(-(SIGMA**2) * turns**2 / 2) / radius
    crossed = p * np.roll(r, -1) - r * np.roll(p, -1)  # of 1 and 3, 3 and 5, 5 and 1
    zeta = np.array([crossed[1], crossed[2], crossed[0]]) / crossed[0]
    moments = [1, radius**2 - SIGMA**2, zeta @ decay]
    amplitudes = np.linalg.solve([p, r, zeta], moments)
    return amplitudes @ np.cos(turns[:, None] * np.arange(1 - radius, radius))
