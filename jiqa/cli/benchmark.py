"""The command `jiqa bench`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from jiqa.cli.terminal import make_console, make_table, progress_bar, split_names

if TYPE_CHECKING:
    from jiqa.evaluation.report import Report


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
        data: Rated images: a folder of a data set of `jiqa datasets list` as published (or
            NAME=FOLDER where it holds several), or a table with the columns distorted, mos or dmos
            and, where known, reference, std, ratings, standard_error, distortion, level, content.
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
        from jiqa.evaluation.page import write_page
        from jiqa.pages import load_template

        load_template("bench.html")  # what it lacks should show now
    protocol = Protocol(mapping, resample, resamples, confidence, significance, correction, seed)
    names = None if metrics is None else split_names(metrics)
    data_sets, tables = run.open_sources(data, scores, names, columns)
    for data_set in data_sets:
        try:
            with progress_bar(f"scoring {data_set.name}", "pairs") as progress:
                table = run.score_data_set(
                    data_set,
                    names or ["psnr", "ssim"],
                    output,
                    resume=resume,
                    workers=workers,
                    progress=progress,
                )
        except KeyboardInterrupt:
            print(f"jiqa: interrupted; add --resume to use {output}/scores.", file=sys.stderr)
            raise
        tables.append(table)
    evaluations = []
    rated = run.rate_all(
        tables, higher=split_names(higher_is_better), lower=split_names(lower_is_better)
    )
    for found in rated:
        with progress_bar(f"statistics of {found.name}", "steps") as progress:
            evaluations.append(evaluate(found, protocol, progress=progress))
    report = Report(evaluations, run.metadata(protocol))
    written = report.write(output)
    if page:
        written = write_page(output / "index.html", report)
    _print_report(report)
    print(f"All results are in {output}; see {written}.")
    failed = sum(
        int(table.frame["error"].notna().sum()) for table in tables if "error" in table.frame
    )
    if failed:
        print(f"jiqa: {failed} pairs could not be scored, see {output}/scores.", file=sys.stderr)
    return 1 if failed else 0


def _print_report(report: "Report") -> None:
    """Prints the correlations of each data set, best metric first, and of all together."""
    console = make_console()
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
        table = make_table("metric")
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
        table = make_table("SROCC")
        for data_set in overview.columns:
            table.add_column(str(data_set), justify="right")
        for metric, values in zip(overview.index, overview.to_numpy(), strict=True):
            table.add_row(metric, *(f"{value:.4f}".replace("nan", "-") for value in values))
        console.print(table)
