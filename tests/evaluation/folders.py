"""Small data sets for the benchmark, and tables of scores."""

import numpy as np
import pandas as pd

from tests.datasets.fakes import make_csiq, make_kadid, make_tid2013

__all__ = ["make_csiq", "make_kadid", "make_tid2013", "scored"]


def scored(rng, images=60, *, noise=(0.3, 0.6, 1.0)):
    """A table of three metrics; the second is lower-is-better."""
    content = np.arange(images) % 12
    quality = rng.normal(size=images)
    scores = quality + np.array(noise)[:, None] * rng.normal(size=(3, images))
    return pd.DataFrame(
        {
            "distorted": [f"{place}.png" for place in range(images)],
            "content": [f"scene {place}" for place in content],
            "distortion": np.where(np.arange(images) % 2, "jpeg", "blur"),
            "level": np.arange(images) // 24 + 1,
            "mos": 3 + quality,
            "standard_error": 0.2,
            "good": scores[0],
            "worse": -scores[1],
            "poor": scores[2],
        }
    )
