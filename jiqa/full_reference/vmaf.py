"""Video multi-method assessment fusion, of still images.

Li, Aaron, Katsavounidis, Moorthy and Manohara, "Toward a practical perceptual video quality
metric", Netflix Technology Blog, 2016, in the convention of libvmaf: a support vector regression
fuses `adm`, visual information fidelity at four scales and motion, which is 0 for an image. The
features are those of libvmaf's floating-point extractors (its models `vmaf_float_...`), to the
precision of single floats. Its integer extractors, the default there, give other last digits, as a
rule 0.02 and at most 0.3 of a score on the golden pairs. The order of the images matters.

libvmaf reads luma planes, mostly of BT.709, 16 to 235, in 8 bits. RGB images are converted to that
luma and not rounded, which moves scores by as much (0.03; at most 0.3). Planes as the tools read
them are given as images of one channel.
"""

import functools
import json
from importlib import resources
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core import pooling
from jiqa.core.color import apply_luma
from jiqa.core.filters import correlate_separable, gaussian_window
from jiqa.core.models import SupportVectors
from jiqa.core.registry import image_function, metric
from jiqa.full_reference.adm import visible_detail
from jiqa.full_reference.vif import LEVELS, PIXEL_FLAT, PIXEL_NOISE_VARIANCE, estimate_channel

PAPER = 'Li, Aaron, Katsavounidis, Moorthy and Manohara, "Toward a practical perceptual video '
PAPER += 'quality metric", Netflix Technology Blog, 2016'

MODELS = ("vmaf_v0.6.1", "vmaf_v0.6.1neg", "vmaf_4k_v0.6.1")
LARGEST_VARIANCE = 255**2 / 4


class VmafFeatures(NamedTuple):
    """The features of VMAF, each `[...]` or a scalar, in the order of its models."""

    adm2: jax.Array
    motion2: jax.Array
    vif_scale0: jax.Array
    vif_scale1: jax.Array
    vif_scale2: jax.Array
    vif_scale3: jax.Array


class VmafModel(NamedTuple):
    """A support vector regression with a radial kernel, and the scales of what goes in and out."""

    slopes: np.ndarray  # of the score, then of the features
    intercepts: np.ndarray
    regression: SupportVectors
    transform: tuple[float, ...] | None  # of the score for phones, a polynomial
    adm_gain_limit: float
    vif_gain_limit: float


@metric(
    kind="full_reference",
    higher_is_better=True,
    score_range=(0, 100),
    identical=97.42804264261031,
    paper=PAPER,
    color="luma of BT.709, 16 to 235; luma=None averages over channels",
    protocols={"vmaf_neg": {"model": "vmaf_v0.6.1neg"}},
)
def vmaf(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "bt709_limited",
    model: str = "vmaf_v0.6.1",
    phone: bool = False,
    weights: jax.Array | None = None,
) -> jax.Array:
    """VMAF of still images: what libvmaf gives for videos of one frame.

    There is no map: the regression is of features of the whole image.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range]. The order matters.
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
            One-channel images are taken as luma planes.
        model: "vmaf_v0.6.1" (1080 lines seen from three times their height), "vmaf_v0.6.1neg"
            (enhanced contrast counts no more than the reference's) or "vmaf_4k_v0.6.1".
        phone: Whether to transform the score to that of viewing on a telephone, for models that
            say how.
        weights: Weights `[..., H, W]` of detail and information in the features, or None.

    Returns:
        `[...]` from 0 to 100, higher is better. Equal images have 97.428 by the default model,
        not 100. Beyond 0 and 100 the gradient is zero.

    Raises:
        ValueError: An unknown model, `phone` with the 4k model, or a side below 32 pixels.

    >>> image = jnp.sin(jnp.arange(40 * 40.0)).reshape(40, 40, 1) / 2 + 0.5
    >>> print(vmaf(image, image).round(2))
    97.43
    >>> bool(vmaf(image, image * 0.9 + 0.05) < 97)
    True
    """
    fusion = _load_model(model)
    if phone and fusion.transform is None:
        raise ValueError(f"vmaf: {model} has no transform for phones; leave phone out.")
    x, y = apply_luma(luma, reference, distorted, data_range=data_range)
    score = _predict(_features(x, y, data_range, fusion, weights), fusion)
    if phone:
        score = jnp.maximum(jnp.polyval(np.array(fusion.transform, score.dtype), score), score)
    return jnp.clip(score, 0, 100).mean(-1)


@image_function
def vmaf_features(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = "bt709_limited",
    model: str = "vmaf_v0.6.1",
    weights: jax.Array | None = None,
) -> VmafFeatures:
    """What `vmaf` fuses; arguments as there.

    Returns:
        Six features `[...]`, averaged over channels; equal images have 1, but motion, which is 0.

    Raises:
        ValueError: As in `vmaf`.

    >>> vmaf_features(jnp.zeros((2, 40, 50, 3)), jnp.ones((2, 40, 50, 3))).adm2.shape
    (2,)
    """
    x, y = apply_luma(luma, reference, distorted, data_range=data_range)
    features = _features(x, y, data_range, _load_model(model), weights)
    return VmafFeatures(*(feature.mean(-1) for feature in features))


def _features(
    x: jax.Array, y: jax.Array, data_range: float, model: VmafModel, weights: jax.Array | None
) -> VmafFeatures:
    """Features of each channel, `[..., C]`, of images less the middle of their range."""
    x, y = (image * (255 / data_range) - 128 for image in (x, y))
    left, there = visible_detail(x, y, model.adm_gain_limit, weights=weights)
    detail = left.sum(0) / there.sum(0)
    fidelities = _fidelities(x, y, model.vif_gain_limit, weights)
    return VmafFeatures(detail, jnp.zeros_like(detail), *fidelities)


def _fidelities(
    x: jax.Array, y: jax.Array, gain_limit: float, weights: jax.Array | None
) -> list[jax.Array]:
    """Visual information fidelity `[..., C]` of each scale, the finest first.

    Other than in `jiqa.full_reference.vif.vif_p`, borders are mirrored, the gain is limited, and a
    place with little variance counts as one unit of information, of which the distorted image
    takes away as much as it varies.
    """
    fidelities = []
    for scale in range(LEVELS):
        size = 2 ** (LEVELS - scale) + 1
        window = gaussian_window(size, size / 5)
        if scale > 0:
            x, y = (_halve(image, window) for image in (x, y))
            weights = pooling.halve_weights(weights)
        average = functools.partial(correlate_separable, rows=window, border="reflect")
        variance_x, (gain, noise) = estimate_channel(x, y, average, PIXEL_FLAT)
        variance_y = gain**2 * variance_x + noise
        flat = variance_x < PIXEL_NOISE_VARIANCE
        power = jnp.minimum(gain, gain_limit) ** 2 * variance_x
        seen = jnp.log2(1 + power / (noise + PIXEL_NOISE_VARIANCE))
        seen = jnp.where(flat, 1 - variance_y / LARGEST_VARIANCE, seen)
        total = jnp.where(flat, 1, jnp.log2(1 + variance_x / PIXEL_NOISE_VARIANCE))
        weights = pooling.fit_weights(weights, 1, *seen.shape[-3:-1])
        fidelities.append(pooling.mean(seen, weights) / pooling.mean(total, weights))
    return fidelities


def _halve(images: jax.Array, window: np.ndarray) -> jax.Array:
    """Smoothed, every second sample; the last of an odd side is dropped."""
    height, width = (length // 2 for length in images.shape[-3:-1])
    images = correlate_separable(images, window, border="reflect", stride=2)
    return images[..., :height, :width, :]


def _predict(features: VmafFeatures, model: VmafModel) -> jax.Array:
    dtype = features.adm2.dtype
    scaled = jnp.stack(features, -1) * jnp.asarray(model.slopes[1:], dtype)
    scaled = scaled + jnp.asarray(model.intercepts[1:], dtype)
    predicted = model.regression.predict(scaled)
    return (predicted - float(model.intercepts[0])) / float(model.slopes[0])


@functools.cache
def _load_model(name: str) -> VmafModel:
    """Reads a model as published: JSON with the text of a libsvm model inside."""
    if name not in MODELS:
        raise ValueError(f"vmaf: model={name!r} is unknown; use one of {', '.join(MODELS)}.")
    path = resources.files("jiqa.full_reference") / "data" / f"{name}.json"
    published = json.loads(path.read_text())["model_dict"]
    header, rows = published["model"].split("SV\n")
    facts = dict(line.split(" ", 1) for line in header.splitlines())
    rows = [row.split() for row in rows.splitlines()]
    vectors = np.zeros((len(rows), len(VmafFeatures._fields)))
    for vector, (_, *entries) in zip(vectors, rows, strict=True):
        for index, value in (entry.split(":") for entry in entries):
            vector[int(index) - 1] = float(value)
    transform = published.get("score_transform")
    transform = transform and tuple(transform[power] for power in ("p2", "p1", "p0"))
    limits = {k: v for given in published.get("feature_opts_dicts", []) for k, v in given.items()}
    return VmafModel(
        slopes=np.array(published["slopes"]),
        intercepts=np.array(published["intercepts"]),
        regression=SupportVectors(
            vectors=vectors,
            coefficients=np.array([float(row[0]) for row in rows]),
            bias=np.array(float(facts["rho"])),
            gamma=np.array(float(facts["gamma"])),
        ),
        transform=transform,
        adm_gain_limit=limits.get("adm_enhn_gain_limit", 100.0),
        vif_gain_limit=limits.get("vif_enhn_gain_limit", 100.0),
    )
