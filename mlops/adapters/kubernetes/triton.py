"""What Triton has counted of a version, from the page of its metrics. Pure: it asks nobody.

Triton tells no digest: which package it serves, the init container that writes its repository has checked.

Source: docs.nvidia.com, Triton Inference Server, "Metrics" (inference request metrics); prometheus.io, "Exposition
formats".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

PORT_NAME = "metrics"  # which Triton's container has, and our runtime's has not
LINE = re.compile(r"^(?P<name>nv_inference_\w+)\{(?P<labels>[^}]*)\}\s+(?P<value>\S+)", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')
ANSWERED, FAILED = "nv_inference_request_success", "nv_inference_request_failure"
PENDING = "nv_inference_pending_request_count"
OF_MODEL = "BACKEND"  # the reason of a failure that is the model's, and not its client's


def metrics_port(pod: Mapping[str, Any]) -> int | None:
    """Return the port at which a pod's Triton counts, None where Triton does not run there."""
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or []:
            if container["name"] == "runtime" and port.get("name") == PORT_NAME:
                return int(port["containerPort"])
    return None


def counted(page: str, model: str, version: int) -> dict[str, Any] | None:
    """Return a version's requests, errors and in_flight, as our runtime names them; None where the page lacks it.

    Errors are the model's failures: what a client gave up, or asked wrongly, is no request here.
    """
    lines = list(_of_version(page, model, str(version)))
    if not any(name == ANSWERED for name, _, _ in lines):
        return None
    errors = sum(count for name, why, count in lines if name == FAILED and why == OF_MODEL)
    answered, pending = (sum(count for name, _, count in lines if name == kind) for kind in (ANSWERED, PENDING))
    return {"requests": answered + errors, "errors": errors, "in_flight": pending}


def _of_version(page: str, model: str, version: str) -> Iterator[tuple[str, str, int]]:
    """Yield name, reason and count of each line of a version."""
    for line in LINE.finditer(page):
        labels = dict(LABEL.findall(line["labels"]))
        if (labels.get("model"), labels.get("version")) == (model, version):
            yield line["name"].removesuffix("_total"), labels.get("reason", ""), int(float(line["value"]))
