"""Data sets prepared for training: a builder of TensorFlow Datasets that needs no TensorFlow.

`prepare` writes records (ArrayRecord) that are read in any order, with the images' files as they
are; `Prepared` reads them, decoded by `jiqa.images`, so that pixels are those of the files, at any
depth. A folder takes its name only when it is complete.
"""

import dataclasses
import functools
import json
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import tensorflow_datasets as tfds

import jiqa
from jiqa.datasets.catalogue import find, names
from jiqa.datasets.reading import check_images, read
from jiqa.datasets.records import SPLITS, DataSet, Kind, RatedImage, Record
from jiqa.datasets.splits import PARTS, By, split_records
from jiqa.datasets.tables import read_table
from jiqa.images import decode_image
from jiqa.pairs import MANIFEST_SUFFIXES

FORMAT = "array_record"
INFORMATION = "dataset_info.json"


@dataclasses.dataclass(eq=False)
class Config(tfds.core.BuilderConfig):
    """What is prepared, and how it is split.

    Attributes:
        data_set: A name of `jiqa.datasets.names()`, or a table's file name.
        kind: "mos", "dmos" or "preference".
        references: Whether its images have references.
        split: Arguments of `split_records` that are not the default.
        partial: See `read`.
        columns: See `read_table`.
    """

    data_set: str = ""
    kind: Kind = "mos"
    references: bool = True
    split: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    partial: bool = False
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def read(self, root: Path) -> DataSet:
        """The data set from the folder where it lies."""
        if self.data_set in names():
            return read(self.data_set, root, partial=self.partial)
        return read_table(root / self.data_set, columns=self.columns)


def _config(name: str, split: Mapping[str, Any], partial: bool) -> Config:
    """A published data set; its name says what is not the default."""
    publication = find(name)
    options = [_named(key, value) for key, value in split.items()] + ["partial"] * partial
    return Config(
        name="-".join([name, *options]),
        description=f"{publication.title}, {publication.paper}. {publication.note}",
        data_set=name,
        kind=publication.kind,
        references=publication.references != 0,
        split=split,
        partial=partial,
    )


def _table_config(path: Path, split: Mapping[str, Any], columns: Mapping[str, str]) -> Config:
    """A table; its name says what is not the default."""
    data_set = read_table(path, columns=columns)
    return Config(
        name="-".join(["table", path.stem, *(_named(*item) for item in split.items())]),
        description=f"A table of rated images, {path.name}.",
        data_set=path.name,
        kind=data_set.kind,
        references="reference" in data_set.records[0].images,  # which all have or none
        split=split,
        columns=dict(columns),
    )


class RatedImages(tfds.core.GeneratorBasedBuilder):
    """Images with opinions; `RatedImages(config="tid2013")`, to be prepared as `array_record`."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = tuple(_config(name, {}, partial=False) for name in names())
    progress: Callable[[int, int], None] | None = None

    @property
    def MANUAL_DOWNLOAD_INSTRUCTIONS(self) -> str:
        """The layout that the folder of downloads must have."""
        config = self.builder_config
        if config.data_set not in names():
            return f"Put {config.data_set} and its images there."
        return find(config.data_set).expected

    def _info(self) -> tfds.core.DatasetInfo:
        config = self.builder_config
        publication = find(config.data_set) if config.data_set in names() else None
        return tfds.core.DatasetInfo(
            builder=self,
            description="Images and what people think of them, as jiqa.datasets reads them.",
            features=tfds.features.FeaturesDict(record_features(config.kind, config.references)),
            homepage=publication.home if publication else None,
            metadata=tfds.core.MetadataDict(
                data_set=config.data_set,
                title=publication.title if publication else config.data_set,
                kind=config.kind,
                split=dict(config.split),
                partial=config.partial,
                columns=dict(config.columns),
                jiqa=jiqa.__version__,
            ),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, Any]]]:
        config = self.builder_config
        data_set = config.read(Path(dl_manager.manual_dir))
        check_images(data_set, progress=self.progress)
        parts = split_records(data_set.records, **config.split)
        return {name: self._generate_examples(records) for name, records in parts.items()}

    def _generate_examples(self, records: Sequence[Record]) -> Iterator[tuple[str, Any]]:
        higher_is_better = self.builder_config.kind != "dmos"
        for place, record in enumerate(records):
            yield f"{place:08d}", _example(record, higher_is_better)


def prepare(
    name: str,
    root: Path | str,
    output: Path | str,
    *,
    by: By | None = None,
    parts: tuple[float, float, float] = PARTS,
    seed: int = 0,
    leaking: bool = False,
    partial: bool = False,
    columns: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Prepares a data set for reading at speed.

    All images are decoded once beforehand: what is damaged does not become a record.

    Args:
        name: A name of `jiqa.datasets.names()`, or "table".
        root: Its folder as published, or that folder in an archive (.zip, .tar, .tar.gz and so on);
            for a table the file, see `read_table`.
        output: Folder under which the records are written.
        by: See `split_records`.
        parts: See `split_records`.
        seed: See `split_records`.
        leaking: See `split_records`.
        partial: Whether a part of a published set is meant; see `jiqa.datasets.read`.
        columns: What a table calls its columns.
        progress: Called with the number of files examined and of all files.

    Returns:
        The folder of the records, for `Prepared`; its name says what differs from the default.

    Raises:
        FileNotFoundError: Files are missing or damaged.
        FileExistsError: It is prepared already.
        ValueError: An unknown name, a wrong table or labels, a split that leaks.
    """
    root, output = Path(root), Path(output)
    if not root.exists():
        raise FileNotFoundError(f"no file or folder is called {root}.")
    asked = {"by": (by, None), "parts": (parts, PARTS), "seed": (seed, 0)}
    asked["leaking"] = (leaking, False)
    split = {key: value for key, (value, default) in asked.items() if value != default}
    if name == "table":
        config = _table_config(root, split, columns or {})
    else:
        config = _config(name, split, partial)
    default = config.name in RatedImages.builder_configs  # TFDS wants it by its name
    builder = RatedImages(data_dir=output, config=config.name if default else config)
    if builder.data_path.exists():
        raise FileExistsError(
            f"{builder.data_path} is there already: read it, or delete it to prepare it anew."
        )
    builder.progress = progress
    with _unpacked(root, output) as folder, tempfile.TemporaryDirectory() as downloads:
        builder.download_and_prepare(
            file_format=FORMAT,
            download_dir=downloads,
            download_config=tfds.download.DownloadConfig(manual_dir=folder),
        )
    return Path(builder.data_path)


class Prepared(Sequence[dict[str, Any]]):
    """One part of a prepared data set, read in any order; a source for Grain.

    Each item is a dictionary: the images as `jiqa.images.read_image` gives them ("reference" and
    "distorted", or "reference", "first" and "second"), "score", "higher_is_better", "std",
    "standard_error" and "level" (nan where unknown), "ratings" (0 where unknown), "shares",
    "distortion", "content", "name" (of the image's file) and "extra". A preference lacks what is
    said of single images. Numbers are of single precision. It can be pickled.

    Args:
        folder: What `prepare` returned.
        split: "train", "validation", "test", or part of one as in "train[:10%]".
        decode: Whether images are decoded, or the names of those that are; others are the bytes of
            their files.
        alpha: See `jiqa.images.read_image`.
        color_profile: See `jiqa.images.read_image`.

    Raises:
        FileNotFoundError: There is no prepared data set, or not all of its records.
        ValueError: It has no such part.
    """

    def __init__(
        self,
        folder: Path | str,
        split: str = "train",
        *,
        decode: bool | Collection[str] = True,
        alpha: str = "error",
        color_profile: str = "srgb",
    ) -> None:
        """Opens the records."""
        self.folder, self.split, self.decode = Path(folder), split, decode
        self._decode = functools.partial(decode_image, alpha=alpha, color_profile=color_profile)
        builder = _open(self.folder)
        if split.partition("[")[0] not in builder.info.splits:
            there = ", ".join(builder.info.splits)
            raise ValueError(f"{folder} has no part {split!r}; it has {there}.")
        _check_records(builder.info)
        self.metadata = dict(builder.info.metadata or {})
        self._images = [
            name
            for name, feature in builder.info.features.items()
            if isinstance(feature, tfds.features.Image)
        ]
        decoders = {name: tfds.decode.SkipDecoding() for name in self._images}
        self._source = builder.as_data_source(split=split, decoders=decoders)

    def __len__(self) -> int:
        """How many items there are."""
        return len(self._source)

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, place: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, place: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        """An item, or a list of several."""
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(f"{place} of {len(self)} items")
        found = self._source[place % len(self)]
        item = {key: _plain(value) for key, value in found.items() if key not in self._images}
        item["extra"] = json.loads(item["extra"])
        for key in self._images:
            item[key] = found[key]
            if self.decode is True or (self.decode and key in self.decode):
                name = f"{key} of {item['name']} in {self.folder}"
                item[key] = self._decode(found[key], name=name)
        return item


def count_items(folder: Path | str) -> dict[str, int]:
    """How many items each part of a prepared data set has.

    Args:
        folder: What `prepare` returned.

    Raises:
        FileNotFoundError: There is no prepared data set.
    """
    splits = _open(Path(folder)).info.splits
    return {name: splits[name].num_examples for name in SPLITS if name in splits}


def _open(folder: Path) -> tfds.core.DatasetBuilder:
    """The builder that wrote a folder, as far as reading needs it."""
    if not (folder / INFORMATION).is_file():
        raise FileNotFoundError(f"{folder} holds no prepared data set: see jiqa datasets prepare.")
    return tfds.builder_from_directory(folder)


def record_features(kind: Kind, references: bool) -> dict[str, Any]:
    """What a record holds, as TensorFlow Datasets says it."""
    image = functools.partial(tfds.features.Image, shape=(None, None, None))
    text, number = tfds.features.Text, functools.partial(tfds.features.Scalar, np.float32)
    common = {
        "name": text(),
        "score": number(),
        "higher_is_better": tfds.features.Scalar(np.bool_),
        "ratings": tfds.features.Scalar(np.int64),
        "distortion": text(),
        "content": text(),
        "extra": text(),
    }
    if kind == "preference":
        return {"reference": image(), "first": image(), "second": image(), **common}
    images = {"reference": image()} if references else {}
    return {
        **images,
        "distorted": image(),
        **common,
        "std": number(),
        "standard_error": number(),
        "level": number(),
        "shares": tfds.features.Tensor(shape=(None,), dtype=np.float32),
    }


def _example(record: Record, higher_is_better: bool) -> dict[str, Any]:
    """What is written of a record: files of images, and labels."""
    images = {name: str(file) for name, file in record.images.items()}
    name = Path(list(images.values())[-1]).name
    return {**images, **record_labels(record, name, higher_is_better)}


def record_labels(record: Record, name: str, higher_is_better: bool) -> dict[str, Any]:
    """What a record holds beside its images: nan or 0 for what is not known.

    Args:
        record: What is known.
        name: Of the image.
        higher_is_better: Whether more is better.

    Returns:
        Values for `record_features`.
    """
    labels: dict[str, Any] = {
        "name": name,
        "score": record.score,
        "higher_is_better": higher_is_better,
        "ratings": record.ratings or 0,
        "distortion": record.distortion,
        "content": record.content,
        "extra": json.dumps(dict(record.extra), default=str),
    }
    if isinstance(record, RatedImage):
        unsure = {key: getattr(record, key) for key in ("std", "standard_error", "level")}
        labels |= {key: np.nan if value is None else value for key, value in unsure.items()}
        labels["shares"] = np.array(record.shares, np.float32)
    return labels


def _plain(value: Any) -> Any:
    """A value of TFDS as Python has it."""
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if isinstance(value, np.generic) else value


def _check_records(info: tfds.core.DatasetInfo) -> None:
    """Raises FileNotFoundError unless all files hold the records that they should."""
    from array_record.python.array_record_module import ArrayRecordReader

    for split in info.splits.values():
        for file, length in zip(split.filepaths, split.shard_lengths, strict=True):
            try:
                reader = ArrayRecordReader(str(file))
                there = reader.num_records()
                reader.close()
            except (OSError, ValueError, RuntimeError) as error:
                raise FileNotFoundError(
                    f"{file} is missing or damaged ({error}): delete its folder and prepare the "
                    "data set anew."
                ) from error
            if there != length:
                raise FileNotFoundError(
                    f"{file} holds {there} records, not {length}: delete its folder and prepare "
                    "the data set anew."
                )


def _named(key: str, value: Any) -> str:
    """An option as part of a folder's name."""
    if isinstance(value, bool):
        return key
    if isinstance(value, tuple):
        return "_".join(f"{100 * share:g}" for share in value)
    return f"{key}_{value}"


@contextmanager
def _unpacked(root: Path, output: Path) -> Iterator[Path]:
    """The folder itself or a table's; an archive is unpacked for as long as it is needed."""
    if root.is_dir():
        yield root
    elif root.suffix.lower() in MANIFEST_SUFFIXES:
        yield root.parent
    else:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output, prefix=".unpacked-") as folder:
            try:
                safely: Literal["data"] | None = "data" if tarfile.is_tarfile(root) else None
                shutil.unpack_archive(root, folder, filter=safely)
            except (shutil.ReadError, ValueError, OSError) as error:
                raise ValueError(
                    f"{root} is neither a folder nor an archive that can be unpacked here "
                    f"({error}): unpack it, and give the folder."
                ) from error
            yield Path(folder)
