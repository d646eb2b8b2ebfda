"""The edge runtime: serves model packages over HTTP and scores video. It knows nothing of training or of registries."""

__version__ = "0.1.0"
