"""Correlation with one window along H and one along W, and its exact adjoint.

Both are linear primitives, each the transpose of the other, so that they are differentiated to any
order, forwards and backwards, by the same kernels.
"""

from collections.abc import Sequence
from typing import Any

import jax
from jax.interpreters import ad

from jiqa.kernels.forms import check_implementation, make_primitive

_correlation = make_primitive(__name__, "correlation")
_adjoint = make_primitive(__name__, "adjoint")


def separable(
    images: jax.Array,
    rows: Sequence[float],
    columns: Sequence[float],
    *,
    stride: int = 1,
    implementation: str | None = None,
) -> jax.Array:
    """Valid correlation of images with the outer product of two windows.

    Args:
        images: `[..., H, W, C]`, floating.
        rows: Window `[h]` that runs along H, at most H long.
        columns: Window `[w]` that runs along W, at most W long.
        stride: Keeps every `stride`-th sample along both axes, from the first.
        implementation: A name from `jiqa.kernels.forms.FORMS`, or None for the platform's best.

    Returns:
        `[..., H', W', C]` in the images' dtype, with `H' = ceil((H - h + 1) / stride)` and W'
        likewise.

    Raises:
        ValueError: Unknown implementation.

    >>> import jax.numpy as jnp
    >>> image = jnp.arange(12.0).reshape(3, 4, 1)
    >>> print(separable(image, (0.5, 0.5), (1.0,), stride=2)[..., 0])
    [[2. 4.]]
    """
    check_implementation(implementation)
    (result,) = _correlation.bind(
        images,
        rows=tuple(map(float, rows)),
        columns=tuple(map(float, columns)),
        stride=stride,
        implementation=implementation,
    )
    return result


def _transpose_correlation(cotangents: Any, images: Any, **parameters: Any) -> Any:
    return _adjoint.bind(*cotangents, size=images.aval.shape[-3:-1], **parameters)


def _transpose_adjoint(cotangents: Any, _: Any, *, size: Any, **parameters: Any) -> Any:  # noqa: ARG001
    return _correlation.bind(*cotangents, **parameters)


ad.deflinear2(_correlation, _transpose_correlation)
ad.deflinear2(_adjoint, _transpose_adjoint)
