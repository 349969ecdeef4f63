"""Distances between sets of images: FID, KID, Inception score, MMD, precision and recall.

Every distance takes features `[N, D]`, one vector an image, of any feature function; those of
Inception are `inception_features(jiqa.weights.load("inception_v3_fid"), images)`. What can be
streamed has a state of its own, with `init`, `update`, `merge`, `merge_across` devices,
`merge_processes` and `compute`, in the modules `moments` (for the FID) and `inception_score`.

>>> import jax
>>> reference, generated = jax.random.normal(jax.random.key(0), (2, 100, 8))
>>> state = moments.update(moments.init(8), generated)
>>> print(frechet_distance(reference, state) < 1)
True
"""

from jiqa.distribution import inception_score, moments
from jiqa.distribution.frechet import FrechetLoss, frechet_distance
from jiqa.distribution.inception import inception_features
from jiqa.distribution.inception_score import Estimate
from jiqa.distribution.kernel import (
    gaussian_mmd,
    kernel_distance,
    kernel_distance_of,
    polynomial_mmd,
)
from jiqa.distribution.manifold import density_coverage, prdc, precision_recall
from jiqa.distribution.processes import gather_features
from jiqa.distribution.statistics import Statistics, load_statistics, save_statistics

__all__ = [
    "Estimate",
    "FrechetLoss",
    "Statistics",
    "density_coverage",
    "frechet_distance",
    "gather_features",
    "gaussian_mmd",
    "inception_features",
    "inception_score",
    "kernel_distance",
    "kernel_distance_of",
    "load_statistics",
    "moments",
    "polynomial_mmd",
    "prdc",
    "precision_recall",
    "save_statistics",
]
