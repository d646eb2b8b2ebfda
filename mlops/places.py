"""The places that a stage file names: this machine, Azure ML, a container registry, clusters. Values only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Local:
    """The local platform: where its state lives, relative to the repository, and what serves.

    Port 0 takes a free one; workers are the processes of an endpoint.
    """

    home: str
    port: int
    workers: int = 1


@dataclass(frozen=True)
class Cluster:
    """An Azure ML compute cluster. A node that had nothing to do for `idle_seconds` goes, down to `min_nodes`.

    Low-priority nodes cost a fraction and may be taken away at any time; training then goes on from its checkpoint.
    """

    size: str
    min_nodes: int
    max_nodes: int
    idle_seconds: int
    low_priority: bool


@dataclass(frozen=True)
class Training:
    """Where the training pipeline runs on Azure ML: distributed steps on `cluster`, all others on `default_cluster`.

    `variables` are environment variables of the distributed steps, as NCCL_DEBUG; `shm_size` is their /dev/shm.
    """

    cluster: str
    default_cluster: str
    nodes: int
    processes_per_node: int
    shm_size: str
    variables: dict[str, str]


@dataclass(frozen=True)
class Online:
    """An Azure ML online endpoint; `endpoint` null: named after model and stage. `compute` null: managed by Azure.

    `compute` names an attached Kubernetes cluster (AKS or Arc); `instance_type` is a VM size, there an instance type.
    `auth` is key, aad_token or aml_token. `mirror_percent` of the live requests are copied to a new version before it
    has traffic of its own: 50 at most, 0 none; Azure does so on its own machines only.
    """

    endpoint: str | None
    auth: str
    compute: str | None
    instance_type: str
    instances: int
    mirror_percent: int = 0


@dataclass(frozen=True)
class Batch:
    """An Azure ML batch endpoint; `endpoint` null: named after model and stage.

    `mini_batch_size` is how many files a call of the scoring script gets; `max_failed` how many may fail, -1 any.
    """

    endpoint: str | None
    cluster: str
    nodes: int
    mini_batch_size: int
    max_failed: int


@dataclass(frozen=True)
class Retraining:
    """When the training pipeline runs by itself: by cron (null: not) in a time zone, and when new data is published."""

    cron: str | None
    time_zone: str
    on_new_data: bool


@dataclass(frozen=True)
class AzureML:
    """The stage's Azure ML workspace. `registry` null: versions live in the workspace, else in that shared registry."""

    subscription: str
    resource_group: str
    workspace: str
    registry: str | None
    clusters: dict[str, Cluster]
    training: Training
    online: Online
    batch: Batch
    retraining: Retraining


@dataclass(frozen=True)
class Images:
    """Where images lie, and what makes them: `registry` is a host and a path, as team.azurecr.io/visionline.

    `builder` is buildah or docker. `signing` is none, key (cosign with `key`, a file or a key vault's URI) or keyless
    (cosign with CI's own identity, which is then `identity`, given out by `issuer`).
    """

    registry: str
    builder: str
    signing: str
    key: str | None
    identity: str | None
    issuer: str | None


@dataclass(frozen=True)
class Kubernetes:
    """A cluster's share of a stage; `namespace` null: named after model and stage. `context` null: the current one.

    `aks` is the name of an AKS cluster in azureml.resource_group, or group/name: Azure tells the way, no kubeconfig.
    `overlay` is a folder under infra/kubernetes/overlays. `traffic` is gateway (a weighted HTTPRoute) or replicas
    (where there is no Gateway API: versions share one service by their replicas). `autoscaling`: none, hpa, keda.
    """

    overlay: str
    aks: str | None
    context: str | None
    namespace: str | None
    traffic: str
    autoscaling: str
    replicas: int
    rollout_seconds: float


@dataclass(frozen=True)
class Flux:
    """The GitOps repository of a stage: each release is a commit of its folder `path`.

    `policy` is push or pull-request, on `host`: github or azure-devops. Where `wait` is true, and the cluster can be
    reached, a release ends when Flux says that it has applied the commit. With `flagger`, Flagger moves the traffic.
    """

    repository: str
    branch: str
    path: str
    policy: str
    host: str
    wait: bool
    flagger: bool
