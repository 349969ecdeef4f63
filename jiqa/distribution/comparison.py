"""Distances between two sets of image files, with what is needed to repeat them."""

import json
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax

import jiqa
from jiqa.distribution import inception_score
from jiqa.distribution.extractors import FEATURES, INCEPTION, LOGITS, Extractor, find_extractor
from jiqa.distribution.frechet import frechet_distance
from jiqa.distribution.inception_score import Estimate
from jiqa.distribution.kernel import gaussian_mmd, kernel_distance
from jiqa.distribution.manifold import density_coverage, precision_recall
from jiqa.distribution.measuring import MOMENTS, ImageSet, measure
from jiqa.distribution.statistics import Statistics, load_statistics
from jiqa.files import check_output, write_text
from jiqa.images import read_image
from jiqa.pairs import find_images
from jiqa.results import circumstances

STATISTICS_SUFFIXES = (".npz", ".safetensors")

Values = dict[str, Estimate]
Source = list[Path] | Statistics
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Options:
    """What distances can be told; the defaults are their authors'.

    Attributes:
        subsets: Random subsets of the kernel distance.
        subset_size: Images of each.
        seed: Of the generator that draws them.
        sigma: Width of the Gaussian kernel of "mmd".
        splits: Parts of the Inception score.
        manifold_neighbors: Neighbours of precision and recall.
        density_neighbors: Neighbours of density and coverage.
    """

    subsets: int = 100
    subset_size: int = 1000
    seed: int = 0
    sigma: float = 10.0
    splits: int = 10
    manifold_neighbors: int = 3
    density_neighbors: int = 5


@dataclass(frozen=True)
class Distance:
    """A distance, or several that are computed together, by the name under which it is asked for.

    Attributes:
        needs: What of the sets it needs: `MOMENTS` or `FEATURES` of both, or `LOGITS` of the
            generated set alone.
        higher_is_better: Its polarity.
        compute: Its values by name, of the reference and the generated set.
        least: How many images a set must have, more than the option `beyond` if there is one.
        beyond: The name of an option that demands more images.
    """

    needs: str
    higher_is_better: bool
    compute: Callable[[ImageSet, ImageSet, Options], Values]
    least: int
    beyond: str = ""


def _fid(reference: ImageSet, generated: ImageSet, _: Options) -> Values:
    return {"fid": Estimate(frechet_distance(reference.statistics, generated.statistics))}


def _kid(reference: ImageSet, generated: ImageSet, options: Options) -> Values:
    estimate = kernel_distance(
        reference.features,
        generated.features,
        key=jax.random.key(options.seed),
        subsets=options.subsets,
        subset_size=options.subset_size,
    )
    return {"kid": estimate}


def _mmd(reference: ImageSet, generated: ImageSet, options: Options) -> Values:
    return {
        "mmd": Estimate(gaussian_mmd(reference.features, generated.features, sigma=options.sigma))
    }


def _precision_recall(reference: ImageSet, generated: ImageSet, options: Options) -> Values:
    neighbors = options.manifold_neighbors
    found = precision_recall(reference.features, generated.features, neighbors=neighbors)
    return {name: Estimate(value) for name, value in found._asdict().items()}


def _density_coverage(reference: ImageSet, generated: ImageSet, options: Options) -> Values:
    neighbors = options.density_neighbors
    found = density_coverage(reference.features, generated.features, neighbors=neighbors)
    return {name: Estimate(value) for name, value in found._asdict().items()}


def _inception_score(_: ImageSet, generated: ImageSet, __: Options) -> Values:
    return {"inception_score": inception_score.compute(generated.class_sums)}


DISTANCES = {
    "fid": Distance(MOMENTS, False, _fid, 2),
    "kid": Distance(FEATURES, False, _kid, 0, "subset_size"),
    "mmd": Distance(FEATURES, False, _mmd, 2),
    "precision_recall": Distance(FEATURES, True, _precision_recall, 1, "manifold_neighbors"),
    "density_coverage": Distance(FEATURES, True, _density_coverage, 1, "density_neighbors"),
    "inception_score": Distance(LOGITS, True, _inception_score, 0, "splits"),
}


@dataclass(frozen=True)
class Comparison:
    """What was found.

    Attributes:
        values: Estimates by name: those of `DISTANCES`, or precision, recall, density, coverage.
        higher_is_better: Polarity by the same names.
        notes: What should be known about the values, such as too few images.
        metadata: Versions, sets, network and its parameters, options, device, date.
    """

    values: Values
    higher_is_better: Mapping[str, bool]
    notes: Sequence[str]
    metadata: Mapping[str, Any]

    def write(self, path: Path | str) -> None:
        """Writes everything as JSON, whole or not at all.

        Args:
            path: A file name that ends in .json.

        Raises:
            ValueError: Another suffix.
            OSError: The file cannot be written.
        """
        check_output(path, (".json",))
        distances = {
            name: {
                "value": value,
                "deviation": deviation,
                "higher_is_better": self.higher_is_better[name],
            }
            for name, (value, deviation) in self.values.items()
        }
        document = {"metadata": self.metadata, "distances": distances, "notes": self.notes}
        write_text(Path(path), json.dumps(document, indent=1, allow_nan=False))


def compare_sets(
    reference: Path | str,
    generated: Path | str,
    distances: Sequence[str] = ("fid", "kid"),
    *,
    features: str = INCEPTION,
    protocol: str = "clean_fid",
    options: Options = Options(),
    reading: Mapping[str, Any] = MappingProxyType({}),
    workers: int | None = None,
    batch: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compares two sets of image files.

    Args:
        reference: A folder of images or, for the FID, a file of `Statistics`.
        generated: The same; precision, recall, density and coverage are not symmetric.
        distances: Of the names of `DISTANCES`.
        features: The network, see `jiqa.distribution.extractors.find_extractor`.
        protocol: How images are resized, see `jiqa.distribution.resizing`.
        options: What distances can be told.
        reading: Keyword arguments of `jiqa.images.read_image`.
        workers: Threads that decode files; None means one a core.
        batch: Images of a batch on each device; None means what is fast on the platform.
        progress: Called with the number of images done and that of all.

    Returns:
        The values.

    Raises:
        ValueError: An unknown name, too few images, statistics where images are needed or of
            other features.
        FileNotFoundError: A folder, its images, or the network's parameters are not there.
        ImageError: A file cannot be read: the distance would be that of another set.

    >>> compare_sets("real", "fake", ["fdi"])
    Traceback (most recent call last):
    ValueError: no distance is called 'fdi'; there are fid, kid, mmd, precision_recall, ...
    """
    asked = _find(distances)
    sources = [_open(path) for path in (reference, generated)]
    for path, source in zip((reference, generated), sources, strict=True):
        _check_source(path, source, asked, options)
    extractor = None
    if any(isinstance(source, list) for source in sources):
        extractor = find_extractor(features, protocol)
        _check_features(sources, asked, extractor)
    needs = {distance.needs for distance in asked.values()}
    wanted = [needs - {LOGITS}, needs]
    measure_source = partial(
        _measure,
        extractor=extractor,
        splits=options.splits,
        read=partial(read_image, **reading),
        workers=workers,
        batch=batch,
        progress=_counter([s for s, what in zip(sources, wanted, strict=True) if what], progress),
    )
    first, second = map(measure_source, sources, wanted)
    values, notes = _compute(asked, first, second, options)
    metadata = {
        "reference": {"path": str(reference), "images": first.count},
        "generated": {"path": str(generated), "images": second.count},
        "features": extractor.facts if extractor else {"name": first.statistics.features},
        "options": asdict(options),
        "reading": dict(reading),
        "jiqa": jiqa.__version__,
        "jax": jax.__version__,
        **circumstances(jax.devices()),
    }
    polarity = {row: asked[name].higher_is_better for name, rows in values.items() for row in rows}
    flat = {row: value for rows in values.values() for row, value in rows.items()}
    return Comparison(flat, polarity, notes, metadata)


def set_statistics(
    images: Path | str,
    *,
    features: str = INCEPTION,
    protocol: str = "clean_fid",
    reading: Mapping[str, Any] = MappingProxyType({}),
    workers: int | None = None,
    batch: int | None = None,
    progress: Progress | None = None,
) -> Statistics:
    """Mean and covariance of the features of a folder of images, to be compared many times.

    Args:
        images: The folder.
        features: As in `compare_sets`.
        protocol: As in `compare_sets`.
        reading: As in `compare_sets`.
        workers: As in `compare_sets`.
        batch: As in `compare_sets`.
        progress: As in `compare_sets`.

    Returns:
        The statistics, for `save_statistics`.

    Raises:
        ValueError: Fewer than two images, or an unknown network.
        FileNotFoundError: The folder, its images, or the network's parameters are not there.
        ImageError: A file cannot be read.
    """
    paths = find_images(images)
    _check_source(images, paths, _find(["fid"]), Options())
    found = measure(
        paths,
        find_extractor(features, protocol),
        {MOMENTS},
        read=partial(read_image, **reading),
        workers=workers,
        batch=batch,
        progress=_counter([paths], progress),
    )
    return found.statistics


def _find(names: Sequence[str]) -> dict[str, Distance]:
    for name in names:
        if name not in DISTANCES:
            raise ValueError(f"no distance is called {name!r}; there are {', '.join(DISTANCES)}.")
    if not names:
        raise ValueError(f"there is nothing to compute: name some of {', '.join(DISTANCES)}.")
    return {name: DISTANCES[name] for name in names}


def _open(path: Path | str) -> Source:
    """The statistics in a file, or the images in a folder."""
    if Path(path).is_dir():
        return find_images(path)
    if Path(path).suffix.lower() in STATISTICS_SUFFIXES:
        return load_statistics(path)
    if not Path(path).exists():
        raise FileNotFoundError(f"no file or folder is called {path}.")
    raise ValueError(
        f"{path} is neither a folder of images nor a file of statistics "
        f"({', '.join(STATISTICS_SUFFIXES)})."
    )


def _check_source(
    path: Path | str, source: Source, asked: Mapping[str, Distance], options: Options
) -> None:
    """Raises ValueError where a set has not what is asked for, before any work is done."""
    if isinstance(source, Statistics):
        if others := [name for name, distance in asked.items() if distance.needs != MOMENTS]:
            raise ValueError(
                f"{', '.join(others)} cannot be computed from the mean and covariance in {path}; "
                "give the folder of images."
            )
        return
    for name, distance in asked.items():
        least, why = distance.least, ""
        if distance.beyond:
            value = getattr(options, distance.beyond)
            least, why = least + value, f" with {distance.beyond}={value}"
        if len(source) < least:
            raise ValueError(
                f"{path} has {len(source)} image{'s'[: len(source) - 1]}, and {name} needs at "
                f"least {least}{why}."
            )


def _check_features(
    sources: Sequence[Source], asked: Mapping[str, Distance], extractor: Extractor
) -> None:
    """Raises ValueError where the network does not give what is asked for."""
    needing = [name for name, distance in asked.items() if distance.needs == LOGITS]
    if needing and LOGITS not in extractor.sizes:
        raise ValueError(f"{needing[0]} needs the classes of {INCEPTION}, not {extractor.name}.")
    for source in sources:
        if isinstance(source, Statistics) and source.features not in ("", extractor.name):
            raise ValueError(
                f"the statistics are of {source.features}, and images would be measured by "
                f"{extractor.name}; choose the same."
            )


def _measure(
    source: Source, needs: Collection[str], *, extractor: Extractor | None, **how: Any
) -> ImageSet:
    if isinstance(source, Statistics):
        return ImageSet(source.count, source)
    if not needs:
        return ImageSet(len(source))
    assert extractor is not None
    return measure(source, extractor, needs, **how)


def _counter(sources: Sequence[Source], progress: Progress | None) -> Callable[[int], None] | None:
    """Adds up the images that are done, of all sets."""
    if progress is None:
        return None
    total = sum(len(source) for source in sources if isinstance(source, list))
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        progress(done, total)

    return count


def _compute(
    asked: Mapping[str, Distance], first: ImageSet, second: ImageSet, options: Options
) -> tuple[dict[str, Values], list[str]]:
    """The values of each distance, and what its warnings say."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        values = {
            name: {
                row: _plain(value) for row, value in found.compute(first, second, options).items()
            }
            for name, found in asked.items()
        }
    return values, [str(warning.message).partition(": ")[2] for warning in caught]


def _plain(estimate: Estimate) -> Estimate:
    """An estimate in Python's numbers."""
    return Estimate(*(None if value is None else float(value) for value in estimate))
