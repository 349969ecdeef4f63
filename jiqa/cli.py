"""The command `jiqa`. Each subcommand is a function; what is slow to import is imported inside.

Exit status: 0 all is well, 1 some pairs could not be scored, 2 wrong use, 130 interrupted.
"""

import functools
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, ParamSpec

import tyro
from rich.console import Console

import jiqa

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from jiqa.evaluation.report import Report
    from jiqa.opinions import Opinions
    from jiqa.results import Scores
    from jiqa.weights import Entry

ERRORS_SHOWN = 20
NEIGHBORS = ("manifold_neighbors", "density_neighbors")
P = ParamSpec("P")


def score(
    images: Annotated[
        tuple[Path, ...], tyro.conf.arg(metavar="REFERENCE DISTORTED | MANIFEST | IMAGES")
    ],
    /,
    *,
    metrics: str = "psnr,ssim",
    output: Path | None = None,
    resume: bool = False,
    pattern: str | None = None,
    unpaired: Literal["error", "ignore"] = "error",
    alpha: Literal["error", "drop", "white", "black"] = "error",
    color_profile: Literal["srgb", "keep", "error"] = "srgb",
    max_pixels: int = 200_000_000,
    rows: int = 40,
    workers: int | None = None,
) -> int:
    """Score image files: two files, two folders, a manifest, or images alone.

    Two folders are paired by the names of their images without suffix, or by a pattern. A manifest
    is a CSV or Parquet table with the columns reference and distorted; other columns are carried
    through. Metrics without a reference take one image or one folder.

    Args:
        images: REFERENCE DISTORTED (files or folders; one reference file serves a folder), or a
            manifest, or one image or folder for metrics without a reference.
        metrics: Names from `jiqa list`, with options as in ssim:luma=bt601:window_size=7.
        output: Table to write: .csv, .parquet or .json. Unfinished work is kept beside it.
        resume: Continue an unfinished run of this output.
        pattern: How a distorted image is named after its reference, such as {reference}_*.
        unpaired: Whether images without a partner are an error or ignored.
        alpha: What becomes of transparent images: an error, the alpha channel dropped, or shown
            before white or black.
        color_profile: What becomes of colours that are not sRGB: converted, kept, or an error.
        max_pixels: Larger images are an error.
        rows: Rows of the table to show.
        workers: Threads that decode files; one a core if not given.
    """
    from jiqa.pairs import find_pairs
    from jiqa.results import journal_path

    if not 1 <= len(images) <= 2:
        raise ValueError(f"score takes one or two paths, not {len(images)}; see jiqa score --help.")
    pairs = find_pairs(*images, pattern=pattern, unpaired=unpaired)

    from jiqa.scoring import score_files, use_compilation_cache

    use_compilation_cache()
    try:
        with _progress_bar("scoring", "pairs") as progress:
            scores = score_files(
                pairs,
                _split(metrics),
                output=output,
                resume=resume,
                alpha=alpha,
                color_profile=color_profile,
                max_pixels=max_pixels,
                workers=workers,
                progress=progress,
            )
    except KeyboardInterrupt:
        how = ""
        if output is not None and journal_path(output).exists():
            how = f"; what is done is in {journal_path(output)}: add --resume"
        print(f"jiqa: interrupted{how}.", file=sys.stderr)
        raise
    _print_scores(scores, rows, output)
    return _print_errors(scores, output)


def bench(
    data: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="DATA")] = (),
    /,
    *,
    metrics: str | None = None,
    scores: tuple[Path, ...] = (),
    columns: str = "",
    higher_is_better: str = "",
    lower_is_better: str = "",
    output: Path = Path("jiqa-bench"),
    resume: bool = False,
    mapping: Literal["logistic4", "logistic5", "cubic"] = "logistic4",
    resample: Literal["auto", "content", "image"] = "auto",
    resamples: int = 10_000,
    confidence: float = 0.95,
    significance: float = 0.05,
    correction: Literal["holm", "benjamini_hochberg", "none"] = "holm",
    seed: int = 0,
    page: bool = True,
    workers: int | None = None,
) -> int:
    """Compare metrics by how well they agree with opinions.

    Writes tables of correlations with intervals, of significance tests between all metrics and of
    groups of images, and a page with them and scatter plots. Scores of DATA are kept in the folder
    scores of the output.

    Args:
        data: Rated images: a folder of TID2013, TID2008, KADID-10k or CSIQ as published, or a table
            with the columns distorted, mos or dmos and, where known, reference, std, ratings,
            standard_error, distortion, level, content.
        metrics: Names from `jiqa list`, with options as in ssim:luma=bt601; psnr,ssim if not given.
            Of tables of scores, the columns; all that are numbers if not given.
        scores: Tables of precomputed scores: mos or dmos, a column a metric, and others as above.
        columns: What the tables of scores call the columns above, as dmos=dmos_new,content=image.
        higher_is_better: Metrics of which more is better, where `jiqa list` does not know them.
        lower_is_better: Metrics of which less is better. Of what is in neither list the sign of the
            correlation decides, which is noted.
        output: Folder for the results.
        resume: Continue an unfinished run, and do not score again what this folder has.
        mapping: The curve fitted before PLCC, RMSE and tests of residuals.
        resample: What intervals are drawn over: contents (if there are 10 or more) or images.
        resamples: How often.
        confidence: Of intervals.
        significance: Level of tests.
        correction: For the number of tests.
        seed: Of the random numbers.
        page: Whether to write the page.
        workers: Threads that decode files; one a core if not given.
    """
    from jiqa.evaluation import run
    from jiqa.evaluation.benchmark import Protocol, evaluate
    from jiqa.evaluation.report import Report
    from jiqa.scoring import use_compilation_cache

    use_compilation_cache()
    if page:
        from jiqa.evaluation.page import load_template

        load_template()  # what it lacks should show now
    protocol = Protocol(mapping, resample, resamples, confidence, significance, correction, seed)
    names = None if metrics is None else _split(metrics)
    data_sets, tables = run.open_sources(data, scores, names, columns)
    for data_set in data_sets:
        with _progress_bar(f"scoring {data_set.name}", "pairs") as progress:
            table = run.score_data_set(
                data_set,
                names or ["psnr", "ssim"],
                output,
                resume=resume,
                workers=workers,
                progress=progress,
            )
        tables.append(table)
    evaluations = []
    rated = run.rate_all(tables, higher=_split(higher_is_better), lower=_split(lower_is_better))
    for found in rated:
        with _progress_bar(f"statistics of {found.name}", "steps") as progress:
            evaluations.append(evaluate(found, protocol, progress=progress))
    report = Report(evaluations, run.metadata(protocol))
    written = report.write(output, page=page)
    _print_report(report)
    print(f"All results are in {output}; see {written}.")
    failed = sum(
        int(table.frame["error"].notna().sum()) for table in tables if "error" in table.frame
    )
    if failed:
        print(f"jiqa: {failed} pairs could not be scored, see {output}/scores.", file=sys.stderr)
    return 1 if failed else 0


def compare_sets(
    reference: Annotated[Path, tyro.conf.arg(metavar="REFERENCE")],
    generated: Annotated[Path, tyro.conf.arg(metavar="GENERATED")],
    /,
    *,
    metrics: str = "fid,kid",
    features: str = "inception_v3",
    protocol: Literal["clean_fid", "pytorch_fid", "tensorflow"] = "clean_fid",
    output: Path | None = None,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
    sigma: float = 10.0,
    splits: int = 10,
    neighbors: int | None = None,
    alpha: Literal["error", "drop", "white", "black"] = "error",
    color_profile: Literal["srgb", "keep", "error"] = "srgb",
    max_pixels: int = 200_000_000,
    batch: int | None = None,
    workers: int | None = None,
) -> int:
    """Compare two sets of images, such as real and generated ones: FID, KID and others.

    Args:
        reference: A folder of images; for fid alone also statistics of one, as
            `jiqa set-statistics` and pytorch-fid (.npz) write them.
        generated: The folder to compare with it, or its statistics.
        metrics: Of fid, kid, mmd, precision_recall, density_coverage, inception_score.
        features: inception_v3, or a network of `jiqa weights list` with a feature, as in
            vgg16:relu5_3.
        protocol: How images are resized: as by clean-fid (antialiased), pytorch-fid, or TensorFlow
            and torch-fidelity. Values of different protocols cannot be compared.
        output: JSON file to write, with all that is needed to repeat the run.
        subsets: Random subsets over which kid is averaged.
        subset_size: Images in each.
        seed: Of the subsets.
        sigma: Width of the kernel of mmd.
        splits: Parts over which inception_score is averaged.
        neighbors: Of an image in its manifold; 3 for precision_recall and 5 for density_coverage
            if not given.
        alpha: What becomes of transparent images: an error, the alpha channel dropped, or shown
            before white or black.
        color_profile: What becomes of colours that are not sRGB: converted, kept, or an error.
        max_pixels: Larger images are an error.
        batch: Images that a device takes at a time.
        workers: Threads that decode files; one a core if not given.
    """
    from jiqa.distribution import comparison
    from jiqa.scoring import use_compilation_cache

    if output is not None:
        comparison.check_output(output, ".json")
    given = {} if neighbors is None else dict.fromkeys(NEIGHBORS, neighbors)
    use_compilation_cache()
    with _progress_bar("measuring", "images") as progress:
        found = comparison.compare_sets(
            reference,
            generated,
            [name.strip() for name in metrics.split(",")],
            features=features,
            protocol=protocol,
            options=comparison.Options(subsets, subset_size, seed, sigma, splits, **given),
            reading={"alpha": alpha, "color_profile": color_profile, "max_pixels": max_pixels},
            batch=batch,
            workers=workers,
            progress=progress,
        )
    table = _table("metric", "value", "deviation")
    for name, (value, deviation) in found.values.items():
        arrow = _arrow(found.higher_is_better[name], None)
        shown = "" if deviation is None else f"{deviation:.4g}"
        table.add_row(f"{name} {arrow}", f"{value:.6g}", shown)
    _console().print(table)
    for note in found.notes:
        print(f"jiqa: note: {note}", file=sys.stderr)
    if output is not None:
        found.write(output)
    return 0


def set_statistics(
    images: Annotated[Path, tyro.conf.arg(metavar="IMAGES")],
    /,
    *,
    output: Path,
    features: str = "inception_v3",
    protocol: Literal["clean_fid", "pytorch_fid", "tensorflow"] = "clean_fid",
    alpha: Literal["error", "drop", "white", "black"] = "error",
    color_profile: Literal["srgb", "keep", "error"] = "srgb",
    max_pixels: int = 200_000_000,
    batch: int | None = None,
    workers: int | None = None,
) -> int:
    """Keep mean and covariance of a folder's features, to compare other sets with it by FID.

    Args:
        images: The folder.
        output: File to write, such as real.safetensors.
        features: As in `jiqa compare-sets`.
        protocol: As in `jiqa compare-sets`.
        alpha: As in `jiqa compare-sets`.
        color_profile: As in `jiqa compare-sets`.
        max_pixels: As in `jiqa compare-sets`.
        batch: As in `jiqa compare-sets`.
        workers: As in `jiqa compare-sets`.
    """
    from jiqa.distribution import comparison, statistics
    from jiqa.scoring import use_compilation_cache

    comparison.check_output(output, ".safetensors")
    use_compilation_cache()
    with _progress_bar("measuring", "images") as progress:
        found = comparison.set_statistics(
            images,
            features=features,
            protocol=protocol,
            reading={"alpha": alpha, "color_profile": color_profile, "max_pixels": max_pixels},
            batch=batch,
            workers=workers,
            progress=progress,
        )
    statistics.save_statistics(output, found)
    print(f"The statistics are {output}: jiqa compare-sets {output} GENERATED --metrics fid")
    return 0


def list_metrics(
    *, kind: Literal["full_reference", "reduced_reference", "no_reference"] | None = None
) -> int:
    """List all metrics with what they measure.

    Args:
        kind: Only metrics of this kind.
    """
    from jiqa.core import registry

    table = _table("metric", "kind", "best", "what it measures")
    for name in registry.list_metrics(kind):
        found = registry.find(name)
        best = _arrow(found.higher_is_better, found.identical)
        table.add_row(name, found.kind.replace("_", " "), best, found.summary)
    _console().print(table)
    return 0


def describe(name: Annotated[str, tyro.conf.Positional]) -> int:
    """Describe a metric: polarity, range, paper and options.

    Args:
        name: A name from `jiqa list`.
    """
    from jiqa.core import registry

    print(registry.describe(name))
    return 0


def demo(*, output: Path = Path("jiqa-demo"), browser: bool = False) -> int:
    """Score bundled photographs under real distortions and write a page that shows them.

    Args:
        output: Folder for the page.
        browser: Open the page in a browser.
    """
    from jiqa.explain import demo as explain_demo
    from jiqa.scoring import use_compilation_cache

    use_compilation_cache()
    page = explain_demo.run(output)
    print(f"The page is {page}.")
    if browser:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
    return 0


def fit_niqe(
    photographs: Annotated[Path, tyro.conf.Positional],
    *,
    output: Path,
    block_size: int = 96,
    sharpness: float = 0.75,
) -> int:
    """Fit a model of pristine photographs, for niqe:model=FILE.

    Args:
        photographs: A folder of photographs without visible distortion, of any sizes.
        output: The model to write, such as ours.safetensors.
        block_size: Side of a block in pixels.
        sharpness: Blocks count that are sharper than this share of their photograph's sharpest.
    """
    from jiqa.core.models import save_model
    from jiqa.images import read_image
    from jiqa.pairs import find_images

    paths = _track("measuring", find_images(photographs))
    images = (read_image(path) for path in paths)
    model = jiqa.fit_niqe(images, block_size=block_size, sharpness=sharpness)
    save_model(output, model)
    print(f"The model is {output}: jiqa score IMAGES --metrics niqe:model={output}")
    return 0


def fit_brisque(table: Annotated[Path, tyro.conf.Positional], *, output: Path) -> int:
    """Fit the regression of BRISQUE to opinions, for brisque:model=FILE.

    Args:
        table: A CSV file with the columns image, a path as seen from the table, and score.
        output: The model to write, such as ours.safetensors.
    """
    import numpy as np
    import pandas as pd

    from jiqa.core.models import save_model
    from jiqa.images import read_image

    rated = pd.read_csv(table)
    if missing := {"image", "score"} - set(rated.columns):
        raise ValueError(f"{table}: no column {', '.join(sorted(missing))}.")
    paths = _track("measuring", [table.parent / name for name in rated["image"]])
    features = [np.asarray(jiqa.brisque_features(read_image(path)))[0] for path in paths]
    save_model(output, jiqa.fit_brisque(np.stack(features), rated["score"].to_numpy()))
    print(f"The model is {output}: jiqa score IMAGES --metrics brisque:model={output}")
    return 0


def list_weights() -> int:
    """List all parameters that have a name, and where they are."""
    from jiqa.weights import catalogue

    table = _table("name", "what it is", "licence", "size", "where")
    for entry in catalogue():
        size = entry.path.stat().st_size if entry.path else entry.size
        table.add_row(
            entry.name, entry.summary, entry.licence, f"{size / 2**20:.1f} MiB", _whereabouts(entry)
        )
    _console().print(table)
    return 0


def fetch_weights(names: Annotated[tuple[str, ...], tyro.conf.Positional]) -> int:
    """Bring parameters onto this machine, and verify those that are here.

    Args:
        names: Names from `jiqa weights list`.
    """
    from jiqa.weights import fetch

    if not names:
        raise ValueError("fetch takes names; see jiqa weights list.")
    for name in names:
        print(f"{name} is {fetch(name)}.")
    return 0


def import_weights(
    file: Annotated[Path, tyro.conf.Positional], name: Annotated[str, tyro.conf.Positional]
) -> int:
    """Convert a checkpoint of PyTorch, Flax or Chainer into the cache. Nothing in it is executed.

    Args:
        file: A file of PyTorch, safetensors, npz, Flax msgpack or a pickle of arrays.
        name: A name from `jiqa weights list`, whose network it must be, or a new one.
    """
    from jiqa.weights import import_checkpoint

    print(f"{name} is {import_checkpoint(file, name)}.")
    return 0


def find_weights(name: Annotated[str | None, tyro.conf.Positional] = None) -> int:
    """Say which file parameters are read from.

    Args:
        name: A name from `jiqa weights list`; without it, the folder of the cache.
    """
    from jiqa.weights import where

    if (path := where(name)) is None:
        raise FileNotFoundError(f"{name} is not on this machine; see jiqa weights list.")
    print(path)
    return 0


def _prepared(function: Callable[P, int]) -> Callable[P, Callable[[], int]]:
    """Gives the call instead of making it: tyro would take its errors for those of arguments."""

    @functools.wraps(function)
    def prepare(*args: P.args, **kwargs: P.kwargs) -> Callable[[], int]:
        return functools.partial(function, *args, **kwargs)

    return prepare


def weights(
    command: tyro.conf.OmitSubcommandPrefixes[
        Annotated[Any, tyro.conf.subcommand("list", constructor=_prepared(list_weights))]
        | Annotated[Any, tyro.conf.subcommand("fetch", constructor=_prepared(fetch_weights))]
        | Annotated[Any, tyro.conf.subcommand("import", constructor=_prepared(import_weights))]
        | Annotated[Any, tyro.conf.subcommand("where", constructor=_prepared(find_weights))]
    ],
) -> int:
    """List, fetch, import and find parameters of pretrained networks."""
    return command()


def mos(
    ratings: Annotated[Path, tyro.conf.Positional],
    *,
    model: Literal[
        "mean", "differential", "z_scores", "unbiased", "recovered", "ambiguity"
    ] = "mean",
    screen: Literal["none", "bt500", "correlation", "reliability"] | None = None,
    scale: tuple[float, float] | None = None,
    confidence: float = 0.95,
    prior_votes: float = 0.0,
    sessions: Path | None = None,
    matrix: bool = False,
    columns: tuple[str, str, str] = ("observer", "stimulus", "score"),
    missing: float | None = None,
    output: Path | None = None,
    page: Path | None = None,
    rows: int = 40,
) -> int:
    """Turn observers' votes into scores with intervals, and say whom and how far to trust.

    Args:
        ratings: A CSV table with a row a vote and the columns observer, stimulus and score (and, if
            known, content, reference and expected, the score of a golden item); or a data set of
            sureal, .json or .py, which is read and not run.
        model: What a score is: mean opinion (MOS), differential (DMOS, less the hidden reference),
            mean z-score on LIVE's scale, mean without observers' biases (P.913), recovered by
            maximum likelihood (P.910), or that with the ambiguity of contents.
        screen: Who is left out: none, by BT.500, by correlation with the mean (P.913), or by the
            rules for crowds. Without it bt500, and none for the models that weight observers.
        scale: Lowest and highest score of the scale; without it, of the votes.
        confidence: Of all intervals.
        prior_votes: Votes of average inconsistency that each observer is taken to have given
            besides; some, such as 5, for crowds.
        sessions: A CSV table of conditions, a row an observer, to check against guidelines.
        matrix: The CSV table has a row a stimulus and a column an observer instead.
        columns: What the columns of observer, stimulus and score are called.
        missing: A score that stands for a vote not given.
        output: Table to write, with the observers beside it: .csv or .json.
        page: HTML page to write, with drawings.
        rows: Rows of each table to show.
    """
    from jiqa.opinions import analyse, check_opinions_path
    from jiqa.subjective.rating_files import read_matrix, read_ratings
    from jiqa.subjective.sessions import read_sessions

    if output is not None:
        check_opinions_path(output)
    if matrix:
        found = read_matrix(ratings, missing=missing)
    else:
        named = dict(zip(("observer", "stimulus", "score"), columns, strict=True))
        found = read_ratings(ratings, columns=named, missing=missing)
    opinions = analyse(
        found,
        model=model,
        screen=screen,
        scale=scale,
        confidence=confidence,
        prior_votes=prior_votes,
        sessions=read_sessions(sessions) if sessions else (),
    )
    _print_opinions(opinions, rows)
    if output is not None:
        opinions.write(output)
    if page is not None:
        from jiqa.explain.opinion_page import write_opinion_page

        print(f"The page is {write_opinion_page(page, opinions, title=ratings.name)}.")
    return 0


COMMANDS: dict[str, Callable[..., int]] = {
    "score": score,
    "bench": bench,
    "compare-sets": compare_sets,
    "set-statistics": set_statistics,
    "list": list_metrics,
    "describe": describe,
    "demo": demo,
    "fit-niqe": fit_niqe,
    "fit-brisque": fit_brisque,
    "weights": weights,
    "mos": mos,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: What follows `jiqa`; None means those of the process.

    Returns:
        The exit status.

    >>> main(["--version"])
    jiqa ...
    0
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments == ["--version"]:
        print(f"jiqa {jiqa.__version__}")
        return 0
    try:
        return tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="jiqa", description="Image quality assessment.", args=arguments
        )
    except (ValueError, OSError, ImportError) as error:
        print(f"jiqa: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _track(what: str, paths: Sequence[Path]) -> Iterable[Path]:
    """The paths, with a bar on standard error if that is a terminal."""
    from rich.progress import track

    console = Console(stderr=True)
    return track(paths, what, console=console, disable=not console.is_terminal)


@contextmanager
def _progress_bar(what: str, unit: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar with rate and time left on standard error, if that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    from rich import progress

    class Rate(progress.ProgressColumn):
        def render(self, task: progress.Task) -> str:
            return f"{task.speed:.1f} {unit}/s" if task.speed else ""

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        Rate(),
    )
    left = progress.TimeRemainingColumn()
    with progress.Progress(*columns, left, console=console, transient=True) as bar:
        tasks: list[progress.TaskID] = []

        def advance(finished: int, total: int) -> None:
            # What a resumed run had finished before is no progress of this one.
            if not tasks:
                tasks.append(bar.add_task(what, total=total, completed=finished))
            bar.update(tasks[0], completed=finished)

        yield advance


def _print_scores(scores: "Scores", rows: int, output: Path | None) -> None:
    """Prints the first rows, and the means of all."""
    frame, facts = scores.frame, scores.metadata["metrics"]
    names = [name for name in ("reference", "distorted") if name in frame]
    table = _table(*names)
    for column, fact in facts.items():
        best = _arrow(fact["higher_is_better"], fact["identical"])
        table.add_column(f"{column} {best}", justify="right")
    shown = frame.head(rows)
    cells = [_short_names(shown[name]) for name in names]
    cells += [_numbers(shown[column], frame[column]) for column in facts]
    for row in zip(*cells, strict=True):
        table.add_row(*row)
    means = [_numbers(frame[[column]].mean(), frame[column])[0] for column in facts]
    scored = int(frame[list(facts)].notna().any(axis=1).sum())
    table.add_section()
    table.add_row(*[""] * (len(names) - 1), f"mean of {scored}", *means)
    console = _console()
    console.print(table)
    if len(shown) < len(frame):
        rest = f"all are in {output}" if output else "--output keeps all of them"
        console.print(f"The first {len(shown)} of {len(frame)} pairs; {rest}.")


def _print_report(report: "Report") -> None:
    """Prints the correlations of each data set, best metric first, and of all together."""
    console = _console()
    shown = {
        "SROCC": "srocc",
        "KROCC": "krocc",
        "PLCC fitted": "plcc_mapped",
        "PLCC": "plcc",
        "RMSE": "rmse",
        "C0": "correct",
    }
    for found in report.evaluations:
        rows = found.summary.sort_values("srocc", ascending=False)
        columns = {head: name for head, name in shown.items() if name in rows}
        table = _table("metric")
        for head in columns:
            table.add_column(head, justify="right")
        for row in rows.to_dict("records"):
            cells = []
            for name in columns.values():
                cell = f"{row[name]:.4f}"
                if f"{name}_low" in rows:
                    cell += f" [{row[f'{name}_low']:.3f}, {row[f'{name}_high']:.3f}]"
                cells.append(cell.replace("nan", "-"))
            best = "↑" if row["higher_is_better"] else "↓"
            table.add_row(f"{row['metric']} {best}", *cells)
        size = len(found.rated.quality)
        console.print(f"{found.rated.name}: {size} images, intervals over {found.drawn}")
        console.print(table)
        for note in found.notes:
            console.print(f"  {note}")
    if len(report.evaluations) > 1:
        overview = report.overview()
        table = _table("SROCC")
        for data_set in overview.columns:
            table.add_column(str(data_set), justify="right")
        for metric, values in zip(overview.index, overview.to_numpy(), strict=True):
            table.add_row(metric, *(f"{value:.4f}".replace("nan", "-") for value in values))
        console.print(table)


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _print_errors(scores: "Scores", output: Path | None) -> int:
    """Lists the pairs that failed on standard error; returns the exit status."""
    failed = scores.failed
    most = ERRORS_SHOWN if output else len(failed)
    for distorted, error in failed[["distorted", "error"]].head(most).itertuples(index=False):
        where = "" if distorted in error else f"{distorted}: "
        print(f"jiqa: {where}{error}", file=sys.stderr)
    if len(failed) > most:
        print(f"jiqa: and {len(failed) - most} more, see {output}.", file=sys.stderr)
    if len(failed):
        total = len(scores.frame)
        print(f"jiqa: {len(failed)} of {total} pairs could not be scored.", file=sys.stderr)
    return 1 if len(failed) else 0


def _print_opinions(opinions: "Opinions", rows: int) -> None:
    """Prints the first stimuli, rejected observers with their reasons, and agreement."""
    from rich.markup import escape

    stimuli, observers, facts = opinions.stimuli, opinions.observers, opinions.metadata
    names = ["votes", "score", "low", "high", "deviation"]
    table = _table("stimulus")
    for name in names:
        table.add_column(name, justify="right")
    for row in stimuli.head(rows).to_dict("records"):
        table.add_row(escape(row["stimulus"]), *(_opinion(row[name]) for name in names))
    console = _console()
    console.print(table)
    if len(stimuli) > rows:
        console.print(f"The first {rows} of {len(stimuli)} stimuli.")
    low, high = facts["scale"]
    console.print(
        f"{facts['votes']} votes of {facts['observers'] - facts['rejected']} of "
        f"{facts['observers']} observers on a scale from {low:g} to {high:g}; scores by model "
        f"{facts['model']}, screened by {facts['screen']}."
    )
    for row in observers[observers["rejected"]].to_dict("records"):
        console.print(f"rejected {row['observer']}: {row['reason']}", markup=False)
    if facts["note"]:
        console.print(facts["note"], markup=False)
    for name, (value, *ends) in facts["agreement"].items():
        interval = f" ({_opinion(ends[0])} to {_opinion(ends[1])})"
        console.print(f"{name} {_opinion(value)}{interval if value is not None else ''}")
    if facts["sos"] and facts["sos"]["a"] is not None:
        console.print(f"SOS parameter {facts['sos']['a']:.3f}")
    for check in facts["checks"]:
        if check["status"] != "pass":
            line = f"{check['topic']}, {check['name']}: {check['status']}, {check['detail']}"
            console.print(line, markup=False)
    for what, found in facts["groups"].items():
        console.print(f"observers' bias by {what}: p = {_opinion(found['p_value'])}")


def _opinion(value: float | None) -> str:
    """A number of the table of opinions."""
    if value is None or math.isnan(value):
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _console() -> Console:
    """Standard output; where it is not a terminal, as wide as the text needs."""
    console = Console()
    return console if console.is_terminal else Console(width=10_000)


def _table(*columns: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _whereabouts(entry: "Entry") -> str:
    """Where the parameters of a network are, or what brings them."""
    from jiqa.weights import DATA, where

    if entry.path is None:
        fetched = [source for source in entry.sources if source.address or source.project]
        return f"to fetch, {fetched[0].size / 2**20:.0f} MiB" if fetched else "to import"
    places = {DATA: "comes with jiqa", where(): "in the cache"}
    return places.get(entry.path.parent, str(entry.path))


def _arrow(higher_is_better: bool | None, identical: float | str | None) -> str:
    """Where the best score lies."""
    if higher_is_better is None:
        return f"→{float(identical or 0):g}"
    return "↑" if higher_is_better else "↓"


def _short_names(paths: "pd.Series") -> list[str]:
    """Paths below the folder that all of them share."""
    parents = [str(Path(path).parent) for path in paths]
    common = os.path.commonpath(parents)
    return [os.path.relpath(path, common) if common else path for path in paths]


def _numbers(values: "pd.Series", column: "pd.Series") -> list[str]:
    """Numbers with as many decimals as give the largest of the column four digits."""
    sizes = [abs(value) for value in column if math.isfinite(value) and value != 0]
    decimals = min(8, max(0, 4 - math.ceil(math.log10(max(sizes))))) if sizes else 4
    return ["-" if math.isnan(value) else f"{value:.{decimals}f}" for value in values]
