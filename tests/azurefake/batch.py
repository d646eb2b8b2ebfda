"""Batch endpoints, their deployments and their jobs, which really score: the uploaded script, by tests/batch_driver.py.

A job runs in a thread and goes on whether or not anybody looks. The routes of jobs and their history ask here for
what is not a pipeline's. Sources:
learn.microsoft.com/rest/api/azureml, "Batch Endpoints", "Batch Deployments"; "Create jobs and input data for batch
endpoints" (REST); "Troubleshoot batch endpoints" (logs).
"""

from __future__ import annotations

import tempfile
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azurefake import scoring
from azurefake.blobs import url_of
from azurefake.message import Answer, Request, refusal
from azurefake.online import absent, listed
from azurefake.routes import WS, route
from azurefake.tokens import SECRET, claims_of, now
from batch_driver import Outcome, Settings, run_batch

if TYPE_CHECKING:
    from azurefake.state import Azure

ENDPOINTS = WS + "/batchEndpoints"
ENDPOINT = ENDPOINTS + "/{endpoint}"
DEPLOYMENTS = ENDPOINT + "/deployments"
DEPLOYMENT = DEPLOYMENTS + "/{deployment}"
DOMAIN = "westeurope.inference.ml.azure.com"
STUDIO = "https://ml.azure.com/runs/"
STAMP = {"createdBy": "someone", "createdByType": "Application", "createdAt": "2026-01-01T00:00:00Z"}
STEP = "-batchscoring"
ERROR_LOG = "logs/user/error.txt"
POLLS = 2


@dataclass
class Batch:
    """What is kept beside the resources, and what is to go wrong.

    `failures`: the next operation on this deployment or endpoint ends with this error. `refusals`: the next jobs get
    these answers. `broken`: why the next job fails without having run its script. `held`: jobs wait until it is set.
    """

    failures: dict[str, dict[str, Any]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    held: threading.Event | None = None
    threads: list[threading.Thread] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)


def batch(azure: Azure) -> Batch:
    """Return what is kept of this Azure's batch endpoints beside their resources."""
    return azure.more.setdefault("batch", Batch())


def fail(azure: Azure, name: str, code: str, message: str) -> None:
    """Make the next operation on an endpoint or a deployment end with an error."""
    batch(azure).failures[name] = {"code": code, "message": message}


for path in (ENDPOINTS, DEPLOYMENTS):
    route("GET", path)(listed)


@route("GET", ENDPOINT)
@route("GET", DEPLOYMENT)
def get(azure: Azure, request: Request, **names: str) -> Answer:
    """Answer an endpoint or a deployment."""
    found = azure.get(request.path)
    return Answer(body=found) if found else absent(request.path)


@route("PUT", ENDPOINT)
def change_endpoint(azure: Azure, request: Request, endpoint: str, **names: str) -> Answer:
    """Start to make an endpoint, or to change its default deployment."""
    given, known = request.json["properties"], azure.get(request.path)
    default = (given.get("defaults") or {}).get("deploymentName")
    if default and azure.get(f"{request.path}/deployments/{default}") is None:
        return refusal(400, "BadRequest", f"Default deployment {default} was not found.")
    said = {
        "authMode": given["authMode"],
        "defaults": {"deploymentName": default} if default else {},
        "properties": given.get("properties") or {},
        "scoringUri": f"https://{endpoint}.{DOMAIN}/jobs",
        "swaggerUri": None,
    }
    return _started(azure, request, endpoint, said, known)


@route("PUT", DEPLOYMENT)
def change_deployment(azure: Azure, request: Request, deployment: str, **names: str) -> Answer:
    """Start to make a deployment: nothing of it runs before a job comes."""
    known, given = azure.get(request.path), request.json["properties"]
    if azure.get(request.path.rpartition("/deployments/")[0]) is None:
        return absent(request.path)
    for id in (given["environmentId"], given["codeConfiguration"]["codeId"], given["model"]["assetId"]):
        if scoring.asset(azure, id) is None:
            return refusal(400, "BadArgument", f"{id} was not found.")
    if azure.get(given["compute"]) is None:
        return refusal(400, "BadArgument", f"Compute {given['compute']} was not found.")
    return _started(azure, request, deployment, given, known)


@route("DELETE", ENDPOINT)
@route("DELETE", DEPLOYMENT)
def delete(azure: Azure, request: Request, endpoint: str, deployment: str = "", **names: str) -> Answer:
    """Start to delete a deployment that is not the default, or an endpoint with all it has."""
    above = azure.get(request.path.rpartition("/deployments/")[0])
    if azure.get(request.path) is None:
        return Answer(204)
    if above and deployment and above["properties"]["defaults"].get("deploymentName") == deployment:
        return refusal(400, "BadRequest", f"Deployment {deployment} is the default: it can't be deleted.")
    return Answer(202, None, azure.operation(lambda: azure.delete(request.path) and None, POLLS))


@route("POST", "/jobs", f"*.{DOMAIN}")
def invoke(azure: Azure, request: Request) -> Answer:
    """Start a job on a folder of files: of the deployment that the header names, else of the default one."""
    claims = claims_of(request.headers.get("authorization", "").removeprefix("Bearer ")) or {}
    if claims.get("aud") != "https://ml.azure.com" or claims.get("exp", 0.0) < now():
        return refusal(401, "Unauthorized", "Batch endpoints take tokens of Entra ID for https://ml.azure.com.")
    host = request.host.partition(".")[0]
    endpoint = next((one for id, one in azure.resources.items() if id.endswith(f"/batchendpoints/{host}")), None)
    if endpoint is None:
        return refusal(404, "NotFound", f"No endpoint at {request.host}.")
    default = endpoint["properties"]["defaults"].get("deploymentName")
    name = request.headers.get("azureml-model-deployment") or default
    deployment = azure.get(f"{endpoint['id']}/deployments/{name}") if name else None
    if deployment is None:
        return refusal(404, "NotFound", f"No deployment {name} at {request.host}.")
    (given,), (out,) = (request.json["properties"][key].values() for key in ("InputData", "OutputData"))
    data = azure.get(given["Uri"])
    if data is None or out["JobOutputType"] != "UriFile" or given["JobInputType"] != "UriFolder":
        return refusal(400, "BadArgument", f"Input {given} or output {out} is not valid.")
    return Answer(201, _job(azure, endpoint["id"].rpartition("/batchEndpoints/")[0], deployment, data, out["Uri"]))


def cancel(azure: Azure, request: Request, job: str, **names: str) -> Answer:
    """Cancel a batch job."""
    found = azure.get(request.path.rpartition("/")[0])
    if found is None:
        return absent(request.path)
    found["properties"]["status"] = "Canceled"
    batch(azure).cancelled.append(job)
    return Answer(200)


def children(azure: Azure, request: Request, run: str, **names: str) -> Answer:
    """Answer the one step of a batch job."""
    step = {"runId": f"{run}{STEP}", "parentRunId": run, "displayName": STEP.strip("-"), "status": "Failed"}
    return Answer(body={"value": [step]})


def details(azure: Azure, request: Request, run: str, **names: str) -> Answer:
    """Answer why a batch job failed; of its step the signed addresses of its logs, too."""
    name = run.removesuffix(STEP)
    message = batch(azure).errors.get(name, "")
    logs = {ERROR_LOG: f"{url_of(key)}?sig={SECRET}" for key in azure.blobs if key[2] == _error_log(name)}
    error = {"error": {"code": "UserError", "message": message}} if message else None
    return Answer(body={"runId": run, "error": error, "logFiles": logs if run != name else {}})


def _started(
    azure: Azure, request: Request, name: str, properties: dict[str, Any], known: dict[str, Any] | None
) -> Answer:
    error = batch(azure).failures.pop(name, None)
    state = "Updating" if known else "Creating"
    said = {key: request.json[key] for key in ("location", "tags") if request.json.get(key) is not None}
    body = azure.put(
        request.path, {**said, "properties": {**properties, "provisioningState": state}, "systemData": STAMP}
    )

    def finish() -> None:
        body["properties"]["provisioningState"] = "Failed" if error else "Succeeded"

    return Answer(200 if known else 201, body, azure.operation(finish, POLLS, error))


def _job(azure: Azure, workspace: str, deployment: dict[str, Any], data: dict[str, Any], output: str) -> dict[str, Any]:
    name = f"batchjob-{uuid.uuid4()}"
    body = azure.put(
        f"{workspace}/jobs/{name}",
        {
            "properties": {
                "jobType": "Pipeline",
                "status": "Running",
                "services": {"Studio": {"endpoint": STUDIO + name}},
                "outputs": {"score": {"jobOutputType": "uri_file", "uri": output}},
            }
        },
    )
    work = Work(azure, body, deployment["properties"], scoring.files(azure, data), output)
    thread = threading.Thread(target=work.run, daemon=True)
    batch(azure).threads.append(thread)
    thread.start()
    return body


@dataclass(frozen=True)
class Work:
    """A job that goes on: its resource, its deployment's properties, the files to score and where the rows go."""

    azure: Azure
    body: dict[str, Any]
    deployment: dict[str, Any]
    files: dict[str, bytes]
    output: str

    def run(self) -> None:
        """Run the job, and say how it ended."""
        state = batch(self.azure)
        if state.held is not None:
            state.held.wait()
        broken = state.broken.pop() if state.broken else None
        outcome = Outcome(False) if broken else self._scored()
        with self.azure.lock:
            if self.body["properties"]["status"] == "Running":
                self._end(outcome, broken)

    def _end(self, outcome: Outcome, broken: str | None) -> None:
        account, container, path = scoring.place_of(self.azure, self.body["id"], self.output)
        if outcome.is_completed:
            self.azure.blobs[account, container, path] = "".join(f"{line}\n" for line in outcome.lines).encode()
        elif not broken:
            log = (account, "azureml", _error_log(self.body["name"]))
            self.azure.blobs[log] = f"Errors of the entry script:\n{outcome.errors[-1]}\n\n".encode()
        message = broken or "Execution failed. User process 'amlbi_main' exited with status code 42."
        batch(self.azure).errors[self.body["name"]] = "" if outcome.is_completed else message
        self.body["properties"]["status"] = "Completed" if outcome.is_completed else "Failed"

    def _scored(self) -> Outcome:
        given = self.deployment
        with tempfile.TemporaryDirectory() as scratch:
            parts = {"code": given["codeConfiguration"]["codeId"], "model": given["model"]["assetId"]}
            for part, id in parts.items():
                _write(Path(scratch) / part, scoring.files(self.azure, scoring.asset(self.azure, id)))
            _write(Path(scratch) / "wd" / "INPUT_files", self.files)
            script = next((Path(scratch) / "code").rglob(given["codeConfiguration"]["scoringScript"]))
            own = {**given["environmentVariables"], "AZUREML_MODEL_DIR": str(Path(scratch) / "model")}
            paths = [str(Path(scratch) / "wd" / "INPUT_files" / name) for name in sorted(self.files)]
            return run_batch(script, paths, own, _settings(given))


def _settings(given: dict[str, Any]) -> Settings:
    return Settings(
        mini_batch_size=given["miniBatchSize"],
        processes=given["resources"]["instanceCount"] * given["maxConcurrencyPerInstance"],
        error_threshold=given["errorThreshold"],
        retries=given["retrySettings"]["maxRetries"],
        output_action="append_row" if given["outputAction"] == "AppendRow" else "summary_only",
    )


def _write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _error_log(job: str) -> str:
    return f"ExperimentRun/dcid.{job}{STEP}/{ERROR_LOG}"
