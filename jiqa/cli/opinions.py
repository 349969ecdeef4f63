"""The command `jiqa mos`."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from jiqa.cli.terminal import make_console, make_table

if TYPE_CHECKING:
    from jiqa.opinions import Opinions


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
    from jiqa.files import check_output
    from jiqa.opinions import OPINION_SUFFIXES, analyse
    from jiqa.subjective.rating_files import read_matrix, read_ratings
    from jiqa.subjective.sessions import read_sessions

    if output is not None:
        check_output(output, OPINION_SUFFIXES)
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


def _print_opinions(opinions: "Opinions", rows: int) -> None:
    """Prints the first stimuli, rejected observers with their reasons, and agreement."""
    from rich.markup import escape

    stimuli, observers, facts = opinions.stimuli, opinions.observers, opinions.metadata
    names = ["votes", "score", "low", "high", "deviation"]
    table = make_table("stimulus")
    for name in names:
        table.add_column(name, justify="right")
    for row in stimuli.head(rows).to_dict("records"):
        table.add_row(escape(row["stimulus"]), *(_opinion(row[name]) for name in names))
    console = make_console()
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
