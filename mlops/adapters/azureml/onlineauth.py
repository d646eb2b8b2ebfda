"""The headers by which an endpoint lets a client in: its key, a token of Azure ML, or a token of Entra ID.

What is let in is fetched through the SDK when it is first needed, and again before it expires. It is never stored.

Source: learn.microsoft.com, "Authenticate clients for online endpoints".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

DEPLOYMENT_HEADER = "azureml-model-deployment"
KEY_SECONDS = 300.0  # a key holds until somebody makes a new one
MARGIN_SECONDS = 300.0


@dataclass
class Authorization:
    """What lets a client into one endpoint, and until when (seconds since the epoch)."""

    open_client: Callable[[], MLClient]
    endpoint: str
    _value: str = ""
    _until: float = 0.0

    def headers(self, deployment: str) -> dict[str, str]:
        """Return the headers that reach one deployment, past the traffic split. Raises what the SDK raises."""
        if time.time() >= self._until:
            given = self.open_client().online_endpoints.get_keys(self.endpoint)
            self._value, self._until = _secret(given), _until(given)
        return {"Authorization": f"Bearer {self._value}", DEPLOYMENT_HEADER: deployment}

    def __repr__(self) -> str:
        return f"Authorization({self.endpoint!r})"


def _secret(given: Any) -> str:
    return str(getattr(given, "primary_key", None) or given.access_token)


def _until(given: Any) -> float:
    ends = getattr(given, "refresh_after_time_utc", None) or getattr(given, "expiry_time_utc", None)
    return float(ends) - MARGIN_SECONDS if ends else time.time() + KEY_SECONDS
