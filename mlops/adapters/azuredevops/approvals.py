"""Who must agree on Azure DevOps: the approvals and checks of a project's environment, read with the pipeline's token.

Sources: learn.microsoft.com/rest/api/azure/devops: Environments - List, Check Configurations - List.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import quote

from mlops.config import Stage
from mlops.ports import CheckLine
from mlops.preflight import approvals
from mlops.records import Origin
from mlops.rest import Rest, persistently

API = "api-version=7.1-preview.1"
APPROVAL = "Approval"


class AzureDevOpsApprovals:
    """Reads environments of the project that a pipeline runs in."""

    def lines(self, environment: str, origin: Origin) -> Iterator[CheckLine]:
        """Yield what guards an environment. Raises StepError where Azure DevOps does not say."""
        token = os.environ.get("SYSTEM_ACCESSTOKEN")
        if not token:
            yield from approvals.unknown(environment, "map System.AccessToken to SYSTEM_ACCESSTOKEN in the pipeline")
            return
        url = f"{origin.api.rstrip('/')}/{quote(origin.project)}/_apis"
        api = Rest(url, {"Authorization": f"Bearer {token}"}, token)
        place = f"Azure DevOps, {origin.project}"
        yield from approvals.lines(environment, place, _guards(api, environment), APPROVAL)


def open_approvals(stage: Stage) -> AzureDevOpsApprovals:
    """Return what knows Azure DevOps' environments."""
    return AzureDevOpsApprovals()


def _guards(api: Rest, environment: str) -> set[str] | None:
    found = persistently(lambda: api.request("GET", f"/distributedtask/environments?name={quote(environment)}&{API}"))
    exact = [one for one in (found or {}).get("value") or () if one.get("name") == environment]
    if not exact:
        return None
    query = f"resourceType=environment&resourceId={exact[0].get('id')}&{API}"
    checks = persistently(lambda: api.request("GET", f"/pipelines/checks/configurations?{query}"))
    return {str((one.get("type") or {}).get("name")) for one in (checks or {}).get("value") or ()}
