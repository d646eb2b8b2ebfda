"""Which of Azure's actions each step needs, and whether an identity's permissions allow them.

A permission allows what its `actions` name and its own `notActions` do not; any one that allows is enough.

Sources: learn.microsoft.com, "Azure permissions for AI + machine learning" (Microsoft.MachineLearningServices), "Manage
access to Azure Machine Learning workspaces", "Azure built-in roles"; REST: Permissions - List For Resource.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mlops.config import Stage
from mlops.ports import CheckLine
from mlops.preflight.line import failure, ok

PROVIDER = "Microsoft.MachineLearningServices"
MAKES_CLUSTERS = f"{PROVIDER}/workspaces/computes/write"
# Step -> actions below PROVIDER/workspaces/, in the words of Azure's list. A rollback is a deploy.
STEPS = {
    "data": ("datastores/read", "datastores/listSecrets/action", "data/versions/write"),
    "train": (
        "jobs/write",
        "jobs/read",
        "components/versions/write",
        "codes/versions/write",
        "environments/versions/write",
        "experiments/runs/submit/action",
        "jobs/cancel/action",
    ),
    "promote": ("models/versions/read", "models/versions/write"),
    "deploy": (),
    "schedule": ("schedules/write", "schedules/delete"),
}
METRICS = "Microsoft.Insights/metrics/read"  # without which no canary can be judged
SERVED = ("environments/versions/write", "codes/versions/write")
TARGETS = {
    "azureml-online": (
        *(f"onlineEndpoints/{action}" for action in ("read", "write", "deployments/write", "deployments/delete")),
        *SERVED,
        METRICS,
    ),
    "azureml-batch": (
        *(f"batchEndpoints/{action}" for action in ("write", "deployments/write", "deployments/delete", "jobs/write")),
        *SERVED,
    ),
}
AUTHS = {
    "key": ("onlineEndpoints/listKeys/action",),
    "aml_token": ("onlineEndpoints/token/action",),
    "aad_token": ("onlineEndpoints/score/action",),
}
SHARED_READ = (f"{PROVIDER}/registries/read", f"{PROVIDER}/registries/assets/read")
SHARED = (*SHARED_READ, f"{PROVIDER}/registries/assets/write")
# What promote asks of the workspace that its candidates come from: the versions, and what opens their packages.
SOURCE = ("models/versions/read", "datastores/read")
SOURCE_KEY = "datastores/listSecrets/action"
ROLE, METRICS_ROLE = "AzureML Data Scientist", "Monitoring Reader"
MANAGERS = {
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
}
# Roles under which a job may register a model, and read a secret.
WRITERS = {"f6c7c914-8db3-469d-8ca1-694a8f32e121": ROLE, **MANAGERS}
REGISTRY_ROLE = "AzureML Registry User"
REGISTRY_WRITERS = {"1823dd4f-9b8c-4ab6-ab4e-7397a3684615": REGISTRY_ROLE, **MANAGERS}
# Without a key of the datastore's, whoever writes a blob needs these of the storage account.
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
BLOB_ACTIONS = (f"{BLOBS}/read", f"{BLOBS}/write", f"{BLOBS}/add/action")
BLOB_ROLE, BLOB_READER = "Storage Blob Data Contributor", "Storage Blob Data Reader"
BLOB_WRITERS = {
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": BLOB_ROLE,
    "b7e6dc6d-f1e8-4753-8033-0fc2ddd25a18": "Storage Blob Data Owner",
}
SECRET_READERS = {
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "00482a5a-887f-4fb3-b363-3b7fe8e74483": "Key Vault Administrator",
}


def allows(permissions: Iterable[Mapping[str, Any]], action: str, is_on_data: bool = False) -> bool:
    """Tell whether one of the permissions allows an action; what is done to data, not its account, stands apart."""
    given, taken = ("dataActions", "notDataActions") if is_on_data else ("actions", "notActions")
    return any(_named(action, one.get(given) or ()) and not _named(action, one.get(taken) or ()) for one in permissions)


def step_lines(stage: Stage, permissions: list[Mapping[str, Any]]) -> Iterator[CheckLine]:
    """Yield for each step of the stage whether its actions are allowed in the workspace."""
    for step, actions in steps_of(stage).items():
        missing = [action for action in actions if not allows(permissions, _full(action))]
        if missing:
            role = METRICS_ROLE if missing == [METRICS] else ROLE
            yield failure(f"roles: {step}", f"not allowed: {', '.join(missing)}: give the role {role} on the workspace")
        else:
            yield ok(f"roles: {step}", f"{len(actions)} actions allowed")


def steps_of(stage: Stage) -> dict[str, tuple[str, ...]]:
    """Return the actions that each step of a stage needs in its workspace, for the steps that go there."""
    on_platform = stage.platform == "azureml"
    retraining = stage.azureml.retraining
    auth = AUTHS[stage.azureml.online.auth] if stage.target == "azureml-online" else ()
    needs = dict(STEPS) if on_platform else {}
    needs["deploy"] = (*TARGETS.get(stage.target, ()), *auth)
    if not (retraining.cron or retraining.on_new_data):
        needs.pop("schedule", None)
    return {step: actions for step, actions in needs.items() if actions}


def storage_line(stage: Stage, account: str, permissions: list[Mapping[str, Any]]) -> CheckLine:
    """Return whether the stage's steps may write blobs of an account that is opened by identities alone."""
    missing = [action for action in BLOB_ACTIONS if not allows(permissions, action, is_on_data=True)]
    steps = ", ".join(step for step in steps_of(stage) if step != "schedule")
    if missing:
        names = ", ".join(action.removeprefix(f"{BLOBS}/") for action in missing)
        text = f"blobs of {account}, which {steps} write: not allowed: {names}: give the role {BLOB_ROLE} there"
        return failure("roles: storage", text)
    return ok("roles: storage", f"blobs of {account}, which {steps} write, may be read and written")


def source_line(workspace: str, permissions: list[Mapping[str, Any]], has_key: bool) -> CheckLine:
    """Return whether promote may read the versions of the stage before; `has_key`: its datastore has a key to fetch."""
    actions = (*SOURCE, SOURCE_KEY) if has_key else SOURCE
    missing = [action for action in actions if not allows(permissions, _full(action))]
    if missing:
        text = f"not allowed in {workspace}: {', '.join(missing)}: give the role {ROLE} there, or promote can't read"
        return failure("roles: source", text)
    return ok("roles: source", f"versions of {workspace} may be read")


def source_storage_line(account: str, permissions: list[Mapping[str, Any]]) -> CheckLine:
    """Return whether promote may fetch packages of the stage before from an account without a key."""
    if allows(permissions, f"{BLOBS}/read", is_on_data=True):
        return ok("roles: source", f"blobs of {account} may be read")
    text = f"blobs of {account}, where promote's candidates lie: not allowed: read: give the role {BLOB_READER} there"
    return failure("roles: source", text)


def shared_lines(registry: str, permissions: list[Mapping[str, Any]], actions: Sequence[str]) -> Iterator[CheckLine]:
    """Yield whether models of a shared registry may be read, or read and written: SHARED_READ or SHARED."""
    missing = [action for action in actions if not allows(permissions, action)]
    if missing:
        names = ", ".join(action.removeprefix(f"{PROVIDER}/") for action in missing)
        yield failure("roles: registry", f"not allowed in {registry}: {names}: give the role {REGISTRY_ROLE} there")
    else:
        what = "read and written" if actions == SHARED else "read"
        yield ok("roles: registry", f"models of {registry} may be {what}")


def held(assignments: Iterable[Mapping[str, Any]], roles: Mapping[str, str]) -> list[str]:
    """Return the names of those roles that are among the assignments."""
    ids = [
        str((one.get("properties") or {}).get("roleDefinitionId", "")).rpartition("/")[2].lower() for one in assignments
    ]
    return [roles[one] for one in ids if one in roles]


def may_read_secrets(vault: Mapping[str, Any], principal: str) -> bool:
    """Tell whether an access policy of a vault without roles lets an identity read secrets."""
    policies = (vault.get("properties") or {}).get("accessPolicies") or ()
    granted = [one["permissions"].get("secrets") or () for one in policies if one.get("objectId") == principal]
    return any(name.lower() in ("get", "all") for names in granted for name in names)


def _full(action: str) -> str:
    return action if action.startswith("Microsoft.") else f"{PROVIDER}/workspaces/{action}"


def _named(action: str, patterns: Iterable[str]) -> bool:
    return any(re.fullmatch(_expression(one), action, re.IGNORECASE) for one in patterns)


def _expression(pattern: str) -> str:
    # `workspaces/*/read` names workspaces/read, too: the built-in role of data scientists reads workspaces by it.
    return re.escape(pattern).replace(r"/\*/", "/(?:.*/)?").replace(r"\*", ".*")
