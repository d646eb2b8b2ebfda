"""The model: data, network, training, export, evaluation. No cloud, no CI, no serving: the room a user rewrites.

Each module with a `main` is one step of the training pipeline: `python -m vision.train --help`.
"""

import os

# ONNX Runtime 1.31 tells its maker of each use over the network unless told not to, before it is imported (Privacy.md).
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
