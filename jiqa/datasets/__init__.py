"""Data sets of rated images: read as published, prepared for training, made by distorting.

`read` gives the images of a published data set with their labels, whatever its files look like;
`jiqa.datasets.builders.prepare` writes them, split by content, as records that are read fast, and
`jiqa.datasets.generator.generate` makes sets of any size. `jiqa.datasets.pipelines` gives batches.
"""

import importlib
from typing import Any

from jiqa.datasets.catalogue import Publication, find, names
from jiqa.datasets.reading import check_images, read, recognise
from jiqa.datasets.records import DataSet, Preference, RatedImage
from jiqa.datasets.splits import split_records
from jiqa.datasets.tables import read_table

__all__ = [
    "DataSet",
    "Preference",
    "Publication",
    "RatedImage",
    "check_images",
    "find",
    "names",
    "read",
    "read_table",
    "recognise",
    "split_records",
]

_SUBMODULES = ("builders", "distortions", "generator", "pipelines")


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:  # which need TensorFlow Datasets, Grain or time
        return importlib.import_module(f"jiqa.datasets.{name}")
    raise AttributeError(f"module 'jiqa.datasets' has no attribute {name!r}")
