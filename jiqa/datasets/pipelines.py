"""Batches of rated images for training, from prepared or generated sets.

    train = Prepared(folder, "train")
    scale = Scale.of(train)
    batches = pairs(train, Loading(batch_size=8, seed=1), crop=224, scale=scale)
    for batch in batches:
        step(batch["reference"], batch["distorted"], batch["score"])

Every pipeline is a `Batches`, built with Grain: batch number n depends on the data, the seed and n
only. What is random is where an image is cropped and whether it is mirrored; scaling or colour
would change its quality. What is read ahead, by threads or worker processes, changes no batch.
"""

import copy
import itertools
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import grain
import numpy as np

from jiqa.datasets.builders import Prepared
from jiqa.datasets.generator import COLUMNS, LABELS

if TYPE_CHECKING:
    import pandas as pd

Item = dict[str, Any]
Batch = dict[str, np.ndarray]
Crop = int | tuple[int, int] | None
Pixels = Literal["float32", "uint8"]

CHANGEABLE = ("epochs", "threads", "ahead", "workers")  # which no batch depends on


@dataclass(frozen=True, kw_only=True)
class Loading:
    """How batches are made, whatever they hold.

    Attributes:
        batch_size: Examples of one batch in this process.
        seed: Of order, crops and mirroring, 0 to 2^32 - 1.
        shuffle: Whether the order is random, another one in every epoch.
        epochs: How often all is seen; None is without end.
        drop_rest: Whether what fills no batch in all processes is left out of an epoch or of the
            end; if not, the last batch is smaller.
        pixels: "float32" in [0, 1], or "uint8" as stored.
        process_index: Which of the processes that share an epoch this is: `jax.process_index()`.
        process_count: How many these are.
        threads: How many read and decode.
        ahead: Batches that are kept ready.
        workers: Processes that read and decode instead of threads of this one. They outlive a
            process that is killed outright, and a script that uses them needs
            `if __name__ == "__main__"`.

    Raises:
        ValueError: A number out of range.
    """

    batch_size: int = 32
    seed: int = 0
    shuffle: bool = True
    epochs: int | None = None
    drop_rest: bool = True
    pixels: Pixels = "float32"
    process_index: int = 0
    process_count: int = 1
    threads: int = 4
    ahead: int = 4
    workers: int = 0

    def __post_init__(self) -> None:
        """Checks numbers."""
        if not 0 <= self.process_index < self.process_count:
            raise ValueError(
                f"process_index={self.process_index}: give 0 to {self.process_count - 1}."
            )
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed={self.seed}: give 0 to 2^32 - 1.")
        for name in ("batch_size", "threads", "ahead"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: give at least 1.")
        if self.pixels not in ("float32", "uint8"):
            raise ValueError(f"pixels={self.pixels!r}; give 'float32' or 'uint8'.")


@dataclass(frozen=True)
class Scale:
    """Brings scores to a common scale: 0 the worst, 1 the best.

    Attributes:
        low: The lowest score.
        high: The highest score.
        higher_is_better: Whether that is the best.

    >>> Scale(1, 5)(4.0), Scale(0, 100, higher_is_better=False)(25.0)
    (0.75, 0.75)
    """

    low: float
    high: float
    higher_is_better: bool = True

    def __call__(self, score: float) -> float:
        """The score on the common scale; one outside `low` to `high` is outside 0 to 1."""
        share = (score - self.low) / (self.high - self.low)
        return share if self.higher_is_better else 1 - share

    @classmethod
    def of(cls, source: Sequence[Item]) -> "Scale":
        """The scale of a set's own scores, infinite ones left aside.

        Args:
            source: The part for training, so that the others use its scale.

        Raises:
            ValueError: All scores are the same.
        """
        labels = read_labels(source)
        scores = labels["score"][np.isfinite(labels["score"])]
        low, high = float(scores.min()), float(scores.max())
        if not low < high:
            raise ValueError("all scores are the same, or none is finite: give a scale yourself.")
        return cls(low, high, bool(labels["higher_is_better"].iloc[0]))


class Batches(Iterator[Batch]):
    """A stream of batches, which can be left and taken up at any step.

    Attributes:
        dataset: Grain's `MapDataset`: `dataset[n]` is batch n.
        step: The number of the batch that comes next.
        batch_size: Examples of a batch in this process.
    """

    def __init__(
        self,
        make: Callable[[Loading], grain.MapDataset],
        loading: Loading,
        settings: dict[str, Any],
    ) -> None:
        """Nothing is read before the first batch is asked for."""
        self.dataset = make(loading)
        self.step = 0
        self.batch_size = loading.batch_size
        self._make, self._loading, self._facts = make, loading, settings
        ordering = {k: v for k, v in asdict(loading).items() if k not in CHANGEABLE}
        self._settings = json.loads(json.dumps({**ordering, **settings}))  # as stored
        self._iterator: Iterator[Batch] | None = None

    def __next__(self) -> Batch:
        """The next batch: arrays by name, the first axis that of the batch."""
        if self._iterator is None:
            self._iterator = self._start()
        batch = next(self._iterator)
        self.step += 1
        return batch

    def shared(self, process_index: int, process_count: int) -> "Batches":
        """One process' share of these batches: together the processes have the same examples.

        Raises:
            ValueError: The batch size is no multiple of the number of processes, or the batches
                are a share already.
        """
        size, rest = divmod(self.batch_size, process_count)
        if rest or self._loading.process_count > 1:
            raise ValueError(
                f"batches of {self.batch_size}, of {self._loading.process_count} processes, cannot "
                f"be shared among {process_count}; make batch_size a multiple of these."
            )
        loading = replace(
            self._loading,
            batch_size=size,
            process_index=process_index,
            process_count=process_count,
        )
        return Batches(self._make, loading, self._facts)

    def get_state(self) -> dict[str, Any]:
        """All that is needed to go on elsewhere, for JSON: the step, and what batches depend on."""
        return {"step": self.step, "settings": dict(self._settings)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on where a state was taken, with any number of threads or workers.

        Raises:
            ValueError: The state is that of other batches.
        """
        there = state["settings"]
        here = self._settings
        if changed := differences(there, here):
            raise ValueError(f"the state is that of other batches: {changed}.")
        self.step, self._iterator = int(state["step"]), None

    def _start(self) -> Iterator[Batch]:
        """Reads ahead from the step on.

        Grain's own state depends on the number of workers; a step does not.
        """
        rest = self.dataset.slice(slice(self.step, None))
        if not self._loading.workers:
            options = grain.ReadOptions(
                num_threads=self._loading.threads, prefetch_buffer_size=self._loading.ahead
            )
            return iter(rest.to_iter_dataset(options))
        from absl import flags

        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()  # which Grain's workers ask for
        options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=1)
        processes = grain.MultiprocessingOptions(
            num_workers=self._loading.workers, per_worker_buffer_size=self._loading.ahead
        )
        return iter(rest.to_iter_dataset(options).mp_prefetch(processes))


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """What has changed from one set of facts to another, in words; nothing if they are equal.

    >>> differences({"seed": 0, "crop": 64}, {"seed": 1, "crop": 64})
    'seed was 0, is 1'
    """
    changed = [key for key in {**here, **there} if here.get(key) != there.get(key)]
    return "; ".join(f"{key} was {there.get(key)}, is {here.get(key)}" for key in changed)


def pairs(
    source: Sequence[Item],
    loading: Loading | None = None,
    *,
    crop: Crop = None,
    mirror: bool = True,
    scale: Scale | None = None,
) -> Batches:
    """Originals and what became of them, with scores.

    Args:
        source: A `Prepared` of a set with originals, or a sequence of items such as it has.
        loading: Batch size, order, sharing and reading.
        crop: Side, or height and width, of what is taken from a random place; None takes all,
            which must have one size.
        mirror: Whether half of the examples are mirrored left to right.
        scale: What becomes of scores; None leaves them as they are.

    Returns:
        Batches of "reference" and "distorted" `[B, H, W, C]` and "score" `[B]`.

    Raises:
        ValueError: A set without what is asked for; while reading, a crop larger than the image.
    """
    names = _need(source, "reference", "distorted")
    example = _Example(images=names, crop=crop, mirror=mirror, scale=scale)
    return _batches(source, names, loading, example)


def patches(
    source: Sequence[Item],
    loading: Loading | None = None,
    *,
    size: int = 32,
    count: int | None = 16,
    mirror: bool = True,
    scale: Scale | None = None,
) -> Batches:
    """Patches of each image, all with the image's score.

    Args:
        source: See `pairs`; originals are not needed.
        loading: See `pairs`.
        size: Side of a patch.
        count: Patches of an image, from random places; None takes those that cover it, see
            `cover`, and mirrors none.
        mirror: See `pairs`.
        scale: See `pairs`.

    Returns:
        Batches of "distorted" `[B, count, size, size, C]`, "reference" from the same places, where
        there is one, and "score" `[B]`.

    Raises:
        ValueError: See `pairs`.
    """
    names = _need(source, "distorted")
    if "reference" in decoding(source, ())[0]:
        names = ("reference", *names)
    example = _Patches(images=names, mirror=mirror, scale=scale, size=size, count=count)
    return _batches(source, names, loading, example)


def multi_task(
    source: Sequence[Item],
    loading: Loading | None = None,
    *,
    types: Sequence[str] | None = None,
    references: bool = False,
    crop: Crop = None,
    mirror: bool = True,
    scale: Scale | None = None,
    labels: Callable[[Item], Mapping[str, np.ndarray]] | None = None,
) -> Batches:
    """Distorted images with score, distortion and level.

    Args:
        source: See `pairs`; originals are not needed.
        loading: See `pairs`.
        types: The distortions in the order of their numbers; None is `list_types(source)`. Other
            parts of a set need those of the part for training.
        references: Whether originals are wanted too.
        crop: See `pairs`.
        mirror: See `pairs`.
        scale: See `pairs`.
        labels: Gives further labels of an item by name, such as what its "extra" tells.

    Returns:
        Batches of "distorted" `[B, H, W, C]`, with "reference" if wanted, "score" `[B]`,
        "distortion" `[B]`, int32, "level" `[B]`, nan where it is unknown, and further labels.

    Raises:
        ValueError: See `pairs`; a distortion that is not among `types`.
    """
    names = _need(source, *(["reference"] if references else []), "distorted")
    found = list_types(source)
    if unknown := sorted(set(found) - set(types or found)):
        raise ValueError(f"types lacks {', '.join(unknown)}, which images of this set have.")
    shared: dict[str, Any] = {"images": names, "crop": crop, "mirror": mirror, "scale": scale}
    example = _MultiTask(**shared, types=tuple(types or found), further=labels)
    return _batches(source, names, loading, example, further=labels and labels.__name__)


def ranking(
    source: Sequence[Item],
    loading: Loading | None = None,
    *,
    by: Literal["level", "score", "preference"] = "level",
    margin: float = 0.0,
    crop: Crop = None,
    mirror: bool = True,
) -> Batches:
    """Two images of one original, and which is better.

    Args:
        source: See `pairs`; of preferences for `by="preference"`.
        loading: See `pairs`.
        by: "level": two levels of one distortion, as RankIQA does (Liu, van de Weijer and
            Bagdanov, ICCV 2017); "score": any two with scores that differ by more than `margin`;
            "preference": pairs that people were asked about.
        margin: For "score".
        crop: See `pairs`; both images are cropped at the same place.
        mirror: See `pairs`.

    Returns:
        Batches of "first" and "second" `[B, H, W, C]`, in random order, and "preference" `[B]`:
        1 where the first is better, 0 where the second is, or the share of people who said so.

    Raises:
        ValueError: See `pairs`; no two images can be ranked.
    """
    example = _Ranking(images=("first", "second"), crop=crop, mirror=mirror)
    if by == "preference":
        return _batches(source, _need(source, "first", "second"), loading, example)
    _need(source, "distorted")
    ranked = rank(read_labels(source), by=by, margin=margin)
    return _batches(
        _Couples(decoding(source, ["distorted"]), ranked),
        (),
        loading,
        example,
        by=by,
        margin=margin,
    )


def rank(
    labels: "pd.DataFrame", *, by: Literal["level", "score"] = "level", margin: float = 0.0
) -> np.ndarray:
    """All pairs of images of one original of which one is better.

    Args:
        labels: Of `read_labels`.
        by: See `ranking`.
        margin: See `ranking`.

    Returns:
        Places of the better and of the worse image, `[pairs, 2]`.

    Raises:
        ValueError: An unknown `by`, or there is none.

    >>> import pandas as pd
    >>> labels = pd.DataFrame({"content": ["a"] * 3, "distortion": ["x"] * 3, "level": [1, 3, 3]})
    >>> rank(labels).tolist()
    [[0, 1], [0, 2]]
    """
    if by == "level":
        groups, quality = ["content", "distortion"], -labels["level"].to_numpy(float)
    elif by == "score":
        sign = np.where(labels["higher_is_better"], 1.0, -1.0)
        groups, quality = ["content"], sign * labels["score"].to_numpy(float)
    else:
        raise ValueError(f"by={by!r}; give 'level' or 'score'.")
    found = []
    for places in labels.groupby(groups, sort=False).indices.values():
        of_group = quality[places]
        better = of_group[:, None] > of_group + (margin if by == "score" else 0)
        found.append(np.stack([places[side] for side in np.nonzero(better)], axis=-1))
    ranked = np.concatenate(found)
    if not len(ranked):
        raise ValueError(f"no two images of an original can be ranked by {by}; see read_labels.")
    return ranked


def cover(image: np.ndarray, size: int) -> np.ndarray:
    """The patches that cover an image, as few as can be: the outermost touch its borders.

    Args:
        image: `[H, W, C]`.
        size: Side of a patch, at most that of the image.

    Returns:
        `[patches, size, size, C]`, row by row.

    Raises:
        ValueError: The image is smaller.

    >>> cover(np.zeros((32, 70, 3)), 32).shape
    (3, 32, 32, 3)
    """
    _check_fits(image, (size, size))
    starts = [
        np.linspace(0, side - size, -(-side // size)).round().astype(int)
        for side in image.shape[:2]
    ]
    return np.stack([image[y : y + size, x : x + size] for y, x in itertools.product(*starts)])


def read_labels(source: Sequence[Item]) -> "pd.DataFrame":
    """What is said of the images of a set, in their order.

    A generated set has a file of them; otherwise all records are read, but no image decoded.

    Args:
        source: See `pairs`.

    Returns:
        Columns name, content, distortion, level, score, higher_is_better and, of a generated set,
        recipe and its metrics.
    """
    import pandas as pd

    if isinstance(source, Prepared) and (source.folder / LABELS).is_file():
        labels = pd.read_parquet(source.folder / LABELS)
        labels = labels[labels["split"] == source.split].drop(columns="split")
        if len(labels) == len(source):  # else it is a part of a part
            return labels.reset_index(drop=True)
    if isinstance(source, Reordered):
        return read_labels(source.source).iloc[source.places].reset_index(drop=True)
    found = decoding(source, ())
    return pd.DataFrame([{key: item.get(key) for key in COLUMNS} for item in found])


def decoding(source: Sequence[Item], images: Collection[str]) -> Sequence[Item]:
    """The same items, of which only these images are decoded, where decoding is left to reading.

    Args:
        source: See `pairs`.
        images: Names of images, such as "distorted".
    """
    if isinstance(source, Reordered):
        return Reordered(decoding(source.source, images), source.places)
    if not isinstance(source, Prepared):
        return source
    found = copy.copy(source)
    found.decode = frozenset(images)
    return found


def list_types(source: Sequence[Item]) -> list[str]:
    """The distortions of a set, sorted.

    Args:
        source: See `pairs`.
    """
    return sorted(set(read_labels(source)["distortion"]))


class Reordered(Sequence[Item]):
    """Items of a source in an order of one's own, each as often as wanted.

    >>> [item["name"] for item in Reordered([{"name": "a"}, {"name": "b"}], [1, 0, 1])]
    ['b', 'a', 'b']
    """

    def __init__(self, source: Sequence[Item], places: Sequence[int] | np.ndarray) -> None:
        """Places of items in the source, in the order wanted."""
        self.source, self.places = source, np.asarray(places)

    def __len__(self) -> int:
        """How many items there are."""
        return len(self.places)

    def __getitem__(self, place: Any) -> Any:
        """An item, or a list of several."""
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        return self.source[int(self.places[place])]


@dataclass(frozen=True, kw_only=True)
class _Example:
    """Makes an example of an item: images cropped and mirrored alike, and the score.

    It is an object, not a closure, because worker processes are sent it.
    """

    images: tuple[str, ...]
    mirror: bool
    crop: Crop = None
    scale: Scale | None = None
    pixels: Pixels = "float32"

    def __call__(self, item: Item, rng: np.random.Generator) -> Item:
        try:
            images = [item[name] for name in self.images]
            _check_alike(images)
            cut = [_convert(image, self.pixels) for image in self.cut(images, rng)]
        except ValueError as error:
            raise ValueError(f"{item['name']}: {error}") from error
        return {**dict(zip(self.images, cut, strict=True)), **self.labels(item)}

    def cut(self, images: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
        if self.crop is not None:
            size = (self.crop, self.crop) if isinstance(self.crop, int) else self.crop
            images = _cut(images, size, rng)
        return _mirror(images, rng) if self.mirror else images

    def labels(self, item: Item) -> Item:
        score = item["score"] if self.scale is None else self.scale(item["score"])
        return {"score": np.float32(score)}


@dataclass(frozen=True, kw_only=True)
class _Patches(_Example):
    size: int = 32
    count: int | None = None

    def cut(self, images: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
        if self.count is None:
            return [cover(image, self.size) for image in images]
        size = (self.size, self.size)
        places = [_cut(images, size, rng) for _ in range(self.count)]
        stacked = [np.stack(of_image) for of_image in zip(*places, strict=True)]
        return _mirror(stacked, rng) if self.mirror else stacked


@dataclass(frozen=True, kw_only=True)
class _MultiTask(_Example):
    types: tuple[str, ...] = ()
    further: Callable[[Item], Mapping[str, np.ndarray]] | None = None

    def labels(self, item: Item) -> Item:
        return {
            **super().labels(item),
            "distortion": np.int32(self.types.index(item["distortion"])),
            "level": np.float32(item["level"]),
            **(self.further(item) if self.further else {}),
        }


@dataclass(frozen=True, kw_only=True)
class _Ranking(_Example):
    def __call__(self, item: Item, rng: np.random.Generator) -> Item:
        if rng.random() < 0.5:
            swapped = {"first": item["second"], "second": item["first"]}
            item = {**item, **swapped, "score": 1 - item["score"]}
        return super().__call__(item, rng)

    def labels(self, item: Item) -> Item:
        return {"preference": np.float32(item["score"])}


class _Couples(Sequence[Item]):
    """Items of two distorted images, the better one first."""

    def __init__(self, source: Sequence[Item], ranked: np.ndarray) -> None:
        self.source, self.ranked = source, ranked

    def __len__(self) -> int:
        return len(self.ranked)

    def __getitem__(self, place: Any) -> Any:
        better, worse = self.ranked[place].tolist()
        first, second = self.source[better], self.source[worse]
        return {
            "name": f"{first['name']} and {second['name']}",
            "first": first["distorted"],
            "second": second["distorted"],
            "score": 1.0,
        }


def _batches(
    source: Sequence[Item],
    images: Collection[str],
    loading: Loading | None,
    example: _Example,
    **facts: Any,
) -> Batches:
    """The stream of examples in the order that `loading` asks for."""
    loading = loading or Loading()
    example = replace(example, pixels=loading.pixels)
    decoded = decoding(source, images) if images else source

    def make(loading: Loading) -> grain.MapDataset:
        dataset = grain.MapDataset.source(decoded).seed(loading.seed)
        if loading.shuffle:
            dataset = dataset.shuffle()
        # Random before it is shared out: no two processes crop alike.
        dataset = dataset.random_map(example)
        count = loading.process_count
        if loading.drop_rest:
            dataset = dataset.slice(slice(len(dataset) // count * count))
        dataset = dataset.slice(slice(loading.process_index, None, count)).repeat(loading.epochs)
        dataset = dataset.batch(
            loading.batch_size, drop_remainder=loading.drop_rest, batch_fn=_stack
        )
        if not len(dataset):
            raise ValueError(
                f"{len(source)} examples for {count} processes fill no batch of "
                f"{loading.batch_size}; make it smaller, or say drop_rest=False."
            )
        return dataset

    settings = {
        "pipeline": type(example).__name__.strip("_"),
        "examples": len(source),
        **asdict(example),
        **facts,
    }
    return Batches(make, loading, settings)


def _stack(examples: Sequence[Item]) -> Batch:
    """One array of each name."""
    for name in examples[0]:
        if len(shapes := {np.shape(example[name]) for example in examples}) > 1:
            raise ValueError(
                f"images of a batch have shapes {sorted(shapes)}; take crops, or batch_size=1."
            )
    return {name: np.stack([example[name] for example in examples]) for name in examples[0]}


def _need(source: Sequence[Item], *images: str) -> tuple[str, ...]:
    """The names, which a set must have; ValueError otherwise."""
    there = decoding(source, ())[0] if len(source) else {}
    if missing := [name for name in images if name not in there]:
        raise ValueError(
            f"the set has no image {', '.join(missing)}; its items have {', '.join(there)}."
        )
    return images


def _convert(image: np.ndarray, pixels: Pixels) -> np.ndarray:
    if pixels == "float32":
        return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
    if image.dtype != np.uint8:
        raise ValueError(f"an image is {image.dtype}; ask for pixels='float32'.")
    return image


def _cut(
    images: list[np.ndarray], size: tuple[int, int], rng: np.random.Generator
) -> list[np.ndarray]:
    """The same random window of each image."""
    for image in images:
        _check_fits(image, size)
    top, left = (
        int(rng.integers(side - length, endpoint=True))
        for side, length in zip(images[0].shape[:2], size, strict=True)
    )
    return [image[top : top + size[0], left : left + size[1]] for image in images]


def _check_fits(image: np.ndarray, size: tuple[int, int]) -> None:
    height, width = image.shape[:2]
    if height < size[0] or width < size[1]:
        raise ValueError(
            f"an image has {height} x {width} pixels, less than {size[0]} x {size[1]}; take less."
        )


def _check_alike(images: list[np.ndarray]) -> None:
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise ValueError(f"images that belong together have shapes {sorted(shapes)}.")


def _mirror(images: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """All left to right, or none."""
    return [image[..., ::-1, :] for image in images] if rng.random() < 0.5 else images
