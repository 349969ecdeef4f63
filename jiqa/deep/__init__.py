"""Metrics on features of pretrained networks, one family a file."""
