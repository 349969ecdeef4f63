"""Convolution of feature maps, in the forms that are fast where XLA for CPUs is slow.

What XLA makes of a convolution runs on a CPU at the speed of its matrix products. Winograd's needs
fewer of them, for kernels of 3 x 3 and 5 x 5 of many channels. And XLA falls back to plain loops in
groups, in as many groups as channels, and for maps smaller than the kernel.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jiqa.kernels import winograd
from jiqa.kernels.winograd import Borders, by_library, result_size


def convolution(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: int = 1,
    padding: Borders = ((0, 0), (0, 0)),
    groups: int = 1,
) -> jax.Array:
    """Convolution without flipping the kernel, as in all deep learning.

    Args:
        x: `[N, H, W, C]`.
        kernel: `[kh, kw, C / groups, O]`, of the same dtype.
        stride: Pixels from one result to the next, along both axes.
        padding: Zeros at the top and bottom, left and right.
        groups: The channels are split into as many groups that do not mix.

    Returns:
        `[N, H', W', O]`.

    >>> print(convolution(jnp.ones((1, 4, 4, 2)), jnp.ones((3, 3, 2, 1)))[0, 0, 0])
    [18.]
    """
    given: dict[str, Any] = {"stride": stride, "padding": padding, "groups": groups}
    form = cpu_form(x, kernel, **given)
    if form in (by_library, by_winograd):  # which lower to XLA's on other platforms
        return form(x, kernel, **given)
    return jax.lax.platform_dependent(
        x, kernel, cpu=partial(form, **given), default=partial(by_library, **given)
    )


def cpu_form(
    x: jax.Array | jax.ShapeDtypeStruct,
    kernel: jax.Array | jax.ShapeDtypeStruct,
    *,
    stride: int,
    padding: Borders,
    groups: int,
) -> Callable[..., jax.Array]:
    """The form that is fastest on a CPU for images and kernels of these shapes and types.

    >>> x, kernel = jnp.ones((1, 8, 8, 6)), jnp.ones((3, 3, 1, 6))
    >>> cpu_form(x, kernel, stride=1, padding=((1, 1), (1, 1)), groups=6).__name__
    'by_channels'
    """
    if groups > 1:
        return by_channels if kernel.shape[2:] == (1, groups) else by_groups
    rows, columns = result_size(x, kernel, padding, stride)
    # With fewer results than taps, XLA leaves the matrix products of the map or of its gradient.
    if 0 < rows * columns < kernel.shape[0] * kernel.shape[1]:
        return by_patches
    filtered = stride == 1 and winograd.supports(x, kernel, padding)
    return by_winograd if filtered else by_library


def by_winograd(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: int,  # noqa: ARG001
    padding: Borders,
    groups: int,  # noqa: ARG001
) -> jax.Array:
    """Winograd's minimal filtering, where C++ is at hand."""
    return winograd.winograd(x, kernel, padding=padding)


def by_groups(
    x: jax.Array, kernel: jax.Array, *, stride: int, padding: Borders, groups: int
) -> jax.Array:
    """A convolution for each group."""
    pairs = zip(jnp.split(x, groups, -1), jnp.split(kernel, groups, -1), strict=True)
    return jnp.concatenate(
        [convolution(part, own, stride=stride, padding=padding) for part, own in pairs], -1
    )


def by_channels(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: int,
    padding: Borders,
    groups: int,  # noqa: ARG001
) -> jax.Array:
    """The sum of shifted maps times numbers, where each channel has a kernel of its own."""
    shifted = windows(jnp.pad(x, ((0, 0), *padding, (0, 0))), kernel.shape[:2], stride)
    taps = kernel.reshape(-1, kernel.shape[-1])
    total = shifted[0] * taps[0]
    for view, tap in zip(shifted[1:], taps[1:], strict=True):
        total += view * tap
    return total


def by_patches(
    x: jax.Array,
    kernel: jax.Array,
    *,
    stride: int,
    padding: Borders,
    groups: int,  # noqa: ARG001
) -> jax.Array:
    """A matrix product of the patches of the map."""
    shifted = windows(jnp.pad(x, ((0, 0), *padding, (0, 0))), kernel.shape[:2], stride)
    patches = jnp.concatenate(shifted, -1)
    return jnp.matmul(patches, kernel.reshape(-1, kernel.shape[-1]), precision="highest")


def windows(x: jax.Array, size: tuple[int, ...], stride: int) -> list[jax.Array]:
    """What each place of a sliding window sees, row by row.

    Args:
        x: `[N, H, W, C]`.
        size: Height and width of the window.
        stride: Pixels from one window to the next.

    Returns:
        `size[0] * size[1]` arrays `[N, H', W', C]`.

    >>> views = windows(jnp.arange(16.0).reshape(1, 4, 4, 1), (2, 2), 2)
    >>> [view[0, ..., 0].tolist() for view in views[:2]]
    [[[0.0, 2.0], [8.0, 10.0]], [[1.0, 3.0], [9.0, 11.0]]]
    """
    rows, columns = ((n - side) // stride + 1 for n, side in zip(x.shape[1:3], size, strict=True))
    high, wide = (max(0, (count - 1) * stride + 1) for count in (rows, columns))
    return [
        x[:, i : i + high : stride, j : j + wide : stride]
        for i in range(size[0])
        for j in range(size[1])
    ]
