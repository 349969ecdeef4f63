"""Opinions of observers: from votes to scores with intervals.

Votes are arrays `[stimuli, observers]` or `[stimuli, observers, repetitions]` with NaN for votes
not given; `read_ratings` makes them of files. The functions below are attributes of this package,
and each is in the file of its concept.
"""

import importlib
from typing import Any

_NAMES = {
    "adaptive": ("expected_information", "next_pairs"),
    "agreement": ("compare_scores", "intraclass_correlations", "one_way_correlations"),
    "content_ambiguity": ("recover_with_ambiguity",),
    "groups": ("compare_groups",),
    "jnd": (
        "jnd_from_proportion",
        "pairs_of_triplets",
        "proportion_from_jnd",
        "ruler_modulation",
        "ruler_quality",
    ),
    "merging": ("merge_linear", "merge_monotone"),
    "merging_features": ("merge_by_features",),
    "merging_pairs": ("merge_by_pairs",),
    "pairwise": ("bootstrap_pairs", "count_wins", "preference", "scale_pairs", "screen_pairs"),
    "personal": ("PersonalModel", "fit_personal"),
    "rating_files": ("read_matrix", "read_ratings", "read_sureal"),
    "ratings": ("Ratings", "ratings_from_table"),
    "recovery": ("recover_scores", "subtract_bias"),
    "reliability": (
        "ReliabilityRules",
        "golden_share",
        "judge_reliability",
        "longest_run",
        "measure_reliability",
        "repeat_difference",
        "vote_entropy",
        "vote_surprise",
    ),
    "scores": (
        "differential_scores",
        "mean_opinion",
        "rescale_z_scores",
        "vote_shares",
        "z_scores",
    ),
    "screening": ("screen_bt500", "screen_by_correlation"),
    "sessions": ("Session", "check_session", "check_study", "decimal_acuity", "read_sessions"),
    "sos": ("fit_sos",),
    "triplets": ("scale_triplets",),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
