"""Online endpoints and their deployments: traffic, operations, logs and keys. What they score: azurefake.scoring.

An operation goes on whether or not anybody polls it: each look at its endpoint or deployment is a step, too. Source:
learn.microsoft.com/rest/api/azureml, "Online Endpoints", "Online Deployments" (properties: "can be added, but not
removed or altered"); "Manage quotas" (the rules of names).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from azurefake import scoring
from azurefake.message import Answer, Request, refusal
from azurefake.routes import WS, route
from azurefake.tokens import SECRET, now

if TYPE_CHECKING:
    from azurefake.state import Azure

ENDPOINTS = WS + "/onlineEndpoints"
ENDPOINT = ENDPOINTS + "/{endpoint}"
DEPLOYMENTS = ENDPOINT + "/deployments"
DEPLOYMENT = DEPLOYMENTS + "/{deployment}"
NAME = re.compile(r"(?=.{3,32}$)[a-zA-Z][a-zA-Z0-9]*(-[a-zA-Z0-9]+)*")
LASTING = ("authMode", "compute")
SETTLED = ("Succeeded", "Failed")
POLLS = 2
DEFAULTS = {
    "scaleSettings": {"scaleType": "Default"},
    "containerResourceRequirements": {"containerResourceRequests": {}, "containerResourceLimits": {}},
}


@dataclass
class Going:
    """An operation on a resource: what ends it, and how many looks at the resource are left until it does."""

    end: Callable[[], None]
    looks: int = POLLS


@dataclass
class Online:
    """What is kept beside the resources, and what is to go wrong; names of endpoints and deployments are as given.

    `failures`: the next operations on a deployment end with this error, and its log is this. `stuck`: endpoints whose
    operations never end.
    """

    failures: dict[str, tuple[dict[str, Any], str]] = field(default_factory=dict)
    stuck: set[str] = field(default_factory=set)
    going: dict[str, Going] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    token_seconds: float = 3600.0


def online(azure: Azure) -> Online:
    """Return what is kept of this Azure's online endpoints beside their resources."""
    return azure.more.setdefault("online", Online())


def fail(azure: Azure, deployment: str, code: str, message: str, log: str = "") -> None:
    """Make the operations on a deployment end with an error."""
    online(azure).failures[deployment] = ({"code": code, "message": message}, log)


def release(azure: Azure, endpoint: str) -> None:
    """End at last the operations of an endpoint that is stuck."""
    online(azure).stuck.discard(endpoint)
    for id in [one for one in online(azure).going if one.endswith(f"/{endpoint}".lower())]:
        online(azure).going[id].end()


def keep_going(azure: Azure, id: str, looks: int) -> None:
    """Show a resource as being made until so many looks at it, as if its maker had been killed meanwhile."""
    body = azure.resources[id.lower()]
    body["properties"]["provisioningState"] = "Creating"

    def finish() -> None:
        body["properties"]["provisioningState"] = "Succeeded"

    _operation(azure, body, finish, polls=looks)


@route("GET", ENDPOINTS)
@route("GET", DEPLOYMENTS)
def listed(azure: Azure, request: Request, **names: str) -> Answer:
    """Answer the endpoints of a workspace, or the deployments of an endpoint."""
    above, _, segment = request.path.rpartition("/")
    if segment.lower() == "deployments" and azure.get(above) is None:
        return absent(above)
    return Answer(body={"value": azure.children(above, segment)})


@route("GET", ENDPOINT)
@route("GET", DEPLOYMENT)
def get(azure: Azure, request: Request, **names: str) -> Answer:
    """Answer an endpoint or a deployment; whoever looks often enough sees its operation end."""
    going = online(azure).going.get(request.path.lower())
    if going is not None:
        going.looks -= 1
        if going.looks <= 0:
            going.end()
    found = azure.get(request.path)
    return Answer(body=found) if found else absent(request.path)


@route("PUT", ENDPOINT)
def change_endpoint(azure: Azure, request: Request, endpoint: str, **names: str) -> Answer:
    """Start to make an endpoint, or to change its traffic."""
    known, given = azure.get(request.path), request.json
    wrong = _unfit_name(endpoint) or _busy(known) or _unfit_endpoint(azure, request.path, known, given["properties"])
    if wrong:
        return wrong
    properties = {key: value for key, value in given["properties"].items() if value is not None}
    kept = {key: known["properties"][key] for key in ("scoringUri", "swaggerUri")} if known else _addresses(endpoint)
    defaults = {"traffic": {}, "mirrorTraffic": {}, "properties": {}, "publicNetworkAccess": "Enabled"}
    body = azure.put(
        request.path,
        {
            **_frame(known, given),
            "kind": "K8S" if properties.get("compute") else "Managed",
            "properties": {**defaults, **properties, **kept},
        },
    )
    return _started(azure, body, known, polls=10**6 if endpoint in online(azure).stuck else POLLS)


@route("PUT", DEPLOYMENT)
def change_deployment(azure: Azure, request: Request, endpoint: str, deployment: str, **names: str) -> Answer:
    """Start a deployment: the operation ends well where its model can be loaded, as the scoring script would."""
    above = azure.get(request.path.rpartition("/deployments/")[0])
    if above is None:
        return absent(request.path)
    known, given = azure.get(request.path), request.json
    wrong = _unfit_name(deployment) or _busy(above) or _busy(known) or _altered(known, given)
    wrong = wrong or _unfit_deployment(azure, above, given)
    if wrong:
        return wrong
    properties = {**DEFAULTS, **given["properties"]}
    body = azure.put(request.path, {**_frame(known, given), "properties": properties})
    error, log = online(azure).failures.get(deployment, (None, ""))
    if error is None:
        error, log = scoring.load(azure, body)
    online(azure).logs[body["id"].lower()] = log
    return _started(azure, body, known, error)


@route("DELETE", ENDPOINT)
@route("DELETE", DEPLOYMENT)
def delete(azure: Azure, request: Request, endpoint: str, deployment: str = "", **names: str) -> Answer:
    """Start to delete a deployment that has no traffic, or an endpoint with all it has."""
    found, above = azure.get(request.path), azure.get(request.path.rpartition("/deployments/")[0])
    if found is None:
        return Answer(204)
    shares = above["properties"] if above and deployment else {}
    if shares.get("traffic", {}).get(deployment) or shares.get("mirrorTraffic", {}).get(deployment):
        return refusal(400, "BadRequest", f"Deployment {deployment} has traffic: it can't be deleted.")
    wrong = _busy(found)
    if wrong:
        return wrong
    found["properties"]["provisioningState"] = "Deleting"
    return Answer(202, None, _operation(azure, found, lambda: azure.delete(request.path)))


@route("POST", ENDPOINT + "/listKeys")
def keys(azure: Azure, request: Request, endpoint: str, **names: str) -> Answer:
    """Answer an endpoint's keys."""
    if _mode(azure, request) != "key":
        return refusal(400, "BadRequest", f"Endpoint {endpoint} does not use keys.")
    return Answer(body={"primaryKey": scoring.key_of(endpoint), "secondaryKey": f"{SECRET}-second"})


@route("POST", ENDPOINT + "/token")
def token(azure: Azure, request: Request, endpoint: str, **names: str) -> Answer:
    """Answer a token of an endpoint."""
    if _mode(azure, request) != "amltoken":
        return refusal(400, "BadRequest", f"Endpoint {endpoint} does not use tokens of Azure ML.")
    expires = now() + online(azure).token_seconds
    return Answer(
        body={
            "accessToken": scoring.token_of(endpoint, expires),
            "expiryTimeUtc": int(expires),
            "refreshAfterTimeUtc": int(expires),
            "tokenType": "Bearer",
        }
    )


@route("POST", DEPLOYMENT + "/getLogs")
def logs(azure: Azure, request: Request, **names: str) -> Answer:
    """Answer the last lines of a deployment's log."""
    id = request.path.rpartition("/")[0].lower()
    if id not in azure.resources:
        return absent(id)
    lines = online(azure).logs.get(id, "").splitlines()
    return Answer(body={"content": "\n".join(lines[-int(request.json.get("tail") or 1000) :])})


def _started(
    azure: Azure,
    body: dict[str, Any],
    known: dict[str, Any] | None,
    error: dict[str, Any] | None = None,
    polls: int = POLLS,
) -> Answer:
    properties = body["properties"]
    properties["provisioningState"] = "Updating" if known else "Creating"

    def finish() -> None:
        properties["provisioningState"] = "Failed" if error else "Succeeded"

    return Answer(200 if known else 201, body, _operation(azure, body, finish, error, polls))


def _operation(
    azure: Azure,
    body: dict[str, Any],
    finish: Callable[[], Any],
    error: dict[str, Any] | None = None,
    polls: int = POLLS,
) -> dict[str, str]:
    going = online(azure).going
    id = body["id"].lower()

    def end() -> None:
        if id in going and going[id].end is end:
            del going[id]
            finish()

    going[id] = Going(end, polls)
    return azure.operation(end, polls, error)


def _frame(known: dict[str, Any] | None, given: dict[str, Any]) -> dict[str, Any]:
    time = datetime.fromtimestamp(now(), UTC).isoformat()
    made = known["systemData"] if known else {"createdAt": time, "createdBy": "test"}
    said = {key: given[key] for key in ("location", "tags", "identity", "sku") if given.get(key) is not None}
    return {"tags": {}, **said, "systemData": {**made, "lastModifiedAt": time}}


def _addresses(endpoint: str) -> dict[str, str]:
    base = f"https://{endpoint}.{scoring.DOMAIN}"
    return {"scoringUri": f"{base}/score", "swaggerUri": f"{base}/swagger.json"}


def _mode(azure: Azure, request: Request) -> str:
    found = azure.get(request.path.rpartition("/")[0])
    return str(found["properties"]["authMode"]).lower() if found else ""


def _unfit_endpoint(azure: Azure, id: str, known: dict[str, Any] | None, given: dict[str, Any]) -> Answer | None:
    before = known["properties"] if known else {}
    if known and any(given.get(key) != before.get(key) for key in LASTING):
        return refusal(400, "BadRequest", "The authMode and the compute of an endpoint can't be changed.")
    compute = given.get("compute")
    if compute and azure.get(compute) is None:
        return refusal(404, "ResourceNotFound", f"Compute {compute} was not found.")
    running = {one["name"] for one in azure.children(id, "deployments") if _state(one) == "Succeeded"}
    traffic, mirror = given.get("traffic") or {}, given.get("mirrorTraffic") or {}
    live = {name for name, percent in traffic.items() if percent}
    if not live | set(mirror) <= running or sum(traffic.values()) not in (0, 100):
        return refusal(400, "BadRequest", f"Traffic {traffic} {mirror} must sum to 0 or 100, over {sorted(running)}.")
    if set(mirror) & live or len(mirror) > 1 or sum(mirror.values()) > 50:
        return refusal(400, "BadRequest", f"Mirror traffic {mirror}: one deployment without live traffic, up to 50.")
    return None


def _altered(known: dict[str, Any] | None, given: dict[str, Any]) -> Answer | None:
    before = (known or given)["properties"].get("properties") or {}
    after = given["properties"].get("properties") or {}
    if any(after.get(key) != value for key, value in before.items()):
        return refusal(400, "BadRequest", f"Properties can be added, but not removed or altered: {before}.")
    return None


def _unfit_deployment(azure: Azure, above: dict[str, Any], given: dict[str, Any]) -> Answer | None:
    properties = given["properties"]
    if (properties["endpointComputeType"] == "Kubernetes") != (above["kind"] == "K8S"):
        return refusal(400, "BadRequest", f"{properties['endpointComputeType']}: not the endpoint's compute type.")
    needed = (properties["environmentId"], properties["codeConfiguration"]["codeId"], properties["model"])
    for id in needed:
        if scoring.asset(azure, id) is None:
            return refusal(400, "BadArgument", f"{id} was not found.")
    script = properties["codeConfiguration"]["scoringScript"]
    if not any(name.endswith(script) for name in scoring.files(azure, scoring.asset(azure, needed[1]))):
        return refusal(400, "BadArgument", f"The code holds no {script}.")
    return None


def _unfit_name(name: str) -> Answer | None:
    if NAME.fullmatch(name):
        return None
    return refusal(400, "BadArgument", f"{name}: 3 to 32 letters, digits and single hyphens, a letter first.")


def _busy(resource: dict[str, Any] | None) -> Answer | None:
    if resource is None or _state(resource) in SETTLED:
        return None
    return refusal(409, "Conflict", f"{resource['name']} is {_state(resource)}: another operation is in progress.")


def _state(resource: dict[str, Any]) -> str:
    return str(resource["properties"]["provisioningState"])


def absent(id: str) -> Answer:
    """Refuse what is asked of an endpoint or a deployment that is not there."""
    return refusal(404, "ResourceNotFound", f"{id.rpartition('/')[2]} was not found.")
