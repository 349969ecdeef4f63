"""From ratings to tables of opinion: scores of stimuli, traits of observers, and how they agree."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

import jiqa
from jiqa.files import check_output, write_text, write_whole
from jiqa.results import metadata_path
from jiqa.subjective.agreement import intraclass_correlations, one_way_correlations
from jiqa.subjective.content_ambiguity import recover_with_ambiguity
from jiqa.subjective.groups import compare_groups
from jiqa.subjective.ratings import Ratings, listed
from jiqa.subjective.recovery import recover_scores, subtract_bias
from jiqa.subjective.reliability import judge_reliability, measure_reliability
from jiqa.subjective.scores import (
    differential_scores,
    mean_opinion,
    quantile,
    rescale_z_scores,
    z_scores,
)
from jiqa.subjective.screening import Screening, screen_bt500, screen_by_correlation
from jiqa.subjective.sessions import Session, check_study
from jiqa.subjective.sos import fit_sos

if TYPE_CHECKING:
    import pandas as pd

Model = Literal["mean", "differential", "z_scores", "unbiased", "recovered", "ambiguity"]
Screen = Literal["none", "bt500", "correlation", "reliability"]

OPINION_SUFFIXES = (".csv", ".json")


@dataclass(frozen=True)
class Opinions:
    """What observers think of stimuli.

    Attributes:
        stimuli: A row a stimulus: `stimulus`, `content` (if known), `votes`, `score`, `error`,
            `low` and `high` (of the confidence interval), `deviation` (SOS). Rejected observers'
            votes do not count.
        observers: A row an observer: `observer`, `bias` and `inconsistency` (among all observers),
            the measures of `measure_reliability`, `rejected` and `reason`.
        metadata: How scores were made, agreement, SOS parameter, sessions, date and version.
    """

    stimuli: "pd.DataFrame"
    observers: "pd.DataFrame"
    metadata: Mapping[str, Any]

    def write(self, path: Path | str) -> None:
        """Writes all tables, each file at once or not at all.

        Args:
            path: A `.csv` file for the stimuli, with the observers beside it in
                `observers_path(path)` and the metadata in `<path>.meta.json`; or a `.json` file
                that holds all three. Missing numbers are empty, or null.

        Raises:
            ValueError: Another suffix.
            OSError: A file cannot be written.
        """
        path = Path(path)
        check_output(path, OPINION_SUFFIXES)
        if path.suffix == ".csv":
            metadata = json.dumps(self.metadata, indent=2, allow_nan=False)
            write_text(metadata_path(path), metadata)
            with write_whole(observers_path(path)) as file:
                self.observers.to_csv(file, index=False)
            with write_whole(path) as file:
                self.stimuli.to_csv(file, index=False)
            return
        document = {
            "metadata": self.metadata,
            "stimuli": _records(self.stimuli),
            "observers": _records(self.observers),
        }
        write_text(path, json.dumps(document, indent=1, allow_nan=False))


def analyse(
    ratings: Ratings,
    *,
    model: Model = "mean",
    screen: Screen | None = None,
    scale: tuple[float, float] | None = None,
    confidence: float = 0.95,
    prior_votes: float = 0.0,
    sessions: Sequence[Session] = (),
) -> Opinions:
    """Screens the observers, and makes scores of the votes of those that are left.

    Args:
        ratings: The votes.
        model: "mean" (MOS), "differential" (DMOS, less the votes on hidden references), "z_scores"
            (mean of z-scores, rescaled as in the LIVE data sets), "unbiased" (P.913, 12.4),
            "recovered" (maximum likelihood, P.910), or "ambiguity" (with that of contents).
        screen: "none", "bt500", "correlation" (P.913, 0.75) or "reliability" (the rules for
            crowds). None is "bt500", but "none" for the models that weight observers, "recovered"
            and "ambiguity".
        scale: The lowest and highest score of the scale, for the SOS parameter and differential
            scores; None for the lowest and highest vote.
        confidence: Of all intervals.
        prior_votes: As in `recover_scores`, for observers' traits and recovered scores.
        sessions: Conditions of observers, for the checks of guidelines.

    Returns:
        Tables and metadata.

    Raises:
        ValueError: An unknown model or screen; votes outside the scale; what the model needs is not
            there; a session of nobody; all that the functions of `jiqa.subjective` refuse.

    >>> votes = np.array([[1, 2, 1, 2], [3, 3, 4, 3], [5, 4, 5, 5]], float)[..., None]
    >>> analyse(Ratings(votes, ("a", "b", "c"), tuple("ABCD"))).stimuli["score"].tolist()
    [1.5, 3.25, 4.75]
    """
    import pandas as pd

    if model not in get_args(Model):
        raise ValueError(f"model={model!r} is unknown; use one of {', '.join(get_args(Model))}.")
    screen = screen or ("none" if model in ("recovered", "ambiguity") else "bt500")
    if screen not in get_args(Screen):
        raise ValueError(f"screen={screen!r} is unknown; use one of {', '.join(get_args(Screen))}.")
    votes = ratings.scores[~np.isnan(ratings.scores)]
    low, high = scale or (float(votes.min()), float(votes.max()))
    if votes.min() < low or votes.max() > high:
        raise ValueError(
            f"votes go from {votes.min():g} to {votes.max():g}, which is outside the scale from "
            f"{low:g} to {high:g}."
        )
    measures = measure_reliability(ratings.scores, expected=ratings.expected)
    screening = _screen(ratings, screen, measures)
    kept = ratings.without(screening.rejected)
    traits, note = _traits(ratings, prior_votes)
    observers = pd.DataFrame({"observer": ratings.observers, **traits, **measures})
    observers["votes"] = observers["votes"].astype(int)
    observers["rejected"], observers["reason"] = screening.rejected, screening.reasons
    stimuli = pd.DataFrame({"stimulus": ratings.stimuli})
    if ratings.contents is not None:
        stimuli["content"] = ratings.contents
    columns, further = _score(kept, model, confidence, prior_votes, high)
    metadata = {
        "model": model,
        "screen": screen,
        "observers": len(ratings.observers),
        "rejected": int(screening.rejected.sum()),
        "stimuli": len(ratings.stimuli),
        "votes": int(columns["votes"].sum()),
        "scale": [low, high],
        "confidence": confidence,
        "agreement": _agreement(kept.scores, confidence),
        "sos": _sos(kept.scores, low, high),
        **further,
        "note": note,
        **_conditions(observers, sessions),
        "jiqa": jiqa.__version__,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return Opinions(stimuli.assign(**columns), observers, metadata)


def observers_path(output: Path | str) -> Path:
    """The file that holds the observers beside a CSV table of stimuli.

    >>> observers_path("opinions.csv").name
    'opinions.observers.csv'
    """
    return Path(output).with_suffix(".observers.csv")


def _screen(ratings: Ratings, screen: Screen, measures: Mapping[str, np.ndarray]) -> Screening:
    if screen == "bt500":
        return screen_bt500(ratings.scores)
    if screen == "correlation":
        return screen_by_correlation(ratings.scores)
    if screen == "reliability":
        return judge_reliability(measures)
    number = len(ratings.observers)
    return Screening(np.zeros(number, bool), ("",) * number, {})


def _traits(ratings: Ratings, prior_votes: float) -> tuple[dict[str, np.ndarray], str]:
    """Bias and inconsistency of all observers, or why they are not known."""
    try:
        found = recover_scores(ratings.scores, prior_votes=prior_votes)
    except ValueError as error:
        unknown = np.full(len(ratings.observers), np.nan)
        note = f"bias and inconsistency are not known: {error}"
        return {"bias": unknown, "inconsistency": unknown}, note
    return {"bias": found.bias, "inconsistency": found.inconsistency}, ""


def _score(
    ratings: Ratings, model: Model, confidence: float, prior_votes: float, best: float
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The columns of the stimuli, and metadata of the model."""
    scores = ratings.scores
    plain = mean_opinion(scores, confidence=confidence)
    if model in ("recovered", "ambiguity"):
        further: dict[str, Any] = {}
        if model == "recovered":
            found = recover_scores(scores, prior_votes=prior_votes)
        else:
            if ratings.contents is None:
                raise ValueError("the model ambiguity needs contents: a column content.")
            with_contents = recover_with_ambiguity(scores, ratings.contents)
            found = with_contents.recovery
            pairs = zip(with_contents.contents, with_contents.ambiguity.tolist(), strict=True)
            further["ambiguity"] = dict(pairs)
        width = found.score_error * quantile(confidence, "normal")
        further["bic"] = found.bic if math.isfinite(found.bic) else None
        return {
            "votes": plain.votes,
            "score": found.score,
            "error": found.score_error,
            "low": found.score - width,
            "high": found.score + width,
            "deviation": plain.deviation,
        }, further
    if model == "differential":
        if ratings.references is None or (ratings.references < 0).all():
            raise ValueError("the model differential needs references: a column reference.")
        top = ratings.best_score if ratings.best_score is not None else best
        scores = differential_scores(scores, ratings.references, best=top)
    elif model == "unbiased":
        scores, _ = subtract_bias(scores)
    elif model == "z_scores":
        scores = rescale_z_scores(z_scores(scores))
    found_mean = mean_opinion(scores, confidence=confidence)
    names = ("votes", "score", "error", "low", "high", "deviation")
    return {name: getattr(found_mean, name) for name in names}, {}


def _agreement(scores: np.ndarray, confidence: float) -> dict[str, list[float | None]]:
    """Intraclass correlations with their intervals: six of complete ratings, else two."""
    votes = scores[~np.isnan(scores).all((1, 2))]
    complete = votes.shape[2] == 1 and not np.isnan(votes).any() and min(votes.shape[:2]) > 1
    try:
        correlate = intraclass_correlations if complete else one_way_correlations
        found = correlate(votes, confidence=confidence)
    except ValueError:  # one stimulus, or one vote a stimulus: there is nothing to agree on
        return {}
    return {name: [_finite(value) for value in values] for name, values in found.items()}


def _sos(scores: np.ndarray, low: float, high: float) -> dict[str, float | None] | None:
    if low == high or ((~np.isnan(scores)).sum((1, 2)) < 2).all():
        return None  # all votes are equal, or no stimulus has two
    fit = fit_sos(scores, low=low, high=high)
    return {"a": _finite(fit.a), "error": _finite(fit.error), "rmse": _finite(fit.rmse)}


def _conditions(observers: "pd.DataFrame", sessions: Sequence[Session]) -> dict[str, Any]:
    """Findings of the guidelines' checks, and how observers' biases differ between groups."""
    if not sessions:
        return {"checks": [], "groups": {}}
    names = list(observers["observer"])
    if unknown := sorted({session.observer for session in sessions} - set(names)):
        raise ValueError(f"{listed(unknown)} has a session but no votes.")
    by_name = {session.observer: session for session in sessions}
    groups = {}
    for what in ("country", "language", "gamut", "resolution"):
        values = [getattr(by_name.get(name), what, None) for name in names]
        group = ["" if value is None else str(value) for value in values]
        known = [g for g, bias in zip(group, observers["bias"], strict=True) if bias == bias]
        if len(set(known) - {""}) > 1:
            found = compare_groups(observers["bias"].to_numpy(float), group)
            groups[what] = {
                "bias": dict(zip(found.groups, found.mean.tolist(), strict=True)),
                "observers": dict(zip(found.groups, found.observers.tolist(), strict=True)),
                "explained": _finite(found.explained),
                "p_value": _finite(found.p_value),
            }
    checks = [finding._asdict() for finding in check_study(sessions)]
    return {"checks": checks, "groups": groups}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _records(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Rows that JSON can hold."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(key): _plain(value) for key, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
