"""Whether the subscription's quota in a region holds the nodes that a stage asks for.

Azure ML counts vCPUs, per family of sizes and over all of them, apart for dedicated and low-priority nodes; a limit of
-1 is that of the total alone. Managed online endpoints take from the same quota: a release runs two deployments side
by side, and Azure keeps a fifth more for its upgrades.

Sources: learn.microsoft.com/rest/api/azureml: Usages - List, Virtual Machine Sizes - List; "Manage quotas".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops.config import Stage
from mlops.ports import CheckLine
from mlops.preflight.line import failure, ok, warning
from mlops.preflight.stagefile import used_clusters

KINDS = {False: "dedicatedCores", True: "lowPriorityCores"}
TOTALS = {
    False: ("totaldedicatedcores", "totalclusterdedicatedregionalvcpus"),
    True: ("totallowprioritycores", "totalclusterlowpriorityregionalvcpus"),
}
SIDE_BY_SIDE, RESERVED = 2, 1.2
ASK = "ask for more (studio: Manage, Quota), or take a smaller size or fewer nodes"


@dataclass(frozen=True)
class Demand:
    """Nodes of one size that a stage asks for; `factor` counts more cores than the nodes have."""

    what: str
    size: str
    nodes: int
    low_priority: bool = False
    factor: float = 1.0


@dataclass(frozen=True)
class Room:
    """One line of the quota, in vCPUs."""

    name: str
    used: int
    limit: int


def demands_of(stage: Stage) -> list[Demand]:
    """Return what nodes the steps of a stage ask for."""
    azure, nodes = stage.azureml, dict[str, int]()
    for name in used_clusters(stage):
        trained = azure.training.nodes if name == azure.training.cluster and stage.platform == "azureml" else 1
        scored = azure.batch.nodes if name == azure.batch.cluster and stage.target == "azureml-batch" else 1
        nodes[name] = max(trained, scored)
    clusters = azure.clusters
    found = [Demand(f"cluster {one}", clusters[one].size, nodes[one], clusters[one].low_priority) for one in nodes]
    if stage.target == "azureml-online" and azure.online.compute is None:
        count = azure.online.instances * SIDE_BY_SIDE
        found.append(Demand("online endpoint", azure.online.instance_type, count, factor=RESERVED))
    return found


def lines(
    stage: Stage, region: str, sizes: Sequence[Mapping[str, Any]], usages: Sequence[Mapping[str, Any]]
) -> Iterator[CheckLine]:
    """Yield a line for each demand of the stage."""
    known = {str(one["name"]).lower(): one for one in sizes}
    for demand in demands_of(stage):
        size = known.get(demand.size.lower())
        if size is None:
            yield failure("quota", f"{demand.what}: {region} has no size {demand.size}: name one that it has")
        elif demand.low_priority and not size.get("lowPriorityCapable", True):
            yield failure("quota", f"{demand.what}: {demand.size} has no low-priority nodes: set low_priority to false")
        else:
            yield _held(demand, size, usages)


def gpu_lines(stage: Stage, sizes: Sequence[Mapping[str, Any]]) -> Iterator[CheckLine]:
    """Yield a warning where training starts more or fewer processes on a node than that has GPUs."""
    if stage.platform != "azureml":
        return
    training = stage.azureml.training
    size = stage.azureml.clusters[training.cluster].size
    gpus = next((int(one.get("gpus") or 0) for one in sizes if str(one["name"]).lower() == size.lower()), 0)
    if gpus and gpus != training.processes_per_node:
        text = f"a node of {training.cluster} has {gpus} GPUs, azureml.training.processes_per_node is "
        yield warning("processes", f"{text}{training.processes_per_node}: one a GPU is usual")


def _held(demand: Demand, size: Mapping[str, Any], usages: Sequence[Mapping[str, Any]]) -> CheckLine:
    cores = math.ceil(demand.nodes * int(size["vCPUs"]) * demand.factor)
    what = f"{demand.what}: {demand.nodes} x {demand.size} needs {cores} vCPUs"
    rooms = _rooms(str(size["family"]), demand.low_priority, usages)
    if not rooms:
        return warning("quota", f"{what}: the region names no quota for its family: look in the studio (Manage, Quota)")
    tight = next((room for room in rooms if cores > room.limit), None)
    if tight:
        return failure("quota", f"{what}, but {tight.name} has a limit of {tight.limit}: {ASK}")
    busy = next((room for room in rooms if cores > room.limit - room.used), None)
    if busy:
        return warning("quota", f"{what}, but {busy.used} of {busy.limit} in {busy.name} are in use: it will wait")
    return ok("quota", f"{what}; free: {min(room.limit - room.used for room in rooms)}")


def _rooms(family: str, low_priority: bool, usages: Sequence[Mapping[str, Any]]) -> list[Room]:
    found = []
    for one in usages:
        names = one.get("name") or {}
        name, kind = str(names.get("value", "")), str(one.get("type", ""))
        is_family = f"vmfamily/{KINDS[low_priority]}".lower() in kind.lower() and _plain(name) == _plain(family)
        if (is_family or _plain(name) in TOTALS[low_priority]) and int(one["limit"]) >= 0:
            label = str(names.get("localizedValue") or name)
            found.append(Room(label, int(one["currentValue"]), int(one["limit"])))
    return found


def _plain(name: str) -> str:
    """Return a family's name as both of Azure's spellings have it: standardDFamily, Standard D Family Cluster ..."""
    letters = re.sub(r"[^a-z0-9]", "", name.lower())
    return letters if letters.startswith("total") else re.sub(r"cluster(dedicated|lowpriority)vcpus$", "", letters)
