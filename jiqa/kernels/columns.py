"""Images that pass row by row through the threads of a GPU, for the forms in Pallas.

A thread owns a pixel of one channel, or two neighbouring ones, in rows folded to `[W * C]`. The
horizontal window is then a load a tap, C columns apart; those of a warp share their cache lines,
and all but the first hit the first-level cache. The vertical window is a queue of unfinished sums
in registers: a row is read once, added to every sum with the weight it has there, and finishes the
oldest. No plane is transposed, nothing is staged.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton
from jax.typing import DTypeLike

DTYPES = ("float16", "bfloat16", "float32", "uint8", "uint16")
MOST_ELEMENTS = 2**31 - 1  # an index has 32 bits

PROGRAMS = 512  # enough for the hundred and more processors of a GPU, several on each
ROWS = (16, 128)  # of a program; the more, the less it repeats of the rows above


@dataclass(frozen=True)
class Tiles:
    """How rows `[height, width * channels]` are dealt to programs.

    Attributes:
        images: Number of images.
        height: Number of rows.
        width: Number of pixels of a row.
        channels: Number of channels.
        threads: Threads of a program, a power of two.
        pixels: Pixels of a thread, 1 or 2.
        rows: Rows of a program.
        margin: Pixels that a program shares with the next.
    """

    images: int
    height: int
    width: int
    channels: int
    threads: int
    pixels: int
    rows: int
    margin: int

    @classmethod
    def cut(
        cls, shape: Sequence[int], threads: int, *, pixels: int = 1, margin: int = 0
    ) -> "Tiles":
        """Gives a program as many rows of `[N, H, W, C]` as leave enough programs.

        >>> Tiles.cut((1, 1080, 1920, 3), 128, pixels=2).grid
        (1, 23, 23)
        >>> Tiles.cut((1, 1, 1, 3), 128).grid
        (1, 1, 1)
        """
        images, height, width, channels = shape
        groups = images * pl.cdiv(width, pixels * (threads // channels) - margin)
        most = min(max(groups * height // PROGRAMS, ROWS[0]), ROWS[1], height)
        rows = pl.cdiv(height, pl.cdiv(height, most))  # evenly
        return cls(images, height, width, channels, threads, pixels, rows, margin)

    @property
    def span(self) -> int:
        """Pixels that a program computes."""
        return self.pixels * (self.threads // self.channels)

    @property
    def columns(self) -> int:
        """Columns of a folded row."""
        return self.width * self.channels

    @property
    def grid(self) -> tuple[int, int, int]:
        """Programs along the images, along H and along W."""
        across = pl.cdiv(self.width, self.span - self.margin)
        return self.images, pl.cdiv(self.height, self.rows), across

    @property
    def program(self) -> jax.Array:
        """Inside a kernel: the program's number among those of its image."""
        return pl.program_id(1) * self.grid[2] + pl.program_id(2)

    @property
    def start(self) -> tuple[jax.Array, jax.Array]:
        """Inside a kernel: the program's first row and first pixel."""
        return pl.program_id(1) * self.rows, pl.program_id(2) * (self.span - self.margin)

    def threads_at(self, pixel: jax.Array | int, width: int) -> "Threads":
        """Inside a kernel: its threads, from a pixel on, in rows of `width` pixels."""
        used = self.threads // self.channels * self.channels
        thread = clamp(jnp.arange(self.threads, dtype=jnp.int32), used)  # what is left repeats
        first = pixel + thread // self.channels * self.pixels
        pixels = first[:, None] + jnp.arange(self.pixels, dtype=jnp.int32)
        channel = thread % self.channels
        return Threads(
            pixels,
            (pixels >= 0) & (pixels < width),
            pixels * self.channels + channel[:, None],
            clamp(pixels, width) * self.channels + channel[:, None],
            clamp(first, width) * self.channels + channel,
        )

    def call(
        self,
        kernel: Callable[..., None],
        operands: Sequence[jax.Array],
        results: Sequence[tuple[Sequence[int], DTypeLike]],
        *,
        interpret: Any,
    ) -> list[jax.Array]:
        """Runs a kernel of references to one image each, `[size]`.

        Args:
            kernel: Takes the references of the operands, then of the results.
            operands: Arrays `[N, ...]`.
            results: Shapes and dtypes of the results `[N, ...]`.
            interpret: Whether to interpret the kernel.

        Returns:
            The results.
        """

        def whole(shape: Sequence[int]) -> pl.BlockSpec:
            return pl.BlockSpec((None, math.prod(shape[1:])), lambda image, *_: (image, 0))

        shapes = [
            jax.ShapeDtypeStruct((shape[0], math.prod(shape[1:])), dtype)
            for shape, dtype in results
        ]
        flat = pl.pallas_call(
            kernel,
            out_shape=shapes,
            grid=self.grid,
            in_specs=[whole(operand.shape) for operand in operands],
            out_specs=[whole(shape) for shape, _ in results],
            compiler_params=triton.CompilerParams(num_warps=self.threads // 32, num_stages=1),
            interpret=interpret,
        )(*(operand.reshape(len(operand), -1) for operand in operands))
        return [each.reshape(shape) for each, (shape, _) in zip(flat, results, strict=True)]


class Threads(NamedTuple):
    """Which pixels of a folded row the threads of a program own.

    Attributes:
        pixels: Numbers of the pixels, `[threads, pixels]`, some perhaps beyond the row's ends.
        inside: Which are not.
        columns: Their folded columns, to store at where inside.
        nearest: The nearest columns inside, to load from.
        first: The nearest to each thread's first pixel, `[threads]`.
    """

    pixels: jax.Array
    inside: jax.Array
    columns: jax.Array
    nearest: jax.Array
    first: jax.Array


def supported(image: jax.ShapeDtypeStruct) -> bool:
    """Whether the kernels can read an image: not in double precision, and not too many.

    >>> supported(jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.uint8))
    True
    """
    return image.dtype.name in DTYPES and 0 < image.size <= MOST_ELEMENTS


def clamp(index: jax.Array, size: int) -> jax.Array:
    """The nearest index inside, so that nothing outside an image is ever read.

    >>> print(clamp(jnp.arange(-1, 3), 2))
    [0 0 1 1]
    """
    return jnp.minimum(jnp.maximum(index, 0), size - 1)


def multiply_add(
    weight: float | jax.Array, values: jax.Array, sums: jax.Array | None, *, interpret: bool
) -> jax.Array:
    """`weight * values + sums` in one instruction, or the product alone.

    The compiler rounds every product by itself, which takes twice the instructions in a long sum.

    >>> print(multiply_add(2.0, jnp.ones(2), jnp.ones(2), interpret=True))
    [3. 3.]
    """
    if sums is None:
        return weight * values
    if interpret:
        return weight * values + sums
    (result,) = triton.elementwise_inline_asm(
        "fma.rn.f32 $0, $1, $2, $3;",
        args=[jnp.broadcast_to(jnp.asarray(weight, jnp.float32), values.shape), values, sums],
        constraints="=f,f,f,f",
        pack=1,
        result_shape_dtypes=[jax.ShapeDtypeStruct(values.shape, values.dtype)],
    )
    return result


def sum_across(
    read: Callable[[int], Sequence[jax.Array]],
    window: Sequence[float],
    pixels: int,
    *,
    interpret: bool,
) -> list[jax.Array]:
    """Horizontal sums at every pixel of every thread.

    Args:
        read: Gives the values `[threads]` so many pixels right of a thread's first.
        window: The horizontal window.
        pixels: Pixels of a thread, 1 or 2.
        interpret: Whether the kernel is interpreted.

    Returns:
        For each of the values `[threads, pixels]`.

    >>> (sums,) = sum_across(lambda shift: [jnp.full(1, shift)], (1, 10), 2, interpret=True)
    >>> print(sums)
    [[10 21]]
    """
    values = [read(shift) for shift in range(len(window) + pixels - 1)]
    sums = [
        [
            weighted_sum(window, each, interpret=interpret)
            for each in zip(*values[pixel : pixel + len(window)], strict=True)
        ]
        for pixel in range(pixels)
    ]
    if pixels == 1:
        return [each[:, None] for each in sums[0]]
    return [jnp.stack(pair, -1) for pair in zip(*sums, strict=True)]


def start_queue(
    window: Sequence[float], shape: Sequence[int], stride: int = 1
) -> tuple[jax.Array, ...]:
    """The unfinished sums of a vertical window, oldest first, before the first row.

    >>> len(start_queue((0.25, 0.5, 0.25), (128, 1))), len(start_queue((1.0, 1.0), (128, 1), 2))
    (2, 0)
    """
    return (jnp.zeros(shape, jnp.float32),) * (pl.cdiv(len(window), stride) - 1)


def enqueue(
    queue: Sequence[jax.Array],
    rows: Sequence[jax.Array],
    window: Sequence[float],
    *,
    interpret: bool,
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """Adds the next rows, as many as the window advances by, to every unfinished sum.

    Args:
        queue: Unfinished sums, oldest first.
        rows: The next rows.
        window: The vertical window.
        interpret: Whether the kernel is interpreted.

    Returns:
        The finished sum and the queue.

    >>> queue = (jnp.zeros(1),)
    >>> for row in (1.0, 2.0, 3.0):
    ...     finished, queue = enqueue(queue, [jnp.full(1, row)], (1.0, 10.0), interpret=True)
    >>> print(finished)
    [32.]
    """
    starts = range(0, len(window), len(rows))
    finished, *rest = (
        weighted_sum(window[start : start + len(rows)], rows, unfinished, interpret=interpret)
        for start, unfinished in zip(reversed(starts), (*queue, None), strict=True)
    )
    return finished, tuple(rest)


def enqueue_all(
    queues: Sequence[Any],
    rows: Sequence[Sequence[jax.Array]],
    windows: Sequence[Sequence[float]],
    *,
    interpret: bool,
) -> tuple[tuple[jax.Array, ...], tuple[Any, ...]]:
    """As `enqueue`, for several queues with their rows and windows.

    >>> finished, _ = enqueue_all([(), ()], [[3], [4]], [(2,), (5,)], interpret=True)
    >>> finished
    (6, 20)
    """
    pairs = [
        enqueue(queue, new, window, interpret=interpret)
        for queue, new, window in zip(queues, rows, windows, strict=True)
    ]
    finished, queues = zip(*pairs, strict=True)
    return finished, queues


def weighted_sum(
    weights: Sequence[float | jax.Array],
    rows: Iterable[jax.Array],
    total: jax.Array | None = None,
    *,
    interpret: bool,
) -> jax.Array:
    """The sum of rows, each times its weight, on top of a total.

    >>> print(weighted_sum((1.0, 10.0), [jnp.ones(1), jnp.full(1, 2.0)], interpret=True))
    [21.]
    """
    for weight, row in zip(weights, rows, strict=False):
        total = multiply_add(weight, row, total, interpret=interpret)
    assert total is not None
    return total


def loop(number: int, step: Any, state: Any) -> Any:
    """`state = step(index, state)` so many times, with an index of 32 bits.

    >>> int(loop(3, lambda index, state: state + index, 0))
    3
    """
    return jax.lax.fori_loop(
        0, number, lambda index, state: step(index.astype(jnp.int32), state), state
    )
