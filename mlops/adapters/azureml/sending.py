"""One request to Azure by plain HTTP, answered well or raised: what the SDK's own clients do, where it has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.core import PipelineClient


def sent(
    client: PipelineClient[Any, Any], method: str, url: str, body: Any = None, headers: dict[str, str] | None = None
) -> Any:
    """Return the response to a request with a JSON body. Raises azure.core's exceptions on anything but a success."""
    from azure.core.exceptions import map_error
    from azure.core.rest import HttpRequest

    response = client.send_request(HttpRequest(method, url, json=body, headers=headers))
    if response.status_code >= 400:
        map_error(response.status_code, response, {})
    response.raise_for_status()
    return response
