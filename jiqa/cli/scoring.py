"""The command `jiqa score`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from jiqa.cli.terminal import (
    direction,
    format_numbers,
    make_console,
    make_table,
    progress_bar,
    short_names,
    split_names,
)

if TYPE_CHECKING:
    from jiqa.results import Scores

ERRORS_SHOWN = 20


def score(
    images: Annotated[
        tuple[Path, ...], tyro.conf.arg(metavar="REFERENCE DISTORTED | MANIFEST | IMAGES")
    ],
    /,
    *,
    metrics: str | None = None,
    model: Path | None = None,
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
        metrics: Names from `jiqa list`, with options as in ssim:luma=bt601:window_size=7; if none
            and no model is given, psnr,ssim.
        model: A network that `jiqa train` trained.
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
    if metrics is None and model is None:
        metrics = "psnr,ssim"
    names = split_names(metrics or "") + ([] if model is None else [str(model)])
    pairs = find_pairs(*images, pattern=pattern, unpaired=unpaired)

    from jiqa.scoring import score_files, use_compilation_cache

    use_compilation_cache()
    try:
        with progress_bar("scoring", "pairs") as progress:
            scores = score_files(
                pairs,
                names,
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


def _print_scores(scores: "Scores", rows: int, output: Path | None) -> None:
    """Prints the first rows, and the means of all."""
    frame, facts = scores.frame, scores.metadata["metrics"]
    names = [name for name in ("reference", "distorted") if name in frame]
    table = make_table(*names)
    for column, fact in facts.items():
        best = direction(fact["higher_is_better"], fact["identical"])
        table.add_column(f"{column} {best}", justify="right")
    shown = frame.head(rows)
    cells = [short_names(shown[name]) for name in names]
    cells += [format_numbers(shown[column], frame[column]) for column in facts]
    for row in zip(*cells, strict=True):
        table.add_row(*row)
    means = [format_numbers(frame[[column]].mean(), frame[column])[0] for column in facts]
    scored = int(frame[list(facts)].notna().any(axis=1).sum())
    table.add_section()
    table.add_row(*[""] * (len(names) - 1), f"mean of {scored}", *means)
    console = make_console()
    console.print(table)
    if len(shown) < len(frame):
        rest = f"all are in {output}" if output else "--output keeps all of them"
        console.print(f"The first {len(shown)} of {len(frame)} pairs; {rest}.")


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
