"""One large image over several devices: each holds some rows and borrows a few of the next's."""

import jax
import jax.numpy as jnp
from jax import lax

from jiqa.kernels.precision import compute_dtype
from jiqa.kernels.ssim_statistics import Statistics, ssim_statistics
from jiqa.kernels.ssim_statistics.similarity import Similarity


def ssim_statistics_by_rows(
    reference: jax.Array,
    distorted: jax.Array,
    similarity: Similarity,
    axis_name: str,
    *,
    implementation: str | None = None,
) -> Statistics:
    """As `ssim_statistics`, of whole images of which every device holds equally many rows.

    Called inside `jax.shard_map` with H sharded over `axis_name`. Neighbours exchange as many rows
    as the window reaches over, and every device returns the statistics of the whole image.

    Args:
        reference: This device's rows `[..., H / devices, W, C]`, at least as many as the window.
        distorted: The same shape and dtype.
        similarity: As in `ssim_statistics`.
        axis_name: The mesh axis over which the rows are sharded.
        implementation: As in `ssim_statistics`.

    Returns:
        Two arrays `[..., C]`, equal on all devices.

    Raises:
        ValueError: Fewer rows than the window has.

    >>> from jax.sharding import AxisType, PartitionSpec
    >>> image = jnp.linspace(0, 1, 12 * 12).reshape(12, 12, 1)
    >>> window = Similarity((0.5, 0.5), 1e-4, 9e-4)
    >>> whole = jax.shard_map(
    ...     lambda x: ssim_statistics_by_rows(x, x, window, "rows").ssim,
    ...     mesh=jax.make_mesh((2,), ("rows",), axis_types=(AxisType.Auto,)),
    ...     in_specs=PartitionSpec("rows"), out_specs=PartitionSpec())
    >>> print(whole(image))
    [1.]
    """
    taps = len(similarity.window)
    rows, width = reference.shape[-3:-1]
    if rows < taps:
        raise ValueError(f"{rows} rows on each device are fewer than the {taps} of the window.")
    # The last device has no next one: it borrows zeros, and its last positions do not count.
    last = lax.axis_index(axis_name) == lax.axis_size(axis_name) - 1
    counted = jnp.where(last, rows - taps + 1, rows)
    weights = (jnp.arange(rows) < counted)[:, None] * jnp.ones(width - taps + 1)
    own = ssim_statistics(
        _borrow(reference, taps - 1, axis_name),
        _borrow(distorted, taps - 1, axis_name),
        similarity,
        weights=jnp.broadcast_to(weights, (*reference.shape[:-3], *weights.shape)),
        implementation=implementation,
    )
    counted = counted.astype(compute_dtype(reference.dtype))
    positions = lax.psum(counted, axis_name)
    return Statistics(*(lax.psum(mean * counted, axis_name) / positions for mean in own))


def _borrow(images: jax.Array, rows: int, axis_name: str) -> jax.Array:
    """The images followed by the next device's first rows."""
    devices = lax.axis_size(axis_name)
    from_next = [(device, device - 1) for device in range(1, devices)]
    borrowed = lax.ppermute(images[..., :rows, :, :], axis_name, from_next)
    return jnp.concatenate([images, borrowed], axis=-3)
