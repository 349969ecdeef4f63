"""Scores many image files with many metrics: the table of a folder, a data set or a manifest.

Files are decoded ahead in threads, images of one size are stacked into batches, and one compiled
program a size evaluates all metrics together on all devices (`jiqa.pipeline`). Whatever fails is
reported with its pair, and the rest is scored. With an output file the work survives a kill.
"""

import ast
import contextlib
import hashlib
import inspect
import itertools
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

import jiqa
from jiqa.core.registry import Metric, find, list_metrics, load
from jiqa.files import cache_folder, check_output
from jiqa.images import ALPHA, COLOR_PROFILE, MAX_PIXELS, read_image
from jiqa.pairs import Pair
from jiqa.pipeline import stream_outcomes
from jiqa.results import TABLE_SUFFIXES, Journal, Outcome, Scores, circumstances

if TYPE_CHECKING:
    import pandas as pd

NETWORK_SUFFIX = ".safetensors"


def score_files(
    pairs: Sequence[Pair],
    metrics: Iterable[str] = ("psnr", "ssim"),
    *,
    output: Path | str | None = None,
    resume: bool = False,
    alpha: str = "error",
    color_profile: str = "srgb",
    max_pixels: int = MAX_PIXELS,
    devices: Sequence[jax.Device] | None = None,
    workers: int | None = None,
    batch_pixels: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Scores:
    """Scores pairs of image files, and writes the table if asked to.

    Args:
        pairs: What to compare; see `jiqa.pairs.find_pairs`.
        metrics: Names, with options if wanted; see `parse_metric`.
        output: A CSV, Parquet or JSON file. While the work lasts, what is done is kept beside it
            in `<output>.partial`; a killed run continues with `resume`.
        resume: Whether to continue an unfinished run: what it scored is not scored again, what
            failed is tried again. Without an unfinished run the work starts from the beginning.
        alpha: How transparent images are read; see `jiqa.images.read_image`.
        color_profile: How colours other than sRGB are read; see there.
        max_pixels: Larger images are an error; see there.
        devices: Where to compute; None means all devices of this process.
        workers: Threads that decode files; None means one a core.
        batch_pixels: Pixels of a batch on each device; None means what is fast on the platform.
        progress: Called with the number of pairs done and the number of all pairs.

    Returns:
        The table, in the order of `pairs`.

    Raises:
        ValueError: No pairs, an unknown metric or rule, a metric that lacks its reference, an
            unfinished run that is not resumed or does not fit.
        OSError: The output cannot be written.

    >>> score_files([Pair(None, Path("a.png"))], ["ssim"])
    Traceback (most recent call last):
    ValueError: ssim needs a reference, and a.png has none.
    """
    parsed = {text: parse_metric(text) for text in metrics}
    _check(pairs, parsed)
    devices = list(devices or jax.local_devices())
    reading: dict[str, Any] = {
        "alpha": alpha,
        "color_profile": color_profile,
        "max_pixels": max_pixels,
    }
    _check_rule("alpha", alpha, ALPHA)
    _check_rule("color_profile", color_profile, COLOR_PROFILE)
    settings = _settings(parsed, reading)
    if output is None:
        journal = None
    else:
        check_output(output, TABLE_SUFFIXES)
        journal = Journal(Path(output), settings, resume=resume)
    with journal or contextlib.nullcontext():
        done = list(journal.finished(pairs)) if journal else []
        stream = stream_outcomes(
            pairs,
            parsed,
            skip={outcome.index for outcome in done},
            read=partial(read_image, **reading),
            devices=devices,
            workers=workers,
            batch_pixels=batch_pixels,
        )
        if journal:
            stream = _written_down(stream, journal, pairs)
        with contextlib.closing(stream):
            frame = _collect(itertools.chain([done], stream), pairs, list(parsed), progress)
        scores = Scores(frame, {**settings, **circumstances(devices), "pairs": len(pairs)})
        if journal and output is not None:
            scores.write(output)
            journal.remove()
    return scores


def parse_metric(text: str) -> Metric:
    """The metric of a name, with options set.

    Args:
        text: A registered name, then options as `name:option=value:option=value`, such as
            `ssim:luma=bt601:window_size=7`. Values are Python's; what is none is a string. Or the
            file of a trained network, `model.safetensors`.

    Returns:
        The metric with these options fixed.

    Raises:
        ValueError: No such metric, no such option, or an option without a value.
        ValueError, OSError: The parameters of a learned metric cannot be had; see `jiqa.weights`.

    >>> dict(parse_metric("ssim:luma=bt601:window_size=7").options)
    {'luma': 'bt601', 'window_size': 7}
    """
    if _is_network(text):
        from jiqa.networks.scorer import load_metric

        return load_metric(text)
    name, *settings = text.split(":")
    found = find(name)
    allowed = _options(found)
    given: dict[str, Any] = {}
    for setting in settings:
        option, equals, value = setting.partition("=")
        if not equals or option not in allowed:
            raise ValueError(
                f"{text}: {setting!r} is not an option of {name}; give option=value, with one of "
                f"{', '.join(allowed)}."
            )
        try:
            given[option] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            given[option] = value
    return load(name, **given)


def _is_network(text: str) -> bool:
    """Whether a metric is the file of a network, and not a name with a file among its options."""
    return text.endswith(NETWORK_SUFFIX) and text.partition(":")[0] not in list_metrics()


def use_compilation_cache() -> Path:
    """Keeps compiled programs between runs, in JAX's compilation cache.

    A folder that is already set (`JAX_COMPILATION_CACHE_DIR`, `jax.config`) is kept; otherwise it
    is `jiqa/xla` in the user's cache folder. Every program is kept, however small or quick.

    Returns:
        The folder.
    """
    folder = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if folder is None:
        folder = str(cache_folder() / "xla")
        jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return Path(folder)


def _check(pairs: Sequence[Pair], metrics: Mapping[str, Metric]) -> None:
    """Raises ValueError where the table could not be made, before any work is done."""
    if not pairs or not metrics:
        raise ValueError("there is nothing to score: give at least one pair and one metric.")
    needing = [column for column, metric in metrics.items() if metric.needs_reference]
    if needing and (alone := next((p for p in pairs if p.reference is None), None)):
        raise ValueError(f"{', '.join(needing)} needs a reference, and {alone.distorted} has none.")
    taken = {"reference", "distorted", "error", *metrics}
    if doubled := sorted(taken & set(pairs[0].columns)):
        raise ValueError(f"the manifest's columns {', '.join(doubled)} are names of the result.")


def _check_rule(name: str, given: str, allowed: Sequence[str]) -> None:
    if given not in allowed:
        raise ValueError(f"{name} is {given!r}; give one of {', '.join(allowed)}.")


def _options(metric: Metric) -> dict[str, Any]:
    """A metric's options that are plain values, with those that are in force."""
    parameters = inspect.signature(metric.function).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    options = {**defaults, **metric.options}
    options.pop("weights", None)
    if "data_range" not in metric.options:
        options["data_range"] = "255 or 65535, by the file's bits"
    return options


def _settings(metrics: Mapping[str, Metric], reading: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the scores, and so must be the same within a table."""
    facts = {
        column: {
            "metric": metric.name,
            "options": _options(metric),
            "higher_is_better": metric.higher_is_better,
            "identical": _finite(metric.identical),
            **({"sha256": _digest(column)} if _is_network(column) else {}),
        }
        for column, metric in metrics.items()
    }
    versions = {"jiqa": jiqa.__version__, "jax": jax.__version__}
    return {**versions, **reading, "metrics": facts}


def _digest(path: str) -> str:
    """The SHA-256 of a network's file, so that no run goes on with another network."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _written_down(
    stream: Generator[list[Outcome], None, None], journal: Journal, pairs: Sequence[Pair]
) -> Generator[list[Outcome], None, None]:
    """The same outcomes, each written to the journal first."""
    with contextlib.closing(stream):
        for outcomes in stream:
            journal.append(pairs, outcomes)
            yield outcomes


def _collect(
    stream: Iterable[list[Outcome]],
    pairs: Sequence[Pair],
    columns: list[str],
    progress: Callable[[int, int], None] | None,
) -> "pd.DataFrame":
    """The table of all outcomes, in the order of the pairs."""
    import pandas as pd

    values = np.full((len(pairs), len(columns)), np.nan, np.float32)
    errors: list[str | None] = [None] * len(pairs)
    finished = 0
    for outcomes in stream:
        for outcome in outcomes:
            values[outcome.index] = [outcome.scores.get(column, np.nan) for column in columns]
            errors[outcome.index] = outcome.error
        finished += len(outcomes)
        if progress:
            progress(finished, len(pairs))
    table: dict[str, Any] = {}
    if any(pair.reference is not None for pair in pairs):
        table["reference"] = [str(pair.reference) for pair in pairs]
    table["distorted"] = [str(pair.distorted) for pair in pairs]
    for name in pairs[0].columns:
        table[name] = [pair.columns[name] for pair in pairs]
    table |= {column: values[:, place] for place, column in enumerate(columns)}
    table["error"] = pd.array(errors, dtype="string")
    return pd.DataFrame(table)


def _finite(value: float | None) -> float | str | None:
    """A number as JSON can hold it."""
    return value if value is None or np.isfinite(value) else str(value)
