"""What is read of Triton's metrics: the model's own failures, of one version, or nothing at all."""

from __future__ import annotations

from typing import Any

import pytest

from mlops.adapters.kubernetes.triton import counted, metrics_port

PAGE = """\
# HELP nv_inference_request_success Number of successful inference requests, all batch sizes
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="m",version="2"} 40
nv_inference_request_success{model="m",version="1"} 7
nv_inference_request_success{model="other",version="2"} 900
# TYPE nv_inference_request_failure counter
nv_inference_request_failure{model="m",reason="REJECTED",version="2"} 1
nv_inference_request_failure{model="m",reason="CANCELED",version="2"} 2
nv_inference_request_failure{model="m",reason="BACKEND",version="2"} 3
nv_inference_request_failure{model="m",reason="OTHER",version="2"} 4
nv_inference_pending_request_count{model="m",version="2"} 5
nv_gpu_utilization{gpu_uuid="GPU-1"} 0.5
"""


def test_the_requests_of_a_version_are_its_answers_and_the_models_failures() -> None:
    assert counted(PAGE, "m", 2) == {"requests": 43, "errors": 3, "in_flight": 5}
    assert counted(PAGE, "m", 1) == {"requests": 7, "errors": 0, "in_flight": 0}


@pytest.mark.parametrize("page", ["", "<html>502</html>", PAGE])
def test_a_page_that_does_not_tell_of_the_version_tells_nothing(page: str) -> None:
    assert counted(page, "m", 3) is None


def test_triton_is_known_by_the_port_at_which_it_counts() -> None:
    def pod(*ports: dict[str, Any]) -> dict[str, Any]:
        sidecar = {"name": "istio-proxy", "ports": [{"name": "metrics", "containerPort": 15090}]}
        return {"spec": {"containers": [sidecar, {"name": "runtime", "ports": list(ports)}]}}

    http, metrics = {"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 8002}
    assert (metrics_port(pod(http, metrics)), metrics_port(pod(http)), metrics_port(pod())) == (8002, None, None)
