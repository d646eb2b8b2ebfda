"""Pipeline jobs, which a test makes go as it wants: which step fails, with which log, what a step leaves behind.

A job moves on by one step each time that it is looked at, so no test waits for a clock. What the service refuses is
refused: an input without a value, a component, a compute or a data asset that is not there, another job of its name.

Source: learn.microsoft.com/rest/api/azureml, "Jobs".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from azurefake.message import Answer, Request, refusal
from azurefake.routes import ARM, WS, route
from azurefake.tokens import claims_of, now

if TYPE_CHECKING:
    from azurefake.state import Azure

JOB = WS + "/jobs/{job}"
STUDIO = "https://ml.azure.com/runs/"
STAMP = {"createdBy": "someone", "createdByType": "Application"}
PAGE = 2
BINDING = re.compile(r"\$\{\{parent\.(inputs|outputs|jobs)\.(\w+)(?:\.outputs\.(\w+))?\}\}")
ENDED = ("Completed", "Failed", "Canceled")


@dataclass
class Step:
    """One step of a job. `files` are its outputs' files, by output and path, and `folders` where each output is."""

    job: str
    name: str
    node: dict[str, Any]
    component: dict[str, Any]
    status: str = "NotStarted"
    logs: dict[str, str] = field(default_factory=dict)
    error: str = ""
    places: dict[str, str] = field(default_factory=dict)
    looks: int = 0
    started: float = 0.0
    ended: float = 0.0

    @property
    def run(self) -> str:
        """Return the id of the step's own run."""
        return f"{self.job}.{self.name}"

    def folder(self, output: str) -> str:
        """Return where an output is, in the default datastore: where the job wants it, else by the step's run."""
        bound = BINDING.fullmatch(str((self.node.get("outputs") or {}).get(output, {}).get("value", "")))
        wanted = self.places.get(bound[2]) if bound else None
        return f"{wanted}/" if wanted else f"azureml/{self.run}/{output}/"


Work = Callable[["Azure", Step], str | None]


@dataclass
class Plan:
    """What is to become of the jobs that are submitted.

    `work` is called when a step ends, to put its outputs' files into blobs; what it returns is an error. `failures`: a
    step ends with this log, or with these, by the rank of the process. `errors`: it ends with this message; without a
    failure, before it could write a log. `looks`: a step runs for
    so many looks at its job. `preempted`: a step's node is taken away once. `reused`: a step is taken from an earlier
    job. `held`: a step runs on for ever. `cancelled`: somebody cancels the job while this step runs.
    """

    work: dict[str, Work] = field(default_factory=dict)
    failures: dict[str, str | dict[int, str]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    preempted: set[str] = field(default_factory=set)
    reused: set[str] = field(default_factory=set)
    held: str = ""
    cancelled: str = ""
    looks: int = 1
    steps: dict[str, list[Step]] = field(default_factory=dict)


def plan(azure: Azure) -> Plan:
    """Return what is to become of this Azure's jobs: a test changes it."""
    return azure.more.setdefault("jobs", Plan())


def on_job(azure: Azure, step: str, work: Work) -> None:
    """Call `work` when a step of a job ends, "*": any step that has none of its own."""
    plan(azure).work[step] = work


def put_output(azure: Azure, step: Step, output: str, files: dict[str, bytes]) -> None:
    """Put files into an output's folder."""
    account, container = default_store(azure)
    for name, content in files.items():
        azure.blobs[account, container, step.folder(output) + name] = content


def default_store(azure: Azure) -> tuple[str, str]:
    """Return account and container of the default datastore."""
    stores = [one["properties"] for id, one in azure.resources.items() if "/datastores/" in id]
    found = next(one for one in stores if one["isDefault"])
    return found["accountName"], found["containerName"]


@route("PUT", JOB)
def submit(azure: Azure, request: Request, job: str, **names: str) -> Answer:
    """Start a pipeline job."""
    known, given = azure.get(request.path), request.json["properties"]
    problem = _token_problem(request) or _problem(azure, given)
    if problem:
        return refusal(400, "UserError", problem)
    if known:
        return refusal(409, "UserError", f"A job with the name {job} is there already.")
    services = {"Studio": {"jobServiceType": "Studio", "endpoint": f"{STUDIO}{job}?wsid={request.path}"}}
    plan(azure).steps[job] = _steps(azure, job, given["jobs"])
    places = {name: str(one.get("uri") or "").partition("/paths/")[2] for name, one in given["outputs"].items()}
    for step in plan(azure).steps[job]:
        step.places = places
    stamp = {**STAMP, "createdAt": datetime.fromtimestamp(now(), timezone.utc).isoformat()}
    body = {"properties": {**given, "status": "NotStarted", "services": services}, "systemData": stamp}
    return Answer(201, azure.put(request.path, body))


@route("GET", WS + "/jobs")
def all_of_workspace(azure: Azure, request: Request, **names: str) -> Answer:
    """Answer the jobs of a type that have a tag, page by page, without what each is made of."""
    found = [one for one in azure.children(request.path.rpartition("/")[0], "jobs") if _is_wanted(one, request.query)]
    start = int(request.query.get("$skip", 0))
    page = [{**one, "properties": {**one["properties"], "jobs": None, "inputs": None}} for one in found[start:]]
    if len(page) <= PAGE:
        return Answer(body={"value": page})
    query = urlencode({**request.query, "$skip": start + PAGE})
    return Answer(body={"value": page[:PAGE], "nextLink": f"https://{ARM}{request.path}?{query}"})


def _is_wanted(job: dict[str, Any], query: dict[str, str]) -> bool:
    tags, kind = job["properties"].get("tags") or {}, job["properties"]["jobType"]
    return query.get("jobType", kind) == kind and query.get("tag", "") in ("", *tags)


@route("GET", JOB)
def get(azure: Azure, request: Request, job: str, **names: str) -> Answer:
    """Answer a job as it stands, one look later."""
    found = azure.get(request.path)
    if found is None:
        return refusal(404, "UserError", f"Job {job} was not found.")
    if job in plan(azure).steps:
        look(azure, found)
    return Answer(body=found)


@route("POST", JOB + "/cancel")
def cancel(azure: Azure, request: Request, job: str, **names: str) -> Answer:
    """Begin to cancel a job that goes on."""
    found = azure.get(request.path.rpartition("/")[0])
    if found is None:
        return refusal(404, "UserError", f"Job {job} was not found.")
    if job not in plan(azure).steps:
        from azurefake import batch

        return batch.cancel(azure, request, job, **names)
    if found["properties"]["status"] not in ENDED:
        found["properties"]["status"] = "CancelRequested"
    return Answer(202)


def look(azure: Azure, body: dict[str, Any]) -> None:
    """Move a job on by one step."""
    properties, steps = body["properties"], plan(azure).steps[body["name"]]
    if properties["status"] in ENDED:
        return
    if properties["status"] == "CancelRequested":
        properties["status"] = "Canceled"
        for one in steps:
            one.status = one.status if one.status in ENDED else "Canceled"
        return
    properties["status"] = "Running"
    current = next(one for one in steps if one.status not in ENDED)
    _move(azure, current, body)
    if current.status == "Failed":
        properties["status"] = "Failed"
    elif current.status == "Completed":
        _start_next(azure, body, steps)


def _start_next(azure: Azure, body: dict[str, Any], steps: list[Step]) -> None:
    following = next((one for one in steps if one.status == "NotStarted"), None)
    if following is None:
        body["properties"]["status"] = "Completed"
    else:
        _start(azure, following)


def _move(azure: Azure, step: Step, body: dict[str, Any]) -> None:
    wanted = plan(azure)
    if step.status in ("NotStarted", "Queued"):
        _start(azure, step)
        return
    if step.name == wanted.held:
        return
    if step.name == wanted.cancelled:
        body["properties"]["status"] = "CancelRequested"
        return
    if step.name in wanted.preempted:
        wanted.preempted.discard(step.name)
        step.status = "Queued"
        return
    step.looks += 1
    if step.looks >= wanted.looks:
        _end(azure, step)


def _start(azure: Azure, step: Step) -> None:
    step.status, step.started = "Running", step.started or now()
    if step.name in plan(azure).logs:
        step.logs["user_logs/std_log.txt"] = plan(azure).logs[step.name]


def _end(azure: Azure, step: Step) -> None:
    wanted = plan(azure)
    step.ended = now()
    if step.name in wanted.failures:
        step.logs.update(_logs(wanted.failures[step.name]))
        exited = "Execution failed. User process 'python' exited with status code 1."
        step.error = wanted.errors.get(step.name, exited)
    elif step.name in wanted.errors:
        step.error = wanted.errors[step.name]
    else:
        work = wanted.work.get(step.name) or wanted.work.get("*") or _leave_something
        step.error = work(azure, step) or ""
    step.status = "Failed" if step.error else "Completed"


def _logs(given: str | dict[int, str]) -> dict[str, str]:
    if isinstance(given, str):
        return {"user_logs/std_log.txt": given}
    return {f"user_logs/std_log_process_{rank:02}.txt": text for rank, text in given.items()}


def _leave_something(azure: Azure, step: Step) -> None:
    for output in step.node.get("outputs") or {}:
        put_output(azure, step, output, {"made_by": step.name.encode()})


def _steps(azure: Azure, job: str, nodes: dict[str, Any]) -> list[Step]:
    """Return a job's steps in an order in which they can run."""
    ordered: list[str] = []
    while len(ordered) < len(nodes):
        ready = [name for name in nodes if name not in ordered and _before(nodes[name]) <= set(ordered)]
        ordered.append(ready[0])
    return [Step(job, name, nodes[name], _component(azure, nodes[name])) for name in ordered]


def _before(node: dict[str, Any]) -> set[str]:
    values = [str(one.get("value", "")) for one in (node.get("inputs") or {}).values()]
    return {found[2] for value in values if (found := BINDING.fullmatch(value)) and found[1] == "jobs"}


def _component(azure: Azure, node: dict[str, Any]) -> dict[str, Any]:
    found = azure.get(node["componentId"])
    assert found is not None
    return found["properties"]["componentSpec"]


def _token_problem(request: Request) -> str:
    claims = claims_of(request.headers.get("x-azureml-token", "")) or {}
    return "" if claims.get("aud") == "https://ml.azure.com" else "x-azureml-token is no token for Azure ML."


def _problem(azure: Azure, given: dict[str, Any]) -> str:
    """Return what the service would not take of a pipeline, or nothing."""
    computes = {one.get("computeId") for one in given["jobs"].values()} | {given["settings"].get("default_compute")}
    for id in [one for one in computes if one] + [one["componentId"] for one in given["jobs"].values()]:
        if azure.get(id) is None:
            return f"{id} was not found."
    for name, one in (given.get("inputs") or {}).items():
        if not (one.get("value") or one.get("uri")):
            return f"The input {name} has no value."
        if str(one.get("uri", "")).startswith("/") and azure.get(one["uri"]) is None:
            return f"{one['uri']} was not found."
    return "".join(_node_problem(azure, name, given) for name in given["jobs"])


def _node_problem(azure: Azure, name: str, given: dict[str, Any]) -> str:
    node, declared = given["jobs"][name], _component(azure, given["jobs"][name])["inputs"]
    bound = node.get("inputs") or {}
    for key, one in declared.items():
        if key not in bound and not one.get("optional") and one.get("default") is None:
            return f"Step {name} has no value for its input {key}."
    for key, one in bound.items():
        found = BINDING.fullmatch(str(one.get("value", "")))
        if key not in declared or (found and found[1] == "inputs" and found[2] not in given["inputs"]):
            return f"Step {name}: the input {key} can't be bound to {one}."
    return ""
