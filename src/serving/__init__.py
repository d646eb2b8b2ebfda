"""The edge runtime: serves model packages over HTTP and scores video. It knows nothing of training or of registries."""

import os

# ONNX Runtime 1.31 tells its maker of each use over the network unless told not to, before it is imported (Privacy.md).
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.2.0"
