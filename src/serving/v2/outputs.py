"""The outputs that a model has in the protocol, and which of them a request asks for, in which form.

Sources: Triton's extension_binary_data.md (binary_data, binary_data_output) and extension_classification.md.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from serving.errors import RequestError
from serving.v2.values import as_list, as_object, flag, parameters_of, short, whole_number

# Name -> datatype. FP32 outputs are [frames, classes], label is [frames].
OUTPUTS = {"logits": "FP32", "probabilities": "FP32", "label": "BYTES"}


class RequestedOutput(NamedTuple):
    """An output to answer: as raw bytes or as JSON, and as the `classes` best classes, or all values where 0.

    A tuple, for it is hashed with each answer.
    """

    name: str
    is_binary: bool = False
    classes: int = 0


def all_outputs(is_binary: bool) -> tuple[RequestedOutput, ...]:
    """Return every output, as a request that asks for none gets them."""
    return tuple(RequestedOutput(name, is_binary) for name in OUTPUTS)


def requested_outputs(asked: Any, is_binary: bool) -> tuple[RequestedOutput, ...]:
    """Return the outputs of a request's "outputs"; `is_binary` holds for those that don't say. Raises RequestError 400.

    Each may be asked for once, so that an answer is never larger than all outputs together.
    """
    if asked is None or asked == []:
        return all_outputs(is_binary)
    found: dict[str, RequestedOutput] = {}
    for index, item in enumerate(as_list(asked, "outputs")):
        output = _requested(as_object(item, f"outputs[{index}]"), f"outputs[{index}].", is_binary)
        if output.name in found:
            raise RequestError(400, f"outputs[{index}].name: {output.name} is asked for twice")
        found[output.name] = output
    return tuple(found.values())


def _requested(item: dict[str, Any], where: str, is_binary: bool) -> RequestedOutput:
    name = item.get("name")
    if not isinstance(name, str) or name not in OUTPUTS:
        raise RequestError(400, f"{where}name: should be one of {', '.join(OUTPUTS)}, is {short(name)}")
    parameters = parameters_of(item, where)
    if "shared_memory_region" in parameters:
        raise RequestError(400, f"{where}parameters.shared_memory_region: shared memory is not served")
    wants_binary = flag(parameters, "binary_data", where)
    classes = whole_number(parameters, "classification", 0, where) or 0
    if classes and OUTPUTS[name] != "FP32":
        raise RequestError(400, f"{where}parameters.classification: {name} is not a tensor of numbers")
    return RequestedOutput(name, is_binary if wants_binary is None else wants_binary, classes)
