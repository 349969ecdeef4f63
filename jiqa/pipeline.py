"""From files to scores in a stream: decode ahead, batch by size, compile once a size, evaluate.

Pairs are taken in the order of their size, which the files' headers tell, so that batches are full
and a program is compiled once for each size. A batch has a fixed size for a given image size: a
rest is filled up by repeating its last image, whose scores are dropped. What is held in memory
depends on the size of the images and the number of cores, not on the number of files.
"""

import itertools
import math
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jiqa.core.registry import Metric
from jiqa.images import image_size, read_image
from jiqa.pairs import Pair
from jiqa.results import Outcome
from jiqa.threads import available_cores, thread_pool

# Pixels of a batch on each device. On a CPU larger batches leave the caches: SSIM of 512 x 512
# photographs took 21 ms each alone and 31 ms in fours. On an accelerator small ones leave it idle.
CPU_BATCH_PIXELS = 2**18
ACCELERATOR_BATCH_PIXELS = 2**23
# Pixels decoded ahead at most, so that very large images do not fill the memory.
PIXELS_AHEAD = 10**8
HEADERS_AT_A_TIME = 4096
PARTS = PartitionSpec("batch")

Size = tuple[int, int]
Images = dict[str, np.ndarray]


def stream_outcomes(
    pairs: Sequence[Pair],
    metrics: Mapping[str, Metric],
    *,
    skip: Collection[int] = (),
    read: Callable[[Path], np.ndarray] = read_image,
    devices: Sequence[jax.Device] | None = None,
    workers: int | None = None,
    batch_pixels: int | None = None,
) -> Generator[list[Outcome], None, None]:
    """Scores pairs of files in an order of its own, a list of outcomes at a time.

    Args:
        pairs: What to compare.
        metrics: Metric by column.
        skip: Positions of pairs that need no score.
        read: Gives the image `[H, W, C]` of a file.
        devices: Batches are sharded over them; None means all devices of this process.
        workers: Threads that decode; None means one a core.
        batch_pixels: Pixels of a batch on each device; None means what is fast on the platform.

    Yields:
        Outcomes of one batch, or of one pair that could not be read.
    """
    devices = list(devices or jax.local_devices())
    on_cpu = devices[0].platform == "cpu"
    workers = workers or available_cores()
    batch_pixels = batch_pixels or (CPU_BATCH_PIXELS if on_cpu else ACCELERATOR_BATCH_PIXELS)
    # One CPU device runs small programs on one core, so several run at a time.
    evaluations = workers if on_cpu and len(devices) == 1 else 2
    if not any(metric.needs_reference for metric in metrics.values()):
        pairs = [replace(pair, reference=None) for pair in pairs]
    with thread_pool(workers) as decoders, thread_pool(evaluations) as evaluators:
        sizes, unreadable = _read_sizes(pairs, skip, decoders)
        if unreadable:
            yield unreadable
        decoded = _decode_ahead(pairs, sizes, read, decoders, ahead=workers + 1)
        mesh = Mesh(np.array(devices), ("batch",))
        metrics = jax.device_put(dict(metrics), NamedSharding(mesh, PartitionSpec()))
        work = _batch(decoded, sizes, batch_pixels, partial(Program, metrics, mesh))
        yield from _evaluate_ahead(work, evaluators, ahead=evaluations + 1)


def _read_sizes(
    pairs: Sequence[Pair], skip: Collection[int], pool: Executor
) -> tuple[dict[int, Size], list[Outcome]]:
    """Height and width of the distorted images by position, and those that cannot be read."""

    def read(index: int) -> Size | str:
        try:
            return image_size(pairs[index].distorted)
        except (ValueError, OSError) as error:
            return str(error)

    wanted = [index for index in range(len(pairs)) if index not in skip]
    sizes, unreadable = {}, []
    for start in range(0, len(wanted), HEADERS_AT_A_TIME):
        some = wanted[start : start + HEADERS_AT_A_TIME]
        for index, size in zip(some, pool.map(read, some), strict=True):
            if isinstance(size, str):
                unreadable.append(Outcome(index, {}, size))
            else:
                sizes[index] = size
    return sizes, unreadable


def _decode_ahead(
    pairs: Sequence[Pair],
    sizes: Mapping[int, Size],
    read: Callable[[Path], np.ndarray],
    pool: Executor,
    *,
    ahead: int,
) -> Iterator[tuple[int, Images | str]]:
    """The images of each pair, or why there are none, with the next `ahead` pairs being read.

    Pairs come in the order of size and reference; a reference that follows itself is read once.
    """
    waiting: deque[tuple[int, dict[str, Future[np.ndarray]]]] = deque()
    pixels = 0
    reference: Path | None = None
    for index in sorted(sizes, key=lambda index: (sizes[index], str(pairs[index].reference))):
        pixels += math.prod(sizes[index])
        while len(waiting) >= ahead or (waiting and pixels > PIXELS_AHEAD):
            pixels -= math.prod(sizes[waiting[0][0]])
            yield _wait_for(*waiting.popleft())
        pair = pairs[index]
        futures = {"distorted": pool.submit(read, pair.distorted)}
        if pair.reference is not None:
            if pair.reference != reference:
                reference, shared = pair.reference, pool.submit(read, pair.reference)
            futures["reference"] = shared
        waiting.append((index, futures))
    for item in waiting:
        yield _wait_for(*item)


def _wait_for(index: int, futures: Mapping[str, Future[np.ndarray]]) -> tuple[int, Images | str]:
    """The images of a pair, once they are read, if they can be compared."""
    images, reasons = {}, []
    for role, future in futures.items():
        try:
            images[role] = future.result()
        except (ValueError, OSError) as error:
            reasons.append(str(error))
    if len(images) == 2:
        reasons = _differences(images["reference"], images["distorted"])
    return index, "; ".join(reasons) or images


def _differences(reference: np.ndarray, distorted: np.ndarray) -> list[str]:
    """What keeps two images from being compared.

    >>> _differences(np.zeros((4, 5, 1), np.uint8), np.zeros((4, 5, 3), np.uint8))
    ['the reference has 1 channel, the distorted image 3: convert one to grey or RGB']
    """
    (rows, columns, channels), (rows_2, columns_2, channels_2) = reference.shape, distorted.shape
    reasons = []
    if (rows, columns) != (rows_2, columns_2):
        reasons.append(
            f"the reference has {rows} x {columns} pixels, the distorted image {rows_2} x "
            f"{columns_2}: crop or resize one"
        )
    if channels != channels_2:
        reasons.append(
            f"the reference has {channels} channel{'s'[: channels - 1]}, the distorted image "
            f"{channels_2}: convert one to grey or RGB"
        )
    if reference.dtype != distorted.dtype:
        reasons.append(
            f"the reference is {reference.dtype}, the distorted image {distorted.dtype}: store "
            "both with the same number of bits"
        )
    return reasons


def _batch(
    decoded: Iterator[tuple[int, Images | str]],
    sizes: Mapping[int, Size],
    batch_pixels: int,
    new_program: "Callable[[], Program]",
) -> "Iterator[Outcome | tuple[Program, list[int], Images]]":
    """Batches of images of one shape and dtype, each with its program and its pairs' positions."""
    for size, group in itertools.groupby(decoded, key=lambda item: sizes[item[0]]):
        programs: dict[Any, Program] = defaultdict(new_program)
        waiting: dict[Any, list[tuple[int, Images]]] = defaultdict(list)
        for index, images in group:
            if isinstance(images, str):
                yield Outcome(index, {}, images)
                continue
            key = images["distorted"].shape, images["distorted"].dtype
            waiting[key].append((index, images))
            full = programs[key].devices * max(1, batch_pixels // math.prod(size))
            if len(waiting[key]) == full:
                yield programs[key], *_stack(waiting.pop(key), full)
        for key, some in waiting.items():
            yield programs[key], *_stack(some, full)


def _stack(pairs: Sequence[tuple[int, Images]], full: int) -> tuple[list[int], Images]:
    """Positions, and arrays `[full, H, W, C]` in which the last images fill up what is missing."""
    indices, images = zip(*pairs, strict=True)
    padded = [*images, *[images[-1]] * (full - len(images))]
    return list(indices), {role: np.stack([each[role] for each in padded]) for role in images[0]}


def _evaluate_ahead(
    work: "Iterator[Outcome | tuple[Program, list[int], Images]]", pool: Executor, *, ahead: int
) -> Iterator[list[Outcome]]:
    """Evaluates batches in threads, so that some compile or compute while others are collected."""
    running: deque[Future[list[Outcome]]] = deque()
    for item in work:
        if isinstance(item, Outcome):
            yield [item]
            continue
        program, indices, images = item
        running.append(pool.submit(program, indices, images))
        if len(running) >= ahead:
            yield running.popleft().result()
    for future in running:
        yield future.result()


class Program:
    """All metrics in one compiled program for batches of one shape and dtype.

    The first call compiles it. Each device computes its own part of the batch, so nothing is
    exchanged between devices. A metric that rejects such images is left out, with its reason.
    """

    def __init__(self, metrics: Mapping[str, Metric], mesh: Mesh) -> None:
        """Prepares the program; nothing is compiled yet.

        Args:
            metrics: Metric by column; parameters of learned ones are on all devices.
            mesh: One axis, called "batch".
        """
        self.devices = mesh.size
        self._metrics = metrics
        self._mesh = mesh
        self._lock = threading.Lock()
        self._compiled: jax.stages.Compiled | None = None
        self._rejected: dict[str, str] = {}

    def __call__(self, indices: Sequence[int], images: Images) -> list[Outcome]:
        """Scores a batch.

        Args:
            indices: Positions of the pairs; images beyond as many are repetitions.
            images: "distorted", and "reference" where a metric needs it; each `[B, H, W, C]`.

        Returns:
            An outcome a pair.
        """
        try:
            on_devices = jax.device_put(images, NamedSharding(self._mesh, PARTS))
            with self._lock:
                if self._compiled is None:
                    self._compiled = self._compile(on_devices)
            scores = jax.device_get(self._compiled(self._metrics, on_devices))
        except jax.errors.JaxRuntimeError as error:  # such as out of memory
            return [Outcome(index, {}, str(error).splitlines()[0]) for index in indices]
        reasons = "; ".join(f"{column}: {text}" for column, text in self._rejected.items())
        return [
            Outcome(
                index,
                {column: float(values[place]) for column, values in scores.items()},
                reasons or None,
            )
            for place, index in enumerate(indices)
        ]

    def _compile(self, images: Mapping[str, jax.Array]) -> jax.stages.Compiled:
        score = jax.shard_map(
            self._score,
            mesh=self._mesh,
            in_specs=(PartitionSpec(), PARTS),
            out_specs=PARTS,
            check_vma=False,
        )
        return jax.jit(score).lower(self._metrics, images).compile()

    def _score(
        self, metrics: Mapping[str, Metric], images: Mapping[str, jax.Array]
    ) -> dict[str, jax.Array]:
        scores = {}
        for column, metric in metrics.items():
            roles = ("reference", "distorted") if metric.needs_reference else ("distorted",)
            try:
                scores[column] = metric(*(images[role] for role in roles))
            except (TypeError, ValueError) as error:
                self._rejected[column] = str(error).removeprefix(f"{metric.name}: ")
        return scores
