"""Long-running operations: accepted at once, polled, and then done or failed.

Source: github.com/cloud-and-ai-microsoft/resource-provider-contract, "Asynchronous Operations".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azurefake.message import Answer, Request, refusal
from azurefake.routes import ARM, route

if TYPE_CHECKING:
    from azurefake.state import Azure

LOCATION = "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"
STATUSES = LOCATION + "/mfeOperationsStatus/{operation}"
RESULTS = LOCATION + "/mfeOperationResults/{operation}"
# The SDK reads Retry-After of a PUT's answer as an integer, and polls each 30 s without one; this one it takes as is.
SOON = {"retry-after-ms": "50"}


@dataclass
class Operation:
    """What happens when it is done, after how many polls that is so, and the error that it ends with, if any."""

    finish: Callable[[], None]
    polls: int
    error: dict[str, object] | None
    is_over: bool = False


def headers_of(number: int) -> dict[str, str]:
    """Return the headers of an answer that starts the operation of this number."""
    places = {"subscription": "0", "location": "westeurope", "operation": str(number)}
    return {"Azure-AsyncOperation": f"https://{ARM}{STATUSES.format(**places)}?api-version=2023-10-01", **SOON}


@route("GET", STATUSES)
def status(azure: Azure, request: Request, operation: str, **names: str) -> Answer:
    """Answer how an operation stands; the poll that finds it due ends it."""
    one = azure.operations.get(int(operation))
    if one is None:
        return refusal(404, "OperationNotFound", f"There is no operation {operation}.")
    one.polls -= 1
    if one.polls > 0 and not one.is_over:
        return Answer(200, {"id": request.path, "name": operation, "status": "InProgress"}, SOON)
    if not one.is_over:
        one.is_over = True
        one.finish()
    ended = {"status": "Failed", "error": one.error} if one.error else {"status": "Succeeded"}
    return Answer(200, {"id": request.path, "name": operation, **ended})
