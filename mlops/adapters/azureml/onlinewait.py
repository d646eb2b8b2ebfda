"""Waits for what Azure does to endpoints and deployments, with a deadline, and tells whose fault a failure is.

A release that was killed leaves an operation that goes on without it: whoever comes next waits for that first.

Source: learn.microsoft.com, "Troubleshoot online endpoints deployment and scoring" (common deployment errors).
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from mlops.adapters.azureml.failures import ADVICE as REFUSED
from mlops.adapters.azureml.failures import explained, reason, status_of
from mlops.errors import DeployError, TargetError

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError
    from azure.core.polling import LROPoller

T = TypeVar("T")

DEADLINE_SECONDS = 1800.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 10.0
ATTEMPTS = 3
SUCCEEDED = "Succeeded"
SETTLED = (SUCCEEDED, "Failed", "Canceled")
# The container started and the script or the model in it failed. All other errors are Azure's, the quota's or ours.
VERSION_FAULTS = (
    "ResourceNotReady",
    "DeploymentCrashLoopBackOff",
    "KubernetesCrashLoopBackOff",
    "UserScriptInitFailed",
    "UserScriptImportError",
    "UserScriptFunctionNotFound",
    "PodOutOfMemory",
)
ADVICE = {
    "OutOfQuota": "ask for more quota, or name another azureml.online.instance_type in the stage file",
    "OutOfCapacity": "name another azureml.online.instance_type in the stage file, or run the step again later",
    "PodUnschedulable": "give the cluster more nodes, or name a smaller azureml.online.instance_type",
    "ImageBuildFailure": "read the build's log in Azure ML studio, and mend environments/score",
}
OTHERWISE = "no version is to blame: mend that, and run the step again"


class Conflict(TargetError):
    """Something is being done to the endpoint already: perhaps by a request of ours whose answer got lost."""


def settled(look: Callable[[], T | None], what: str) -> T | None:
    """Return what `look` sees once nothing is being done to it, or None where it is not there.

    Raises TargetError where that does not come to be within DEADLINE_SECONDS.
    """
    deadline = time.monotonic() + DEADLINE_SECONDS
    for pause in pauses():
        found = look()
        if found is None or state_of(found) in SETTLED:
            return found
        if time.monotonic() > deadline:
            raise TargetError(f"{what} is stuck in {state_of(found)}: {_late()}")
        time.sleep(pause)
    raise AssertionError("pauses have no end")


def there(look: Callable[[], T | None], endpoint: str, stage: str) -> T:
    """Return a stage's endpoint once it is settled. Raises TargetError as `settled` does, and where it is not there."""
    found = settled(look, f"endpoint {endpoint}")
    if found is None:
        raise TargetError(f"endpoint {endpoint} is not there: run `deploy --stage {stage}`")
    return found


def converged(work: Callable[[], None]) -> None:
    """Do what begins by waiting, and is nothing where it is done already; once more after each Conflict."""
    for _ in range(ATTEMPTS - 1):
        try:
            return work()
        except Conflict:
            continue
    work()


def state_of(resource: Any) -> str:
    """Return the provisioning state of an endpoint or a deployment, as Azure words it."""
    state = resource.provisioning_state
    return str(getattr(state, "value", state))


def finished(start: Callable[[], LROPoller[Any]], what: str) -> None:
    """Start an operation and wait for its end.

    Raises what the SDK raises, Conflict where another is going on, TargetError at the deadline.
    """
    with quiet():
        poller = _started(start, what)
        poller.wait(DEADLINE_SECONDS)
    if not poller.done():
        raise TargetError(f"{what} does not end: {_late()}")
    poller.result()


def _started(start: Callable[[], LROPoller[Any]], what: str) -> LROPoller[Any]:
    from azure.core.exceptions import ResourceExistsError

    try:
        return start()
    except ResourceExistsError as error:
        raise Conflict(f"{what}: {reason(error)}: {REFUSED[409]}") from None


def verdict_on(error: HttpResponseError, what: str, logs: Callable[[], str]) -> DeployError | TargetError:
    """Return a failed deployment's error: the version's, with its own last log lines, or the target's."""
    told = f"{_said(error)} {error.error or ''}"
    if any(code in told for code in VERSION_FAULTS):
        return DeployError(f"{what} failed: {_said(error)}: {logs()}")
    advice = next((words for code, words in ADVICE.items() if code in told), None)
    return TargetError(f"{what}: {_said(error)}: {advice or REFUSED.get(status_of(error) or 0, OTHERWISE)}")


def _said(error: HttpResponseError) -> str:
    # An operation that failed is told by an answer of 200, which would only be confusing here.
    code = getattr(error.error, "code", None)
    said = reason(error).removeprefix("200 ")
    return f"{code}: {said}" if code else said


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the SDK's dots, one a poll, from the step's own output."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def looked_up(get: Callable[[], T], what: str) -> T | None:
    """Return what `get` gets, None where Azure has no such thing. Raises TargetError where it can't be asked."""
    from azure.core.exceptions import ResourceNotFoundError

    with explained(what, TargetError):
        try:
            return get()
        except ResourceNotFoundError:
            return None


def _late() -> str:
    minutes = f"{DEADLINE_SECONDS / 60:.0f} minutes"
    return f"Azure did not end it within {minutes}: see its page in Azure ML studio, and run the step again"


def pauses() -> Iterator[float]:
    """Yield how many seconds to wait before each next look, without an end."""
    seconds = FIRST_PAUSE_SECONDS
    while True:
        yield seconds
        seconds = min(2 * seconds, LONGEST_PAUSE_SECONDS)
