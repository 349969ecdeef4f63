"""The form for CPUs with a compiler: everything of a few rows in registers and cache, in C++."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.kernels import native
from jiqa.kernels.ssim_statistics.similarity import Similarity

DTYPES = ("float32", "bfloat16", "float16", "uint8", "uint16")
LANES = 16  # of the widest vectors: narrower rows are left to other forms


def supports(
    function: str,  # noqa: ARG001
    operands: Sequence[jax.ShapeDtypeStruct],
    *,
    similarity: Similarity,
    **_: Any,
) -> bool:
    """Whether the kernels are there and take images like these."""
    _, height, width, channels = operands[0].shape
    large = min(height, width) >= len(similarity.window) and width * channels >= LANES
    return large and jnp.dtype(operands[0].dtype).name in DTYPES and native.available()


def sums(
    reference: jax.Array,
    distorted: jax.Array,
    weights: jax.Array | None = None,
    *,
    similarity: Similarity,
) -> tuple[jax.Array, jax.Array]:
    """As `jiqa.kernels.ssim_statistics.reference.sums`."""
    count, _, _, channels = reference.shape
    total = jax.ShapeDtypeStruct((count, channels), jnp.float32)
    operands = [reference, distorted] if weights is None else [reference, distorted, weights]
    call = jax.ffi.ffi_call("jiqa_ssim_sums", (total, total))
    ssim, contrast_structure = call(*operands, **_attributes(similarity))
    return ssim, contrast_structure


def comparison_map(
    reference: jax.Array, distorted: jax.Array, *, similarity: Similarity, luminance: bool
) -> jax.Array:
    """As `jiqa.kernels.ssim_statistics.reference.comparison_map`."""
    count, height, width, channels = reference.shape
    reach = len(similarity.window) - 1
    size = (count, height - reach, width - reach, channels)
    call = jax.ffi.ffi_call("jiqa_ssim_comparison_map", jax.ShapeDtypeStruct(size, jnp.float32))
    return call(reference, distorted, luminance=np.bool_(luminance), **_attributes(similarity))


def gradient(
    reference: jax.Array,
    distorted: jax.Array,
    weights: jax.Array | None = None,
    *,
    similarity: Similarity,
    luminance: bool,
    wrt: tuple[bool, bool],
) -> tuple[jax.Array, ...]:
    """As `jiqa.kernels.ssim_statistics.reference.gradient`."""
    images = [reference, distorted]
    if wrt == (True, False):
        images.reverse()  # the kernel differentiates both or the second; SSIM is symmetric
    count, _, _, channels = reference.shape
    total = jax.ShapeDtypeStruct((count, channels), jnp.float32)
    gradients = [jax.ShapeDtypeStruct(reference.shape, jnp.float32)] * sum(wrt)
    call = jax.ffi.ffi_call("jiqa_ssim_gradient", (total, *gradients))
    operands = images if weights is None else [*images, weights]
    return tuple(call(*operands, luminance=np.bool_(luminance), **_attributes(similarity)))


def _attributes(similarity: Similarity) -> dict[str, Any]:
    return {
        "window": np.asarray(similarity.window, np.float32),
        "c1": np.float32(similarity.c1),
        "c2": np.float32(similarity.c2),
        "scale": np.float32(similarity.covariance_scale),
    }
