"""Structural dissimilarity, `(1 - SSIM) / 2`.

Loza, Mihaylova, Canagarajah and Bull, "Structural similarity-based object tracking in video
sequences", FUSION 2006, equation 12. The command-line tool of the same name computes something
else.
"""

from functools import partial

import jax

from jiqa.core.registry import image_function, metric
from jiqa.full_reference.ssim import ssim, ssim_map

PAPER = "Loza, Mihaylova, Canagarajah and Bull, "
PAPER += '"Structural similarity-based object tracking in video sequences", FUSION 2006'


@metric(
    kind="full_reference",
    higher_is_better=False,
    score_range=(0, 1),
    identical=0,
    paper=PAPER,
    reads_any_dtype=True,
    protocols={"dssim_y": {"luma": "matlab"}},
)
def dssim(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    window_size: int = 11,
    sigma: float = 1.5,
    weights: jax.Array | None = None,
) -> jax.Array:
    """Structural dissimilarity: half of what SSIM is short of 1.

    Args:
        reference: Images `[..., H, W, C]`, C 1 or 3, in [0, data_range].
        distorted: The same shape and dtype.
        data_range: Largest possible value of floating images; integers carry theirs (255, 65535).
        luma: A preset of `jiqa.core.color.LUMA_PRESETS`, or None to average over channels.
        window_size: Taps of the Gaussian window along each side.
        sigma: Its standard deviation in pixels.
        weights: Pooling weights `[..., H, W]`, or None.

    Returns:
        `[...]` from 0, which equal images give, to 1; lower is better.

    Raises:
        ValueError: The images are smaller than the window.

    >>> import jax.numpy as jnp
    >>> image = jnp.linspace(0, 1, 16 * 16).reshape(16, 16, 1)
    >>> print(dssim(image, image).round(6))
    0.0
    """
    similarity = ssim(
        reference,
        distorted,
        data_range=data_range,
        luma=luma,
        window_size=window_size,
        sigma=sigma,
        weights=weights,
    )
    return (1 - similarity) / 2


@partial(image_function, reads_any_dtype=True)
def dssim_map(
    reference: jax.Array,
    distorted: jax.Array,
    *,
    data_range: float = 1.0,
    luma: str | None = None,
    window_size: int = 11,
    sigma: float = 1.5,
) -> jax.Array:
    """The map whose mean is `dssim`, averaged over channels; arguments as there.

    Returns:
        `[..., H - window_size + 1, W - window_size + 1]`; 0 where the images are alike.

    >>> import jax.numpy as jnp
    >>> dssim_map(jnp.zeros((16, 20, 3)), jnp.ones((16, 20, 3))).shape
    (6, 10)
    """
    similarity = ssim_map(
        reference,
        distorted,
        data_range=data_range,
        luma=luma,
        window_size=window_size,
        sigma=sigma,
    )
    return (1 - similarity) / 2
