"""What online endpoints do with requests: let in, route by header or traffic, score for real, count.

The model is the registered one, from its blobs, and is run by what the scoring script runs: serving.azureml. Sources:
learn.microsoft.com, "Troubleshoot online endpoints: HTTP status codes" and "Metrics - List" of Azure Monitor.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azurefake.message import Answer, Request, refusal
from azurefake.routes import WS, route
from azurefake.tokens import SECRET, claims_of, now

if TYPE_CHECKING:
    from azurefake.state import Azure
    from serving.deployments import ServedModel

DOMAIN = "westeurope.inference.ml.azure.com"
METRICS = WS + "/onlineEndpoints/{endpoint}/providers/Microsoft.Insights/metrics"
ENTRA = ("https://ml.azure.com",)
TRAFFICS = ("traffic", "mirrorTraffic")
STRIDE = 37  # prime to 100: each hundred requests are split exactly, and each ten about


@dataclass
class Scoring:
    """Models by deployment's id; answers that a deployment gives instead of its own; how many were given, by minute.

    `broken`: deployment -> each how many requests its container fails, and with which status; `spoiled`: those that
    begin to fail each second request once they have traffic. `is_late`: no metric is there yet.
    """

    served: dict[str, ServedModel] = field(default_factory=dict)
    broken: dict[str, tuple[int, int]] = field(default_factory=dict)
    spoiled: set[str] = field(default_factory=set)
    is_late: bool = False
    routed: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    counts: Counter[tuple[str, str, str, str, str]] = field(default_factory=Counter)


def scoring(azure: Azure) -> Scoring:
    """Return what is kept of this Azure's scoring."""
    return azure.more.setdefault("scoring", Scoring())


def break_down(azure: Azure, deployment: str, every: int = 1, status: int = 500) -> None:
    """Have each so many requests to a deployment answered by an error of its container."""
    scoring(azure).broken[deployment] = (every, status)


def break_down_at_traffic(azure: Azure, deployment: str) -> None:
    """Have a deployment's container fail each second request once the deployment has traffic, live or mirrored."""
    scoring(azure).spoiled.add(deployment)


def key_of(endpoint: str) -> str:
    """Return the key that lets a client into an endpoint."""
    return f"{SECRET}-key-of-{endpoint}"


def token_of(endpoint: str, expires: float) -> str:
    """Return a token that lets a client into an endpoint until then."""
    return f"{SECRET}-{endpoint}-{expires:.3f}"


def load(azure: Azure, deployment: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """Load a deployment's model; return the error that its operation ends with, if any, and its log."""
    from modelpackage import PackageError
    from serving.azureml.loading import load_served
    from serving.errors import ServingError

    given = deployment["properties"]
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files(azure, asset(azure, given["model"])).items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        try:
            served = load_served({**given["environmentVariables"], "AZUREML_MODEL_DIR": folder})
        except (PackageError, ServingError) as error:
            log = f"Traceback (most recent call last):\n{type(error).__name__}: {error}\nWorker failed to boot."
            message = "User container has crashed or terminated. Please see the logs of the deployment."
            return {"code": "ResourceNotReady", "message": message}, log
    scoring(azure).served[deployment["id"].lower()] = served
    return None, "Initializing\nScoring server is ready."


def asset(azure: Azure, id: str) -> dict[str, Any] | None:
    """Return a model, code or environment by the id that a deployment names it by."""
    shared = re.fullmatch(r"azureml://registries/([^/]+)/(.+)", id)
    if not shared:
        return azure.get(id)
    end = f"/registries/{shared[1]}/{shared[2]}".lower()
    return next((body for key, body in azure.resources.items() if key.endswith(end)), None)


def files(azure: Azure, found: dict[str, Any] | None) -> dict[str, bytes]:
    """Return the files of a model, of code or of data, by their path below what the asset names."""
    if found is None:
        return {}
    given = found["properties"]
    uri = next(str(given[key]) for key in ("modelUri", "codeUri", "dataUri") if key in given)
    account, container, path = place_of(azure, found["id"], uri)
    prefix = path.strip("/")
    found_blobs = {key[2]: content for key, content in azure.blobs.items() if key[:2] == (account, container)}
    return {name[len(prefix) :].strip("/"): one for name, one in found_blobs.items() if name.startswith(prefix)}


def place_of(azure: Azure, id: str, uri: str) -> tuple[str, str, str]:
    """Return account, container and path that an address leads to; datastores are those of the workspace of `id`."""
    store = re.search(r"/datastores/([^/]+)/paths/(.*)", uri)
    if not store:
        host, container, *path = uri.removeprefix("https://").split("/", 2)
        return host.partition(".")[0], container, "".join(path)
    workspace = re.sub(r"(/workspaces/[^/]+)/.*", r"\1", id)
    known = azure.resources[f"{workspace}/datastores/{store[1]}".lower()]["properties"]
    return known["accountName"], known["containerName"], store[2]


@route("POST", "/score", f"*.{DOMAIN}")
def score(azure: Azure, request: Request) -> Answer:
    """Answer one request by the deployment that its header names, else by one that has traffic."""
    endpoint = next((body for id, body in azure.resources.items() if _is_endpoint(id, request.host)), None)
    if endpoint is None:
        return refusal(404, "NotFound", f"No endpoint at {request.host}.")
    if not _is_let_in(endpoint, request):
        return refusal(401, "Unauthorized", "The key or token is missing, expired, or another endpoint's.")
    asked = request.headers.get("azureml-model-deployment")
    name = asked or _by_traffic(azure, endpoint)
    if name is None or f"{endpoint['id']}/deployments/{name}".lower() not in azure.resources:
        return refusal(404, "NotFound", f"No deployment {name} with traffic at {request.host}.")
    for mirror, percent in endpoint["properties"]["mirrorTraffic"].items():
        if not asked and percent:
            _scored(azure, endpoint, mirror, request)
    return _scored(azure, endpoint, name, request)


@route("GET", METRICS)
def metrics(azure: Azure, request: Request, endpoint: str, **names: str) -> Answer:
    """Answer the requests a minute of an endpoint, split by the dimensions that the filter names."""
    if request.query["metricnames"] != "RequestsPerMinute" or request.query["aggregation"] != "Average":
        return refusal(400, "BadRequest", "Failed to find metric configuration.")
    split = re.findall(r"(\w+) eq '\*'", request.query["$filter"])
    state, known = scoring(azure), ("deployment", "statusCode", "modelStatusCode")
    assert tuple(split) == known, request.query["$filter"]
    series: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for (where, minute, *dimensions), number in sorted(state.counts.items()):
        if where == endpoint.lower() and not state.is_late:
            series.setdefault(tuple(dimensions), []).append({"timeStamp": minute, "average": float(number)})
    timeseries = [
        {"metadatavalues": [_named(*pair) for pair in zip(known, values, strict=True)], "data": data}
        for values, data in series.items()
    ]
    metric = {"name": {"value": "RequestsPerMinute"}, "unit": "Count", "timeseries": timeseries}
    return Answer(body={"timespan": request.query["timespan"], "interval": "PT1M", "value": [metric]})


def _named(dimension: str, value: str) -> dict[str, Any]:
    return {"name": {"value": dimension.lower(), "localizedValue": dimension}, "value": value}


def _is_endpoint(id: str, host: str) -> bool:
    return id.endswith(f"/onlineendpoints/{host.partition('.')[0]}")


def _is_let_in(endpoint: dict[str, Any], request: Request) -> bool:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    name, mode = endpoint["name"], str(endpoint["properties"]["authMode"]).lower()
    if kind != "Bearer" or mode == "key":
        return kind == "Bearer" and given == key_of(name)
    if mode == "aadtoken":
        claims = claims_of(given) or {}
        return claims.get("exp", 0.0) > now() and claims.get("aud") in ENTRA
    made, _, expires = given.rpartition("-")
    return made == f"{SECRET}-{name}" and float(expires) > now()


def _by_traffic(azure: Azure, endpoint: dict[str, Any]) -> str | None:
    routed = scoring(azure).routed
    place = routed[endpoint["name"]] * STRIDE % 100
    routed[endpoint["name"]] += 1
    for name, percent in sorted(endpoint["properties"]["traffic"].items()):
        if place < percent:
            return str(name)
        place -= percent
    return None


def _scored(azure: Azure, endpoint: dict[str, Any], name: str, request: Request) -> Answer:
    from serving.azureml.answering import answer
    from serving.http.message import Request as Question

    state, id = scoring(azure), f"{endpoint['id']}/deployments/{name}".lower()
    headers = {key: value for key, value in request.headers.items() if key != "authorization"}
    question = Question("POST", "/score", "", headers, request.body, time.monotonic())
    if name in state.spoiled and any(endpoint["properties"].get(key, {}).get(name) for key in TRAFFICS):
        break_down(azure, name, every=2)
    every, status = state.broken.get(name, (0, 0))
    state.answered[name] += 1
    body = b'{"error": "broken on purpose"}'
    if not every or state.answered[name] % every:
        given = answer(question, state.served[id])
        status, body = given.status, bytes(given.body)
    seen = 200 if status == 200 else 424
    minute = datetime.fromtimestamp(now() // 60 * 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    state.counts[endpoint["name"].lower(), minute, name, str(seen), str(status)] += 1
    return Answer(seen, body, {"Content-Type": "application/json", "ms-azureml-model-error-statuscode": str(status)})
