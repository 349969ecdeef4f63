"""Agreement of metrics with opinions: statistics, intervals, tests, and the benchmark on data sets.

Offline statistics are NumPy and SciPy in double precision; what must be fast (the bootstrap) or
have a gradient (the losses) is JAX. `docs/evaluation.md` says which statistic means what.
"""

from jiqa.evaluation.bootstrap import Bootstrap, bootstrap
from jiqa.evaluation.breakdown import Breakdown, by_group, quality_ranges
from jiqa.evaluation.consistency import d_test, discriminable_pairs, l_test, p_test
from jiqa.evaluation.correlation import krocc, plcc, srocc
from jiqa.evaluation.curves import Curve, fit_curve
from jiqa.evaluation.decisions import (
    Decisions,
    Pairs,
    decide,
    decision_frequencies,
    judge_pairs,
)
from jiqa.evaluation.dependent_correlations import meng_z_test, steiger_z_test
from jiqa.evaluation.differentiable import plcc_loss, soft_rank, srocc_loss
from jiqa.evaluation.errors import mae, outlier_ratio, rmse
from jiqa.evaluation.gmad import Contest, gmad_contests
from jiqa.evaluation.intervals import fisher_interval
from jiqa.evaluation.multiple_comparisons import benjamini_hochberg, holm
from jiqa.evaluation.residual_tests import f_test, wilcoxon_test
from jiqa.evaluation.samples import UndefinedStatisticError

__all__ = [
    "Bootstrap",
    "Breakdown",
    "Contest",
    "Curve",
    "Decisions",
    "Pairs",
    "UndefinedStatisticError",
    "benjamini_hochberg",
    "bootstrap",
    "by_group",
    "d_test",
    "decide",
    "decision_frequencies",
    "discriminable_pairs",
    "f_test",
    "fisher_interval",
    "fit_curve",
    "gmad_contests",
    "holm",
    "judge_pairs",
    "krocc",
    "l_test",
    "mae",
    "meng_z_test",
    "outlier_ratio",
    "p_test",
    "plcc",
    "plcc_loss",
    "quality_ranges",
    "rmse",
    "soft_rank",
    "srocc",
    "srocc_loss",
    "steiger_z_test",
    "wilcoxon_test",
]
