"""Run history: the steps of a job, how they stand, their logs and the job's outputs.

Source: what azure-ai-ml 1.35.2 asks for (_restclient/runhistory, _restclient/dataset_dataplane).
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from azurefake.blobs import url_of
from azurefake.jobs import BINDING, STUDIO, Step, default_store, plan
from azurefake.message import Answer, Request, refusal
from azurefake.routes import WS, route
from azurefake.tokens import SECRET

if TYPE_CHECKING:
    from azurefake.state import Azure

HOST = "westeurope.api.azureml.ms"
RUNS = "/history/v1.0" + WS + "/runs"


@route("GET", "/discovery", HOST)
def discovery(azure: Azure, request: Request) -> Answer:
    """Answer where the workspace's services are."""
    services = ("api", "history", "experimentation", "modelmanagement", "pipelines")
    return Answer(body={name: f"https://{HOST}" for name in services})


@route("GET", RUNS + "/{run}/children", HOST)
def children(azure: Azure, request: Request, run: str, **names: str) -> Answer:
    """Answer the steps of a job that have been started."""
    if run not in plan(azure).steps:
        from azurefake import batch

        return batch.children(azure, request, run, **names)
    found = [_run(azure, one) for one in plan(azure).steps[run] if one.status != "NotStarted"]
    return Answer(body={"value": found})


@route("GET", RUNS + "/{run}/details", HOST)
def details(azure: Azure, request: Request, run: str, **names: str) -> Answer:
    """Answer how a run stands, why it failed, and the signed addresses of its logs."""
    step = next((one for steps in plan(azure).steps.values() for one in steps if one.run == run), None)
    if step is None and run not in plan(azure).steps:
        from azurefake import batch

        return batch.details(azure, request, run, **names)
    if step is None:
        return Answer(body={"runId": run, "status": _job(azure, run)["properties"]["status"], "logFiles": {}})
    return Answer(body={**_run(azure, step), "logFiles": _logs(azure, step)})


@route("POST", "/history/v1.0" + WS + "/rundata", HOST)
def data(azure: Azure, request: Request, **names: str) -> Answer:
    """Answer what is known of a job: its outputs, by the ids of their data assets."""
    run = request.json["runId"]
    if run not in plan(azure).steps:
        return refusal(404, "UserError", f"Run {run} was not found.")
    outputs = {
        name: {"assetId": f"azureml://outputs/{run}/{name}", "type": "uri_folder"} for name in _outputs(azure, run)
    }
    return Answer(body={"runMetadata": {"runId": run, "outputs": outputs}})


@route("POST", "/data/v1.0" + WS + "/dataversion/batchGetResolvedUris", HOST)
def resolve(azure: Azure, request: Request, **names: str) -> Answer:
    """Answer where the data of assets is."""
    path = request.path.removeprefix("/data/v1.0").rpartition("/dataversion/")[0]
    place = "azureml:/" + path.replace("/providers/Microsoft.MachineLearningServices", "")
    values = {
        id: {"uri": f"{place}/datastores/workspaceblobstore/paths/{_folder(azure, id)}"}
        for id in request.json["values"]
    }
    return Answer(body={"values": values})


def _outputs(azure: Azure, job: str) -> dict[str, str]:
    """Return where each output of a job is whose step completed."""
    found = {}
    for step in plan(azure).steps[job]:
        for name, one in (step.node.get("outputs") or {}).items():
            bound = BINDING.fullmatch(str(one.get("value", "")))
            if bound and step.status == "Completed":
                found[bound[2]] = step.folder(name)
    return found


def _folder(azure: Azure, id: str) -> str:
    job, name = id.removeprefix("azureml://outputs/").split("/")
    return _outputs(azure, job)[name]


def _job(azure: Azure, name: str) -> dict[str, Any]:
    return next(one for id, one in azure.resources.items() if id.endswith(f"/jobs/{name.lower()}"))


def _run(azure: Azure, step: Step) -> dict[str, Any]:
    reused = {"azureml.isreused": "true"} if step.name in plan(azure).reused else {}
    return {
        "runId": step.run,
        "parentRunId": step.job,
        "rootRunId": step.job,
        "displayName": step.name,
        "name": step.name,
        "status": step.status,
        "startTimeUtc": _time(step.started),
        "endTimeUtc": _time(step.ended),
        "properties": {"azureml.moduleName": step.name, **reused},
        "error": {"error": {"code": "UserError", "message": step.error}} if step.error else None,
        "services": {"Studio": {"endpoint": STUDIO + step.run}},
    }


def _logs(azure: Azure, step: Step) -> dict[str, str]:
    account = default_store(azure)[0]
    for name, text in step.logs.items():
        azure.blobs[account, "azureml", f"ExperimentRun/dcid.{step.run}/{name}"] = text.encode()
    keys = {name: (account, "azureml", f"ExperimentRun/dcid.{step.run}/{name}") for name in step.logs}
    return {name: f"{url_of(key)}?sig={SECRET}" for name, key in keys.items()}


def _time(seconds: float) -> str | None:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat() if seconds else None
