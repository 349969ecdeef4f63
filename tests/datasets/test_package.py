"""What importing data sets loads."""

import subprocess
import sys

import pytest

from jiqa import datasets

PROGRAM = """
import sys, jiqa
assert "jiqa.datasets" not in sys.modules
assert jiqa.datasets.read and "tensorflow_datasets" not in sys.modules
assert jiqa.datasets.distortions.list_distortions("tid")
assert not {"tensorflow_datasets", "grain"} & set(sys.modules)
assert jiqa.datasets.pipelines.pairs and jiqa.datasets.generator.generate
"""


def test_modules_load_when_they_are_used():
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)


def test_unknown_attribute():
    with pytest.raises(AttributeError, match=r"module 'jiqa.datasets' has no attribute 'fog'"):
        _ = datasets.fog
