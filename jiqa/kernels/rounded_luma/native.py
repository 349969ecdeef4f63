"""The form for CPUs with a compiler: whole vectors of pixels, in C++."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.kernels import native
from jiqa.kernels.rounded_luma.reference import split_weights


def supports(function: str, operands: Sequence[jax.ShapeDtypeStruct], **_: Any) -> bool:  # noqa: ARG001
    """Whether the kernels are there and take images like these."""
    return jnp.dtype(operands[0].dtype) == jnp.float32 and native.available()


def luma(images: jax.Array, *, weights: tuple[float, ...], levels: float, halve: bool) -> jax.Array:
    """As `jiqa.kernels.rounded_luma.rounded_luma`."""
    count, height, width, _ = images.shape
    if halve:
        height, width = (height + 1) // 2, (width + 1) // 2
    shape = jax.ShapeDtypeStruct((count, height, width, 1), jnp.float32)
    call = jax.ffi.ffi_call("jiqa_rounded_luma", shape)
    coarse, rest = (np.asarray(part, np.float32) for part in split_weights(weights))
    return call(images, coarse=coarse, rest=rest, levels=np.float32(levels), halve=np.bool_(halve))
