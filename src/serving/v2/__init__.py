"""The Open Inference Protocol v2 over REST, without HTTP or a model: bodies to requests, predictions to bodies.

Tensors travel as JSON numbers or as raw bytes after the JSON, as the binary tensor extension has it.

Sources: https://github.com/kserve/open-inference-protocol (specification/protocol/inference_rest.md) and Triton's
extensions, https://github.com/triton-inference-server/server/tree/main/docs/protocol.
"""
