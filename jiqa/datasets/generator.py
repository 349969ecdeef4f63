"""Labelled sets of any size, made by distorting pristine photographs.

    folder = generate("photographs", "generated", Plan(distortions=("kadid",), seed=1))
    train = Prepared(folder, "train")

Every image has its original, the recipe that made it, distortion and level, and the scores of
full-reference metrics in place of people's opinions, as was done for KADIS-700k (Lin, Hosu and
Saupe, DeepFL-IQA, 2020). It is read as published sets are, by `jiqa.datasets.builders.Prepared`.

Same plan, photographs, versions and kind of machine, same files: whatever is random follows from
the seed and the photograph's name, never from who makes it or when. The work is cut into shards,
each of which has its name only when it is whole, so that any number of processes share it and what
a killed one leaves is gone on with.
"""

import functools
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import tensorflow_datasets as tfds

import jiqa
from jiqa.core.registry import Metric, find, load
from jiqa.datasets.builders import FORMAT, INFORMATION, record_features, record_labels
from jiqa.datasets.distortions import (
    FAMILIES,
    LEVELS,
    Recipe,
    Step,
    compose,
    draw_recipe,
    find_distortion,
    list_distortions,
)
from jiqa.datasets.records import SPLITS, RatedImage
from jiqa.datasets.splits import PARTS, assign_parts
from jiqa.files import write_text, write_whole
from jiqa.image_formats import png
from jiqa.images import image_size, read_image
from jiqa.pairs import find_images
from jiqa.threads import thread_pool

METRICS = ("fsimc", "mdsi", "gmsd", "ssim_y", "psnr_y")
LABELS = "labels.parquet"
COLUMNS = ("name", "content", "distortion", "level", "score", "higher_is_better")  # and metrics
PLAN = "plan.json"
SEVERAL = "several"
NAME = "generated"

Label = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is made of each photograph.

    Attributes:
        distortions: Names, or families, of `jiqa.datasets.distortions`.
        levels: Each distortion is applied at each of these.
        recipes: How many images are made by several distortions, see `draw_recipe`.
        most: The most distortions of one of these.
        order: The order of these, "random" or "camera".
        metrics: Full-reference metrics without options; the first is the score.
        crop: Height and width of what is taken from the centre of a photograph, after it is made
            smaller by the largest whole factor that leaves so much; None takes all of it.
        seed: Of all that is random.
        shards: Files of each part, at most one a photograph; after a kill, one is made anew.
        parts: Shares of photographs for training, validation and testing.

    Raises:
        ValueError: An unknown name or level, a metric that is no measure of likeness, numbers out
            of range.
    """

    distortions: tuple[str, ...] = ("kadid",)
    levels: tuple[int, ...] = LEVELS
    recipes: int = 0
    most: int = 4
    order: Literal["random", "camera"] = "random"
    metrics: tuple[str, ...] = METRICS
    crop: tuple[int, int] | None = (384, 512)
    seed: int = 0
    shards: int = 16
    parts: tuple[float, float, float] = PARTS

    def __post_init__(self) -> None:
        """Checks what is asked for."""
        anything = self.names and self.metrics and (self.levels or self.recipes)
        if not anything or set(self.levels) - set(LEVELS):
            raise ValueError(
                f"distortions={self.distortions}, levels={self.levels}, metrics={self.metrics}: "
                "give at least one distortion and metric, and levels from 1 to 5, or recipes."
            )
        for name in self.metrics:
            if (kind := find(name).kind) != "full_reference":
                raise ValueError(f"{name} is {kind}; labels come from full-reference metrics.")
        if find(self.metrics[0]).higher_is_better is None:
            raise ValueError(f"{self.metrics[0]} cannot be the score: neither more nor less is it.")
        if self.shards < 1 or self.recipes < 0 or (self.crop and min(self.crop) < 1):
            raise ValueError(
                f"shards={self.shards}, recipes={self.recipes}, crop={self.crop}: give at least "
                "one shard, no negative number of recipes, and a crop of at least one pixel."
            )

    @property
    def names(self) -> list[str]:
        """The distortions, each once, families written out."""
        found: dict[str, None] = {}
        for name in self.distortions:
            members = list_distortions(name) if name in FAMILIES else [find_distortion(name).name]
            found.update(dict.fromkeys(members))
        return list(found)

    def recipes_for(self, content: str) -> dict[str, Recipe]:
        """All that is made of a photograph, by name.

        Args:
            content: The photograph's name, from which and the seed all follows that is random.

        Returns:
            A recipe for each distortion and level, then those of several distortions.

        >>> plan = Plan(distortions=("kadid_jpeg",), levels=(1, 5), recipes=1, most=1)
        >>> list(plan.recipes_for("bird"))
        ['kadid_jpeg-1', 'kadid_jpeg-5', 'recipe-1']
        """
        found = {}
        for name in self.names:
            for level in self.levels:
                made = f"{name}-{level}"
                found[made] = Recipe((Step(name, level, self._seed(content, made)),))
        for place in range(1, self.recipes + 1):
            made = f"recipe-{place}"
            key = jax.random.key(self._seed(content, made))
            found[made] = draw_recipe(key, names=self.names, most=self.most, order=self.order)
        return found

    def _seed(self, *what: str) -> int:
        """A number below 2^32 for one purpose."""
        text = "\0".join([str(self.seed), *what])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


@dataclass(frozen=True)
class _Shard:
    """A file of records, with its sidecar, which says what the file should be.

    The sidecar has the file's digest, and the labels of its records.
    """

    folder: Path
    part: str
    place: int
    count: int
    contents: tuple[str, ...]

    @property
    def path(self) -> Path:
        template = _template(self.folder, self.part)
        return Path(template.sharded_filepath(shard_index=self.place, num_shards=self.count))

    @property
    def sidecar(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def known(self) -> dict[str, Any] | None:
        """What the sidecar says, or None while the shard is not there."""
        if not (self.sidecar.is_file() and self.path.is_file()):
            return None
        return json.loads(self.sidecar.read_text())

    def is_whole(self) -> bool:
        """Whether the file is what was written."""
        known = self.known()
        return known is not None and known["sha256"] == _digest(self.path)

    def write(self, records: Iterable[tuple[bytes, Label]]) -> None:
        """Writes records and their labels.

        The temporary name is always the same: what a killed process leaves is overwritten.
        """
        from array_record.python.array_record_module import ArrayRecordWriter

        partial = self.path.with_name(f".{self.path.name}.partial")
        writer = ArrayRecordWriter(str(partial), "group_size:1")
        labels = []
        try:
            for record, label in records:
                writer.write(record)
                labels.append(label)
        finally:
            writer.close()
        self.sidecar.unlink(missing_ok=True)
        known = {"sha256": _digest(partial), "bytes": partial.stat().st_size, "labels": labels}
        partial.replace(self.path)
        write_text(self.sidecar, json.dumps(known))


def generate(
    photographs: Path | str | Sequence[Path | str],
    output: Path | str,
    plan: Plan | None = None,
    *,
    process_index: int = 0,
    process_count: int = 1,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Makes a labelled set of distorted images, or what is missing of it.

    Shards that are there and whole are left as they are. The set can be read when the last
    process has made its share.

    Args:
        photographs: A folder of pristine images, or their files. Grey ones become three channels.
        output: The folder of the set: new, or of an unfinished run of the same plan.
        plan: What is made.
        process_index: Which of the processes that share the work this is.
        process_count: How many these are.
        workers: Threads; None means one a core.
        progress: Called with the number of images made and of all, of this process.

    Returns:
        The output folder, for `Prepared`.

    Raises:
        FileNotFoundError: There is no photograph.
        ImageError: One cannot be read.
        ValueError: The folder has a set of another plan; a photograph is too small or there
            twice; too few photographs for the parts.
    """
    plan, output = plan or Plan(), Path(output)
    if not 0 <= process_index < process_count:
        raise ValueError(f"process_index={process_index}: give 0 to {process_count - 1}.")
    files = _find(photographs)
    _check_sizes(files, plan.crop)
    shards = _shards(output, plan, files)
    own = shards[process_index::process_count]
    made, each = 0, len(plan.recipes_for(""))
    total = each * sum(len(shard.contents) for shard in own)
    _keep_plan(output, plan, files)  # last of what may fail at once
    with thread_pool(workers) as threads:
        make = _Maker(plan, files, threads)
        for shard in own:
            if not shard.is_whole():
                shard.write(_watched(make(shard.contents), made, total, progress))
            made += each * len(shard.contents)
            if progress:
                progress(made, total)
    _finish(output, plan, shards)
    return output


class _Maker:
    """Makes records with their labels, several at a time."""

    def __init__(self, plan: Plan, files: Mapping[str, Path], threads: Executor) -> None:
        self.plan, self.files, self.threads = plan, files, threads
        self.metrics = tuple(load(name) for name in plan.metrics)
        self.serialize = _serializer(_kind(plan))

    def __call__(self, contents: Iterable[str]) -> Iterator[tuple[bytes, Label]]:
        """The records of photographs, in order."""
        for content in contents:
            reference = _read(self.files[content], self.plan.crop)
            one = functools.partial(self.one, content, reference, png.encode(reference))
            recipes = self.plan.recipes_for(content)
            yield from self.threads.map(one, recipes, recipes.values())

    def one(
        self, content: str, reference: np.ndarray, file: bytes, made: str, recipe: Recipe
    ) -> tuple[bytes, Label]:
        """The record of one image, and its labels alone."""
        distorted = compose(reference, recipe)
        scores = np.asarray(_score(self.metrics, reference, distorted)).tolist()
        by_name = dict(zip(self.plan.metrics, scores, strict=True))
        distortion, level = _describe(recipe)
        name = f"{content}-{made}.png"
        record = RatedImage(
            distorted=Path(name),
            score=scores[0],
            content=content,
            distortion=distortion,
            level=level,
            extra={"recipe": recipe.to_json(), "metrics": by_name},
        )
        higher_is_better = bool(self.metrics[0].higher_is_better)
        labels = record_labels(record, name, higher_is_better)
        images = {
            "reference": io.BytesIO(file),
            "distorted": io.BytesIO(png.encode(np.asarray(distorted))),
        }
        row = {key: labels[key] for key in COLUMNS}
        return self.serialize({**images, **labels}), {**row, "recipe": recipe.to_json(), **by_name}


def _watched(
    records: Iterable[T], made: int, total: int, progress: Callable[[int, int], None] | None
) -> Iterator[T]:
    """The same records, counted from what was made before."""
    for place, record in enumerate(records, made + 1):
        yield record
        if progress:
            progress(place, total)


def _find(photographs: Path | str | Sequence[Path | str]) -> dict[str, Path]:
    """Files by content: the name below the folder that they share."""
    if isinstance(photographs, str | Path):
        if not Path(photographs).exists():
            raise FileNotFoundError(f"no file or folder is called {photographs}.")
        found = find_images(photographs)
    else:
        found = sorted({Path(path) for path in photographs})
    if not found:
        raise FileNotFoundError("there is no photograph: give a folder, or at least one file.")
    top = os.path.commonpath([path.parent for path in found])
    return {Path(os.path.relpath(path, top)).as_posix(): path for path in found}


def _check_sizes(files: Mapping[str, Path], crop: tuple[int, int] | None) -> None:
    """Raises ValueError if a photograph is smaller than what is taken from it."""
    if crop is None:
        return
    sizes = {content: image_size(path) for content, path in files.items()}
    small = [content for content, size in sizes.items() if not _factor(size, crop)]
    if small:
        raise ValueError(
            f"{len(small)} photographs are smaller than the crop, {crop[0]} x {crop[1]}: "
            f"{', '.join(small[:10])}. Leave them out, or take a smaller crop."
        )


def _keep_plan(output: Path, plan: Plan, files: Mapping[str, Path]) -> None:
    """Writes down what the folder's files depend on; raises ValueError if it has other files."""
    digests = {content: _digest(path) for content, path in files.items()}
    by_digest: dict[str, str] = {}
    for content, digest in digests.items():
        if (other := by_digest.setdefault(digest, content)) != content:
            raise ValueError(f"{other} and {content} are the same photograph; leave out one.")
    path = output / PLAN
    text = json.dumps({**_settings(plan), "photographs": digests}, indent=1)
    output.mkdir(parents=True, exist_ok=True)
    names = {file.name for file in output.iterdir() if not file.name.startswith(".")}
    if PLAN not in names:
        if names:
            raise ValueError(f"{output} is neither empty nor an unfinished set; take a new folder.")
        write_text(path, text)
    there, asked = json.loads(path.read_text()), json.loads(text)
    if changed := [key for key in asked if there.get(key) != asked[key]]:
        raise ValueError(
            f"{output} holds a set of another plan, which differs in {', '.join(changed)}: see "
            f"{path}. Take a new folder, or delete this one."
        )


def _settings(plan: Plan) -> dict[str, Any]:
    """What decides the files, but for the photographs."""
    versions = {"jiqa": jiqa.__version__, "jax": jax.__version__}
    return {**asdict(plan), "distortions": plan.names, **versions}


def _shards(output: Path, plan: Plan, files: Mapping[str, Path]) -> list[_Shard]:
    """What is to be written, contents dealt out evenly."""
    part_of = assign_parts(files, plan.parts, plan.seed)
    found = []
    for part in SPLITS:
        contents = [content for content in files if part_of[content] == part]
        count = min(plan.shards, len(contents))
        found += [
            _Shard(output, part, place, count, tuple(contents[place::count]))
            for place in range(count)
        ]
    return found


def _read(path: Path, crop: tuple[int, int] | None) -> np.ndarray:
    """The photograph `[H, W, 3]` as it is distorted."""
    image = read_image(path)
    if image.shape[-1] == 1:
        image = np.repeat(image, 3, axis=-1)
    if crop is None:
        return image
    factor = _factor(image.shape[:2], crop)
    height, width = (side // factor for side in image.shape[:2])
    blocks = image[: height * factor, : width * factor].reshape(height, factor, width, factor, 3)
    image = np.rint(blocks.mean((1, 3))).astype(image.dtype)
    top, left = (height - crop[0]) // 2, (width - crop[1]) // 2
    return image[top : top + crop[0], left : left + crop[1]]


def _factor(size: Sequence[int], crop: tuple[int, int]) -> int:
    """The largest whole factor by which an image can be made smaller, 0 if it is too small."""
    return min(side // least for side, least in zip(size, crop, strict=True))


@jax.jit
def _score(metrics: tuple[Metric, ...], reference: jax.Array, distorted: jax.Array) -> jax.Array:
    """Scores by all metrics; pixels are integers, which carry their range."""
    return jnp.stack([metric(reference, distorted).astype(jnp.float32) for metric in metrics])


def _describe(recipe: Recipe) -> tuple[str, float]:
    """The distortion and its level, more being worse; of several distortions there is none."""
    if len(recipe.steps) > 1:
        return SEVERAL, float("nan")
    (step,) = recipe.steps
    return step.name, 1.0 + find_distortion(step.name).severity.index(step.level)


def _kind(plan: Plan) -> Literal["mos", "dmos"]:
    return "mos" if find(plan.metrics[0]).higher_is_better else "dmos"


def _serializer(kind: Literal["mos", "dmos"]) -> Callable[[Mapping[str, Any]], bytes]:
    """Records as TensorFlow Datasets writes them, but the same bytes in every process."""
    features = tfds.features.FeaturesDict(record_features(kind, references=True))
    serializer = tfds.core.example_serializer.ExampleSerializer(features.get_serialized_info())

    def serialize(example: Mapping[str, Any]) -> bytes:
        encoded = serializer.get_tf_example(features.encode_example(example))
        return encoded.SerializeToString(deterministic=True)

    return serialize


def _finish(output: Path, plan: Plan, shards: Sequence[_Shard]) -> None:
    """Writes what makes the folder a data set, once all shards are there.

    Several processes may do so at a time: each writes the same.
    """
    known = {shard: shard.known() for shard in shards}
    there = {shard: found for shard, found in known.items() if found is not None}
    if len(there) < len(shards):
        return
    import pandas as pd

    rows = [{"split": shard.part, **label} for shard in shards for label in there[shard]["labels"]]
    with write_whole(output / LABELS) as file:
        pd.DataFrame(rows).to_parquet(file)
    splits = []
    for part in dict.fromkeys(shard.part for shard in shards):
        found = [there[shard] for shard in shards if shard.part == part]
        splits.append(
            tfds.core.SplitInfo(
                name=part,
                shard_lengths=[len(shard["labels"]) for shard in found],
                num_bytes=sum(shard["bytes"] for shard in found),
                filename_template=_template(output, part),
            )
        )
    with tempfile.TemporaryDirectory(dir=output, prefix=".finishing-") as folder:
        _information(Path(folder), plan, splits).write_to_directory(folder)
        written = sorted(Path(folder).iterdir(), key=lambda path: path.name == INFORMATION)
        for path in written:  # last what says that all is there
            path.replace(output / path.name)


def _information(
    folder: Path, plan: Plan, splits: Sequence[tfds.core.SplitInfo]
) -> tfds.core.DatasetInfo:
    version = tfds.core.Version("1.0.0")
    identity = tfds.core.dataset_info.DatasetIdentity(
        name=NAME, version=version, data_dir=str(folder), module_name=__name__
    )
    information = tfds.core.DatasetInfo(
        builder=identity,
        description="Distorted photographs with scores of metrics, as jiqa.datasets makes them.",
        features=tfds.features.FeaturesDict(record_features(_kind(plan), references=True)),
        metadata=tfds.core.MetadataDict(
            data_set=NAME,
            title="generated",
            kind=_kind(plan),
            **_settings(plan),
        ),
    )
    information.set_file_format(FORMAT)
    information.set_splits(tfds.core.splits.SplitDict(splits))
    return information


def _template(folder: Path, part: str) -> tfds.core.ShardedFileTemplate:
    return tfds.core.ShardedFileTemplate(
        data_dir=folder, dataset_name=NAME, split=part, filetype_suffix=FORMAT
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
