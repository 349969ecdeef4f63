"""Metrics of an image alone, one family a file."""
