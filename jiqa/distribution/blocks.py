"""Sums over all pairs of two sets' features, in blocks of bounded memory."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp

BLOCK_ELEMENTS = 2**24  # of a matrix of one block of images and all others: 64 MiB in float32

Carry = TypeVar("Carry")
Result = TypeVar("Result")


def scan_blocks(
    function: Callable[[Carry, jax.Array, jax.Array], tuple[Carry, Result]],
    start: Carry,
    rows: jax.Array,
    columns: int,
) -> tuple[Carry, Result]:
    """Calls a function with one block of rows after the other.

    Args:
        function: Of what is carried from block to block, of a block of rows `[B, D]` and of their
            numbers `[B]`, which are `len(rows)` and more for rows that fill up the last block;
            gives what is carried on, and results `[B, ...]` for the rows.
        start: What is carried to the first block.
        rows: `[N, D]`.
        columns: How many columns the function's matrices have: B times as many numbers are held.

    Returns:
        What was carried, and the results `[N, ...]`.

    >>> def function(carry, block, numbers):
    ...     return carry + block.sum(), numbers * block[:, 0]
    >>> carry, results = scan_blocks(function, 0.0, jnp.ones((3, 1)), 2**23)
    >>> print(carry, results)
    3.0 [0. 1. 2.]
    """
    number = len(rows)
    size = min(number, max(1, BLOCK_ELEMENTS // columns))
    count = -(-number // size)
    padded = jnp.pad(rows, ((0, count * size - number), (0, 0))).reshape(count, size, -1)
    numbers = jnp.arange(count * size).reshape(count, size)

    @jax.checkpoint
    def step(carry: Carry, block: tuple[jax.Array, jax.Array]) -> tuple[Carry, Result]:
        return function(carry, *block)

    carry, results = jax.lax.scan(step, start, (padded, numbers))
    return carry, jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:number], results)


def inner_products(rows: jax.Array, columns: jax.Array) -> jax.Array:
    """`[B, N]` of `[B, D]` and `[N, D]`, in full float32."""
    return jnp.matmul(rows, columns.T, precision="highest")


def squared_distances(rows: jax.Array, columns: jax.Array) -> jax.Array:
    """Squared Euclidean distances `[B, N]` of `[B, D]` and `[N, D]`, which should be centred.

    >>> print(squared_distances(jnp.zeros((1, 2)), jnp.array([[3.0, 4.0]])))
    [[25.]]
    """
    lengths = jnp.sum(rows**2, -1)[:, None] + jnp.sum(columns**2, -1)
    return jnp.maximum(0, lengths - 2 * inner_products(rows, columns))
