"""Metrics that need a few numbers of the reference and not the image, one family a file.

Each method is two pure functions and the metric that they make: `rred_features(reference)` at the
sender, `rred_distance(features, distorted)` at the receiver, and `rred(reference, distorted)`.
Features know their method and its options, so the receiver repeats none. None takes weights or has
a map: what was not sent of a place cannot be weighed.
"""

from jiqa.core.features import Features, load_features, save_features

__all__ = ["Features", "load_features", "save_features"]
