"""Whether a stage file says all that its platform and target need, nothing that can't be or contradicts itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlops.config import REPOSITORY, Stage
from mlops.lint.stagevalues import all_wrong
from mlops.places import Cluster
from mlops.ports import CheckLine
from mlops.preflight.line import failure, ok, warning

CHECK = "stage file"
GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
COUNTED_SECONDS = 300  # within which Azure Monitor has counted an endpoint's requests
PLACES = ("subscription", "resource_group", "workspace")


def lines(stage: Stage) -> Iterator[CheckLine]:
    """Yield what is wrong in the stage file, or that nothing is."""
    problems = [*_places(stage), *_nodes(stage), *_report(stage), *all_wrong(stage, REPOSITORY)]
    yield from (failure(CHECK, f"mlops/stages/{stage.name}.yaml: {problem}") for problem in problems)
    bake = stage.release.verify.bake_seconds
    is_watched = len(stage.release.traffic_steps) > 1 or stage.azureml.online.mirror_percent > 0
    if stage.target == "azureml-online" and is_watched and bake < COUNTED_SECONDS:
        late = "Azure Monitor counts live requests minutes late, so probes alone would judge a new version"
        yield warning(CHECK, f"release.verify.bake_seconds is {bake:g}: {late}: write {COUNTED_SECONDS} or more")
    if not problems:
        yield ok(CHECK, f"mlops/stages/{stage.name}.yaml is complete: platform {stage.platform}, target {stage.target}")


def uses_azure(stage: Stage) -> bool:
    """Tell whether a step of the stage goes to Azure: an endpoint there serves the workspace's versions alone."""
    return stage.platform == "azureml"


def used_clusters(stage: Stage) -> dict[str, Cluster]:
    """Return the clusters that the stage's steps run on."""
    azure = stage.azureml
    names = [azure.training.cluster, azure.training.default_cluster] if stage.platform == "azureml" else []
    names += [azure.batch.cluster] if stage.target == "azureml-batch" else []
    return {name: azure.clusters[name] for name in dict.fromkeys(names)}


def _places(stage: Stage) -> Iterator[str]:
    if not uses_azure(stage):
        return
    for key in PLACES:
        if not getattr(stage.azureml, key):
            yield f"azureml.{key} is empty: fill it in"
    if stage.azureml.subscription and not GUID.fullmatch(stage.azureml.subscription):
        yield "azureml.subscription should be the subscription's id, not its name: see `az account show --query id`"


def _nodes(stage: Stage) -> Iterator[str]:
    azure = stage.azureml
    training = (azure.training.cluster, azure.training.nodes, "azureml.training.nodes", stage.platform == "azureml")
    batch = (azure.batch.cluster, azure.batch.nodes, "azureml.batch.nodes", stage.target == "azureml-batch")
    for name, nodes, key, is_used in (training, batch):
        most = azure.clusters[name].max_nodes
        if is_used and nodes > most:
            yield f"{key} is {nodes}, but cluster {name} has at most {most}: raise max_nodes, or take fewer"


def _report(stage: Stage) -> Iterator[str]:
    if stage.report == "github" and stage.platform == "azureml" and not stage.report_secret:
        yield (
            "report_secret is empty, and a job has no token of GitHub's: put an app's key or a token into the "
            "workspace's key vault and name it"
        )
