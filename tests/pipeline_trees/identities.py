"""What tells a step who it is, to Azure and to the code host: each system hands it over in its own way.

Sources: docs.github.com, "Automatic token authentication"; learn.microsoft.com, "System.AccessToken"; the provider
azurerm's guides "Service Principal and Open ID Connect".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline_trees import azure_plan
from pipeline_trees.files import WORKFLOWS, Files

# What of a job's steps needs which right of the token, and nothing else gets any.
RIGHTS = (
    ("check out ", "contents", "read"),
    ("mlops home --find", "actions", "read"),
    ("mlops home --pack", "actions", "read"),
    ("mlops preflight ", "actions", "read"),
    ("log in to Azure", "id-token", "write"),
    ("mlops notify ", "checks", "write"),
    ("mlops monitor ", "issues", "write"),
    ("mlops monitor ", "checks", "write"),
    (" --comment", "pull-requests", "write"),
)
# What asks the code host for more than its files: by the token of the job.
ASKING = {word for word, right, _ in RIGHTS if right not in ("contents", "id-token")}
TERRAFORM = "make infra-"  # it asks Azure by variables of its own
AZURE_NAMES = ("AZURE_CLIENT_ID", "AZURE_SUBSCRIPTION_ID", "AZURE_TENANT_ID")
ARM_NAMES = {name.replace("AZURE", "ARM"): name for name in AZURE_NAMES}
GITHUB_AZURE = {name: f"${{{{ vars.{name} }}}}" for name in AZURE_NAMES}
GITHUB_ARM = {arm: GITHUB_AZURE[name] for arm, name in ARM_NAMES.items()} | {"ARM_USE_OIDC": "true"}
GITHUB_TOKEN = {"GITHUB_TOKEN": "${{ github.token }}"}
AZURE_TOKEN = {"SYSTEM_ACCESSTOKEN": "$(System.AccessToken)"}
CONNECTION = "AZURE_SERVICE_CONNECTION_ID"
AZURE_ARM = {arm: f"$({name})" for arm, name in ARM_NAMES.items()} | {"ARM_USE_OIDC": "true", **AZURE_TOKEN}
AZURE_ARM |= {"ARM_ADO_PIPELINE_SERVICE_CONNECTION_ID": f"$({CONNECTION})"}


def github_identity_problems(files: Files, name: str) -> Iterator[str]:
    """Yield where a workflow's step is not told who it is."""
    for job_id, job in files[f"{WORKFLOWS}{name}.yml"]["jobs"].items():
        given = job.get("env") or {}
        wanted = GITHUB_AZURE if "id-token" in (job.get("permissions") or {}) else {}
        if any(TERRAFORM in step.get("run", "") for step in job["steps"]):
            wanted = {**wanted, **GITHUB_ARM}
        yield from (f"jobs.{job_id}: {line}" for line in _missing(given, wanted))
        yield from (f"jobs.{job_id}: {line}" for step in job["steps"] for line in _tokenless(files, step))


def _tokenless(files: Files, step: dict[str, Any]) -> Iterator[str]:
    uses = step.get("uses", "")
    if uses.startswith("./"):
        for inner in files[f"{uses.removeprefix('./')}/action.yml"]["runs"]["steps"]:
            yield from _tokenless(files, inner)
    if any(word in step.get("run", "") for word in ASKING):
        yield from (f"{step['run']}: {line}" for line in _missing(step.get("env") or {}, GITHUB_TOKEN))


def azure_identity_problems(content: dict[str, Any]) -> Iterator[str]:
    """Yield where a step of an expanded pipeline is not told who it is."""
    jobs = [*content.get("jobs", ()), *(job for stage in content.get("stages", ()) for job in stage["jobs"])]
    for job in jobs:
        steps = azure_plan.steps_of(job)
        scripts = [str((step.get("inputs") or {}).get("inlineScript", "")) for step in steps]
        is_known = any(scripts)
        for step, script in zip(steps, scripts, strict=True):
            command = step.get("bash", script)
            wanted = AZURE_ARM if TERRAFORM in script else {}
            if "bash" in step and (any(word in command for word in ASKING) or (is_known and "mlops " in command)):
                wanted = AZURE_TOKEN
            told = [*_missing(step.get("env") or {}, wanted), *_untold(script)]
            yield from (f"{job['displayName']}: {command}: {line}" for line in told)


def _untold(script: str) -> Iterator[str]:
    """Yield of whom a connection's script does not tell the steps after it."""
    for name in (*AZURE_NAMES, CONNECTION) if "##vso[task.setvariable" in script else ():
        if f"{name} " not in script:
            yield f"does not tell {name}"


def _missing(given: Mapping[str, Any], wanted: Mapping[str, str]) -> Iterator[str]:
    for name, value in wanted.items():
        if given.get(name) != value:
            yield f"env: {name} should be {value}: else the step is nobody"
