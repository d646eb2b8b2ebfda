"""The error that whoever runs a benchmark can act on: one line."""

from __future__ import annotations


class BenchmarkError(Exception):
    """What stands in the way of a measurement: what, where, what to do."""
