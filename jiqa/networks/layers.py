"""The convolution that networks are built of."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
from flax import nnx

from jiqa.kernels.winograd import supports, winograd


class Conv(nnx.Conv):
    """Flax's convolution, by Winograd's filtering where that is faster on CPUs.

    >>> Conv(3, 8, (3, 3), rngs=nnx.Rngs(0))(jax.numpy.ones((1, 6, 5, 3))).shape
    (1, 6, 5, 8)
    """

    def __init__(self, *given: Any, **options: Any) -> None:
        """Takes what `flax.nnx.Conv` does."""
        super().__init__(*given, conv_general_dilated=convolve, **options)


def convolve(
    x: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    *,
    lhs_dilation: Sequence[int],
    rhs_dilation: Sequence[int],
    feature_group_count: int,
    precision: jax.lax.PrecisionLike,
    **options: Any,
) -> jax.Array:
    """`jax.lax.conv_general_dilated`, of maps `[N, H, W, C]`, by whatever is fastest."""
    if {*strides, *lhs_dilation, *rhs_dilation, feature_group_count} == {1}:
        if isinstance(padding, str):
            padding = jax.lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], strides, padding)
        borders: Any = tuple(map(tuple, padding))
        if supports(x, kernel, borders):
            return winograd(x, kernel, padding=borders, precision=precision)
    compute = partial(jax.lax.conv_general_dilated, x, kernel, strides, padding)
    return compute(
        lhs_dilation=lhs_dilation,
        rhs_dilation=rhs_dilation,
        feature_group_count=feature_group_count,
        precision=precision,
        **options,
    )
