"""Metrics of a distorted image against its reference, one family a file."""
