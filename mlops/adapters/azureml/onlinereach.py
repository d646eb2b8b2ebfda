"""Whether a deployment can be reached from here. What a network or a role keeps away from it is no version's fault.

A new endpoint's name may take a while to be known, and its gate to know a new deployment: so it is asked for some time.
Whatever comes from behind the gate, errors too, is for the verification to judge.

Source: learn.microsoft.com, "Troubleshoot online endpoints deployment and scoring" (HTTP status codes).
"""

from __future__ import annotations

import time

from mlops.adapters.azureml.onlinewait import pauses
from mlops.client import JsonClient
from mlops.errors import TargetError
from mlops.ports import DeploymentStatus

WAIT_SECONDS = 120.0
AT_THE_GATE = {
    0: "this machine has no way to it: see the endpoint's public network access, and the proxy",
    401: "the identity is not let in: see azureml.online.auth",
    403: "the identity is not let in: `python -m mlops preflight` says which role it lacks",
    404: "the endpoint does not know the deployment: run the step again",
    407: "the proxy of HTTPS_PROXY wants a password",
}
NOT_YET = (*AT_THE_GATE, 502, 503, 504)


def expect_reachable(deployment: DeploymentStatus, endpoint: str) -> None:
    """Ask the deployment for anything until something answers. Raises TargetError where the gate does not open."""
    deadline = time.monotonic() + WAIT_SECONDS
    for pause in pauses():
        with JsonClient(deployment.url) as client:
            answer = client.request("POST", deployment.infer_path, {}, deployment.headers)
        if answer.status not in NOT_YET:
            return
        if time.monotonic() > deadline:
            break
        time.sleep(pause)
    if answer.status in AT_THE_GATE:
        said = answer.body if answer.status == 0 else answer.status
        what = f"version {deployment.version} on {endpoint} runs, and {deployment.url} answers {said}"
        raise TargetError(f"{what}: {AT_THE_GATE[answer.status]}")
