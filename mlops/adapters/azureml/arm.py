"""Azure Resource Manager by plain REST, for what azure-ai-ml has no call for: metrics, quotas, roles, who we are.

Source: learn.microsoft.com/rest/api/azure. An answer that is no success is a StepError, in one line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from mlops.adapters.azureml.credentials import credential
from mlops.adapters.azureml.failures import explained
from mlops.adapters.azureml.sending import answered
from mlops.adapters.azureml.workspace import place_of
from mlops.config import Stage

if TYPE_CHECKING:
    from azure.core import PipelineClient

MANAGEMENT = "https://management.azure.com"
WORKSPACES = "Microsoft.MachineLearningServices/workspaces"


@dataclass(frozen=True)
class Arm:
    """Calls as this process's identity, retried as Azure's SDKs retry: after 429 and 503, as Retry-After says."""

    @cached_property
    def _client(self) -> PipelineClient[Any, Any]:
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy

        bearer = BearerTokenCredentialPolicy(credential(), f"{MANAGEMENT}/.default")
        return PipelineClient(MANAGEMENT, policies=[RetryPolicy(retry_total=4), bearer])

    def get(self, path: str, api_version: str, **query: str) -> Any:
        """Return the JSON at a path below management.azure.com. Raises StepError on anything but a success."""
        return self._send("GET", path, {"api-version": api_version, **query})

    def post(self, path: str, api_version: str, body: Any = None) -> Any:
        """Post a JSON body, and return the JSON that comes back. Raises StepError on anything but a success."""
        return self._send("POST", path, {"api-version": api_version}, body)

    def items(self, path: str, api_version: str, **query: str) -> Iterator[Any]:
        """Yield the entries of a list, page after page. Raises StepError on anything but a success."""
        page = self.get(path, api_version, **query)
        while True:
            yield from page["value"]
            if not page.get("nextLink"):
                return
            link = urlsplit(page["nextLink"])
            page = self._send("GET", f"{link.path}?{link.query}", {})

    def _send(self, method: str, path: str, query: Mapping[str, str], body: Any = None) -> Any:
        url = f"{MANAGEMENT}{path}?{urlencode(query)}" if query else f"{MANAGEMENT}{path}"
        with explained(f"{method} {path.partition('?')[0]}"):
            return answered(self._client, method, url, body)


def workspace_path(stage: Stage) -> str:
    """Return the ARM id of the stage's workspace. Raises ConfigError where the stage file does not name one."""
    subscription, group, workspace = place_of(stage)
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{WORKSPACES}/{workspace}"
