"""The form for CPUs with a compiler: a few rows at a time in cache, in C++."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.kernels import native
from jiqa.kernels.gradient_similarity.reference import GradientSimilarity


def supports(function: str, operands: Sequence[jax.ShapeDtypeStruct], **_: Any) -> bool:  # noqa: ARG001
    """Whether the kernels are there and take images like these."""
    return jnp.dtype(operands[0].dtype) == jnp.float32 and native.available()


def moments(
    reference: jax.Array,
    distorted: jax.Array,
    weights: jax.Array | None = None,
    *,
    similarity: GradientSimilarity,
) -> tuple[jax.Array, jax.Array]:
    """As `jiqa.kernels.gradient_similarity.reference.moments`."""
    total = jax.ShapeDtypeStruct((reference.shape[0], reference.shape[3]), jnp.float32)
    operands = [reference, distorted] if weights is None else [reference, distorted, weights]
    call = jax.ffi.ffi_call("jiqa_gradient_moments", (total, total))
    mean, variance = call(*operands, **_attributes(similarity))
    return mean, variance


def gradient(
    reference: jax.Array,
    distorted: jax.Array,
    weights: jax.Array | None = None,
    *,
    similarity: GradientSimilarity,
    variance: bool,
    wrt: tuple[bool, bool],
) -> tuple[jax.Array, ...]:
    """As `jiqa.kernels.gradient_similarity.reference.gradient`."""
    images = [reference, distorted]
    if wrt == (True, False):
        images.reverse()  # the kernel differentiates both or the second; d is symmetric
    total = jax.ShapeDtypeStruct((reference.shape[0], reference.shape[3]), jnp.float32)
    gradients = [jax.ShapeDtypeStruct(reference.shape, jnp.float32)] * sum(wrt)
    call = jax.ffi.ffi_call("jiqa_gradient_slopes", (total, *gradients))
    operands = images if weights is None else [*images, weights]
    return tuple(call(*operands, variance=np.bool_(variance), **_attributes(similarity)))


def _attributes(similarity: GradientSimilarity) -> dict[str, Any]:
    smoothing = np.asarray(similarity.smoothing, np.float32)
    return {"smoothing": smoothing, "constant": np.float32(similarity.constant)}
