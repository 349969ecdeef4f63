"""Photographs that distortions are tried on."""

import pytest

from tests.datasets.distortions.ladders import read_photographs


@pytest.fixture(scope="module")
def photographs(shared_data):
    return read_photographs(shared_data)
