"""The model: data, network, training, export, evaluation. No cloud, no CI, no serving: the room a user rewrites.

Each module with a `main` is one step of the training pipeline: `python -m vision.train --help`.
"""
