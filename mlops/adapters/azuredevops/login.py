"""Who we are to Azure DevOps: a personal token that the stage names, the pipeline's own, or the process's identity.

Source: learn.microsoft.com, "Authentication guidance for Azure DevOps"; the identity must be the organization's user.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from urllib.parse import quote

from mlops.ports import Secrets
from mlops.records import Origin
from mlops.rest import Rest

SCOPE = "499b84ac-1321-427f-aa17-267ca6975798/.default"  # Azure DevOps, for every organization
NOT_TAKEN = "the token is not taken: renew it, or add the job's identity to the organization's users"


def open_api(secret: str | None, origin: Origin, secrets: Secrets, headers: Mapping[str, str] | None = None) -> Rest:
    """Return the API of the origin's project; `secret` names a token's secret, None takes SYSTEM_ACCESSTOKEN.

    Raises ConfigError where there is neither that nor an identity of our own.
    """
    who, token = _login(secret, secrets)
    return Rest(f"{origin.api.rstrip('/')}/{quote(origin.project)}/_apis", {**(headers or {}), **who}, token)


def _login(secret: str | None, secrets: Secrets) -> tuple[dict[str, str], str]:
    if secret:
        token = secrets.read(secret).strip()
        return {"Authorization": f"Basic {base64.b64encode(f':{token}'.encode()).decode()}"}, token
    token = os.environ.get("SYSTEM_ACCESSTOKEN") or secrets.token(SCOPE)
    return {"Authorization": f"Bearer {token}"}, token
