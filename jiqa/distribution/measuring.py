"""From image files to what distances need of a set: features, their moments, class probabilities.

Files are decoded and resized ahead in threads, batches are sharded over the devices of this
process, and processes of a `jax.distributed` program take every n-th file each. Memory grows with
the number of images only where a distance needs the features themselves.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jiqa.distribution import inception_score, moments
from jiqa.distribution.extractors import FEATURES, LOGITS, Extractor
from jiqa.distribution.processes import gather_features
from jiqa.images import read_image
from jiqa.threads import available_cores, thread_pool

MOMENTS = "moments"  # beside FEATURES and LOGITS, what can be needed of a set

# Images of a batch on each device.
CPU_BATCH = 8
ACCELERATOR_BATCH = 64


@dataclass(frozen=True)
class ImageSet:
    """What is known of a set of images.

    Attributes:
        count: Number of images; 0 if it is not known.
        statistics: Mean and covariance of the features, `Statistics`, if needed.
        features: All features `[N, D]`, if needed.
        class_sums: What the Inception score needs, `ClassSums`, if needed.
    """

    count: int
    statistics: Any = None
    features: Any = None
    class_sums: Any = None


def measure(
    paths: Sequence[Path],
    extractor: Extractor,
    needs: Collection[str],
    *,
    splits: int = 10,
    read: Callable[[Path], np.ndarray] = read_image,
    workers: int | None = None,
    batch: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> ImageSet:
    """Measures a set of image files.

    Args:
        paths: The files, the same in all processes.
        extractor: Computes the features.
        needs: Of `MOMENTS`, `FEATURES` and `LOGITS` those that are wanted.
        splits: Parts of the Inception score, each of consecutive files.
        read: Gives the image `[H, W, C]` of a file.
        workers: Threads that decode files; None means one a core.
        batch: Images of a batch on each device; None means what is fast on the platform.
        progress: Called with the number of images done since the last call.

    Returns:
        What is needed, the same in all processes, and None for the rest.

    Raises:
        ImageError: A file cannot be read: the distance would be that of another set.
        ValueError: Features are not finite.
    """
    own = np.arange(jax.process_index(), len(paths), jax.process_count())
    sizes = extractor.sizes
    state = moments.init(sizes[FEATURES])
    sums = inception_score.init(sizes.get(LOGITS, 1), splits)
    all_parts = inception_score.consecutive_parts(len(paths), splits)
    rows = [np.zeros((0, sizes[FEATURES]), np.float32)]
    loaded = _load_ahead([paths[i] for i in own], extractor.prepare, read, workers)
    finished = 0
    for found, count in _compute(loaded, extractor, batch):
        numbers = own[finished : finished + count]
        size = len(found[FEATURES])
        if MOMENTS in needs:
            state = moments.update(state, found[FEATURES], np.arange(size) < count)
        if LOGITS in needs:
            parts = np.full(size, -1)
            parts[:count] = all_parts[numbers]
            sums = inception_score.update(sums, found[LOGITS], parts)
        if FEATURES in needs:
            rows.append(found[FEATURES][:count])
        finished += count
        if progress:
            progress(count)
    statistics = None
    if MOMENTS in needs:
        computed = moments.compute(moments.merge_processes(state))
        statistics = replace(computed, features=extractor.name)
    return ImageSet(
        len(paths),
        statistics,
        gather_features(np.concatenate(rows)) if FEATURES in needs else None,
        inception_score.merge_processes(sums) if LOGITS in needs else None,
    )


def _load_ahead(
    paths: Sequence[Path],
    prepare: Callable[[np.ndarray], np.ndarray],
    read: Callable[[Path], np.ndarray],
    workers: int | None,
) -> Iterator[np.ndarray]:
    """The prepared images in order, while the next ones are being read."""
    workers = workers or available_cores()
    with thread_pool(workers) as pool:
        waiting: deque[Future[np.ndarray]] = deque()
        for path in paths:
            waiting.append(pool.submit(lambda path: prepare(read(path)), path))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _compute(
    images: Iterator[np.ndarray], extractor: Extractor, batch: int | None
) -> Iterator[tuple[dict[str, np.ndarray], int]]:
    """Features of batches of one size, and how many of their rows count.

    A batch is computed while the next one is loaded.
    """
    devices = jax.local_devices()
    mesh = Mesh(np.array(devices), ("images",))
    rows, whole = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("images",), ()))
    parameters = jax.device_put(extractor.parameters, whole)
    compute = jax.jit(extractor.compute)
    on_cpu = devices[0].platform == "cpu"
    size = (batch or (CPU_BATCH if on_cpu else ACCELERATOR_BATCH)) * len(devices)
    running: deque[tuple[dict[str, jax.Array], int]] = deque()
    while some := list(islice(images, size)):
        count = len(some)
        stacked = np.stack(some + some[-1:] * (size - count))
        running.append((compute(parameters, jax.device_put(stacked, rows)), count))
        if len(running) > 1:
            found, count = running.popleft()
            yield jax.device_get(found), count
    for found, count in running:
        yield jax.device_get(found), count
