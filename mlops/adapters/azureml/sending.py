"""One request to Azure by plain HTTP, answered well or raised: what the SDK's own clients do, where it has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops.errors import StepError

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


def answered(
    client: PipelineClient[Any, Any], method: str, url: str, body: Any = None, headers: dict[str, str] | None = None
) -> Any:
    """Return the JSON that answers a request, None where the answer is empty; else as `sent`.

    Raises StepError where it is no JSON: a proxy's page, for all that it says 200.
    """
    response = sent(client, method, url, body, headers)
    try:
        return response.json() if response.content else None
    except ValueError:
        where = url.partition("?")[0]
        raise StepError(f"{where}: answered by a page instead of JSON: see HTTPS_PROXY and NO_PROXY") from None
