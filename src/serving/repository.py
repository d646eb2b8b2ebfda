"""Models loaded and unloaded by call, from the folder of packages that the server was given (--models).

A call changes desired.json, as anyone who declares does, and is answered once all workers have done it. A model whose
policy follows the folder (serving.policy) is not loaded by call: the next look at the folder would undo it.

Source: Triton's model repository extension,
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from serving.declare import Models, declare
from serving.deployments import Deployment, Endpoint
from serving.desired import DesiredModel
from serving.errors import RequestError, ServingError
from serving.http.message import Response, json_response
from serving.merge import merge_reports
from serving.policy import Package, Policy, declared
from serving.watch import Watch, is_of, policy_of

DEADLINE_SECONDS = 120.0
POLL_SECONDS = 0.03
PARAMETERS = ("version", "variant", "engine")
STATES = {"ready": "READY", "loading": "LOADING", "failed": "UNAVAILABLE"}

AskWorkers = Callable[[], Awaitable[Mapping[str, Any]]]
Row = dict[str, str]


class Repository:
    """The folder of packages that may be loaded by call, None for none, and the directory of desired.json."""

    def __init__(self, directory: Path, folder: Path | None) -> None:
        """Remember where; nothing is read before a call."""
        self._directory = directory
        self._folder = None if folder is None else folder.resolve()
        self._watch = None if self._folder is None else Watch(self._folder)

    def index(self, endpoint: Endpoint, body: bytes = b"") -> list[Row]:
        """Return each version that a worker has, or that lies in the folder, with its state and why it is so.

        {"ready": true} in the body leaves those that are not ready out. Raises RequestError 400.
        """
        rows = [_row(name, one) for name, served in endpoint.models.items() for one in served.deployments]
        known = {(row["name"], row["version"]) for row in rows}
        rows += [row for row in self._absent() if (row["name"], row["version"]) not in known]
        only_ready = _json_object(body).get("ready") is True
        return [row for row in rows if row["state"] == "READY" or not only_ready]

    async def load(self, model: str, body: bytes, ask_workers: AskWorkers) -> Response:
        """Load a version of a model, by default the highest, give it all traffic, and answer when that is done.

        parameters: version, variant, engine. Raises RequestError: 400 where it can't be loaded (then what was served
        still is), 404 where it is not in the folder, 504 where it takes too long.
        """
        parameters = _parameters(body, PARAMETERS)
        wanted = await asyncio.to_thread(self._wanted, model, parameters)
        before: list[DesiredModel | None] = []

        def change(models: Models) -> Models:
            before.append(models.get(model))
            return {**models, model: wanted}

        report = await self._done(change, ask_workers)
        seen = report["models"].get(model, {"deployments": {}})["deployments"]
        failed = [seen[version] for version in wanted.deployments if seen.get(version, {}).get("state") == "failed"]
        if failed:
            await asyncio.to_thread(declare, self._directory, lambda now: _restored(now, model, wanted, before[0]))
            raise RequestError(400, f"model {model} can't be loaded: {failed[0]['reason']}")
        return json_response({"name": model, "versions": list(wanted.deployments)})

    async def unload(self, model: str, body: bytes, ask_workers: AskWorkers) -> Response:
        """Unload all versions of a model after their last answers. Raises RequestError: 400, 404 on an unknown one."""
        _parameters(body, ("unload_dependents",))
        self._explicit(model)
        folder = self._folder

        def change(models: Models) -> Models:
            if model not in models or folder is None or not is_of(models[model], folder):
                raise RequestError(404, f"model {model} is not loaded from the folder of models")
            return {name: one for name, one in models.items() if name != model}

        await self._done(change, ask_workers)
        return json_response({"name": model})

    async def _done(self, change: Callable[[Models], Models], ask_workers: AskWorkers) -> dict[str, Any]:
        generation = await asyncio.to_thread(declare, self._directory, change)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            answer = await ask_workers()
            report = merge_reports(answer["reports"])
            if len(answer["reports"]) == answer["workers"] and report["observed_generation"] >= generation:
                return report
            await asyncio.sleep(POLL_SECONDS)
        raise RequestError(504, f"generation {generation} is declared, but not done after {DEADLINE_SECONDS:.0f} s")

    def _wanted(self, model: str, parameters: Mapping[str, Any]) -> DesiredModel:
        policy, packages = self._explicit(model), self._packages(model)
        version = _version(parameters.get("version", max(packages, default=0)), model)
        if version not in packages:
            raise RequestError(404, f"model {model} has no whole package of version {version} in the folder of models")
        variant, engine = parameters.get("variant", policy.variant), parameters.get("engine", policy.engine)
        if not isinstance(variant, str | None) or not isinstance(engine, str):
            raise RequestError(400, "parameters.variant and parameters.engine: should be texts")
        deployment = declared(packages[version], replace(policy, variant=variant, engine=engine))
        return DesiredModel({str(version): deployment}, {str(version): 100})

    def _explicit(self, model: str) -> Policy:
        """Return the policy of a model that may be loaded by call. Raises RequestError: 400, 404."""
        if self._folder is None:
            raise RequestError(400, "no model is loaded by call here: start the server with --models FOLDER")
        if model.startswith(".") or "/" in model or not (self._folder / model).is_dir():
            raise RequestError(404, f"model {model} is not in the folder of models")
        try:
            policy = policy_of(self._folder, model)
        except ServingError as error:
            raise RequestError(400, str(error)) from None
        if policy.policy != "explicit":
            hint = "write `policy: explicit` in policy.yaml to load it by call"
            raise RequestError(400, f"model {model} follows the folder by its policy {policy.policy}: {hint}")
        return policy

    def _packages(self, model: str) -> dict[int, Package]:
        return {} if self._watch is None else self._watch.packages(model)

    def _absent(self) -> list[Row]:
        folders = [] if self._folder is None else sorted(self._folder.glob("[!.]*/[0-9]*"))
        found = [(path.parent.name, path.name) for path in folders if path.name.isdecimal() and path.is_dir()]
        return [{"name": n, "version": v, "state": "UNAVAILABLE", "reason": "not loaded"} for n, v in found]


def _row(name: str, deployment: Deployment) -> Row:
    state = "UNLOADING" if deployment.is_draining else STATES[deployment.state]
    return {"name": name, "version": deployment.version, "state": state, "reason": deployment.reason or ""}


def _restored(now: Models, model: str, wanted: DesiredModel, before: DesiredModel | None) -> Models:
    """Return the models as before the load, unless somebody has declared this one anew."""
    if now.get(model) != wanted:
        return now
    others = {name: one for name, one in now.items() if name != model}
    return others if before is None else {**others, model: before}


def _parameters(body: bytes, known: tuple[str, ...]) -> Mapping[str, Any]:
    parameters = _json_object(body).get("parameters", {})
    if not isinstance(parameters, dict) or not set(parameters) <= set(known):
        raise RequestError(400, f"parameters: should be a mapping of {', '.join(known)}")
    return parameters


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise RequestError(400, "the body should be empty or a JSON object")
    return value


def _version(value: Any, model: str) -> int:
    text = str(value)
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise RequestError(400, f"parameters.version: should be a number of {model}'s versions, is {text[:40]}")
    return int(text)
