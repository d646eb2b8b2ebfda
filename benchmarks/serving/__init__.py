"""Measures the edge runtime against bare ONNX Runtime and against the servers that a team would pick instead.

Run: make benchmark-serving, or `python -m benchmarks.serving --help` from the repository's root.
"""
