"""Checks of features: one vector an image, `[N, D]`."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jiqa.core.arrays import FLOAT_TYPES, is_concrete, to_float


def check_features(function: str, name: str, features: Any, *, least: int = 2) -> jax.Array:
    """Checks that an array holds one feature vector an image, and makes it float32 or float64.

    Args:
        function: Name of the caller, for the message.
        name: Name of the argument.
        features: `[N, D]`.
        least: How many images there have to be.

    Returns:
        The features; float64 stays, all else is float32.

    Raises:
        TypeError: No array, or not of floats.
        ValueError: Not `[N, D]`, no dimensions, fewer images than `least`, or a concrete array
            with NaN or infinity.

    >>> check_features("kernel_distance", "reference", np.zeros((1, 64)))
    Traceback (most recent call last):
    ValueError: kernel_distance: `reference` has shape (1, 64); give features [N, D] of at least \
2 images.
    """
    if not (hasattr(features, "shape") and hasattr(features, "dtype")):
        raise TypeError(
            f"{function}: `{name}` is a {type(features).__name__}; give a NumPy or JAX array."
        )
    found = f"{function}: `{name}` has shape {tuple(features.shape)}"
    if len(features.shape) != 2 or features.shape[1] == 0:
        raise ValueError(f"{found}; give features [N, D], one vector an image.")
    if features.shape[0] < least:
        raise ValueError(
            f"{found}; give features [N, D] of at least {least} image{'s'[: least - 1]}."
        )
    if str(features.dtype) not in FLOAT_TYPES:
        raise TypeError(f"{function}: `{name}` has dtype {features.dtype}; features are floats.")
    checked = to_float(features)
    if is_concrete(checked):
        with jax.ensure_compile_time_eval():
            finite = bool(jnp.isfinite(checked).all())
        if not finite:
            raise ValueError(f"{function}: `{name}` holds NaN or infinite values.")
    return checked


def check_two_sets(
    function: str, reference: Any, generated: Any, *, least: int = 2
) -> tuple[jax.Array, jax.Array]:
    """Checks the features of two sets of images, which may differ in number but not in dimension.

    Args:
        function: Name of the caller, for the message.
        reference: `[M, D]`.
        generated: `[N, D]`.
        least: How many images each set needs.

    Returns:
        Both, in one dtype.

    Raises:
        TypeError: As in `check_features`.
        ValueError: As in `check_features`, or the dimensions differ.

    >>> check_two_sets("kernel_distance", np.zeros((9, 64)), np.zeros((9, 32)))
    Traceback (most recent call last):
    ValueError: kernel_distance: `reference` has 64 dimensions and `generated` 32; compute both \
with the same feature function.
    """
    first = check_features(function, "reference", reference, least=least)
    second = check_features(function, "generated", generated, least=least)
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"{function}: `reference` has {first.shape[1]} dimensions and `generated` "
            f"{second.shape[1]}; compute both with the same feature function."
        )
    dtype = np.promote_types(first.dtype, second.dtype)
    return first.astype(dtype), second.astype(dtype)
