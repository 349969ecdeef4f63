"""Readers of published data sets, a file a family; see `jiqa.datasets.catalogue`."""
