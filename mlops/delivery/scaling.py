"""One workload, one scaler: what else would change its replicas fights it. Pure rules over a stage and over objects.

Azure ML's inference router scales what it serves by itself, and an HPA beside it competes with it:
https://learn.microsoft.com/azure/machine-learning/how-to-kubernetes-inference-routing-azureml-fe
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mlops.config import Stage

SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
# What Azure ML's extension writes on what it deploys begins so, as a label or an annotation.
AZUREML = ("ml.azure.com/", "azureml", "isazureml")

Object = Mapping[str, Any]


def stage_rival(stage: Stage) -> str | None:
    """Return why a stage's autoscaling can't be: what else sets the same replicas. None where nothing does."""
    scaling = stage.kubernetes.autoscaling
    if scaling == "none":
        return None
    if stage.target == "azureml-online" and stage.azureml.online.compute:
        return f"'{scaling}' and Azure ML's router, which scales what it serves, would fight: write none"
    if stage.kubernetes.traffic == "replicas":
        return f"'{scaling}' would change the replicas that make the shares: write none, or kubernetes.traffic: gateway"
    return None


def untold_by_triton(stage: Stage) -> str | None:
    """Return which key asks for figures that Triton does not tell where it serves the stage; None where none does.

    Source: docs.nvidia.com, Triton "Metrics": it has neither frames that wait nor a histogram of its answers' times.
    """
    overlay = f"Triton serves the overlay {stage.kubernetes.overlay}"
    if stage.flux.flagger:
        return f"flux.flagger: {overlay} and counts no times that Flagger could judge by: write false"
    if stage.kubernetes.autoscaling == "hpa":
        return f"kubernetes.autoscaling: {overlay} and counts no frames that an HPA could scale by: write keda or none"
    return None


def rivals(objects: Iterable[Object]) -> Iterator[str]:
    """Yield each workload of these objects that has two scalers, or a scaler and Azure ML's router."""
    known = list(objects)
    scalers: dict[tuple[str, str], list[str]] = {}
    for one in known:
        if one["kind"] in SCALERS:
            scalers.setdefault(_target(one), []).append(f"{one['kind']} {one['metadata']['name']}")
    for (namespace, name), found in sorted(scalers.items()):
        if len(found) > 1:
            yield f"{namespace}/{name}: {' and '.join(sorted(found))} would fight: keep one"
    for one in known:
        found = scalers.get(_place(one), []) if one["kind"] in ("Deployment", "StatefulSet") else []
        if found and _is_azuremls(one):
            yield f"{'/'.join(_place(one))}: {found[0]} and Azure ML's router would fight: remove the {found[0]}"


def _target(scaler: Object) -> tuple[str, str]:
    return _place(scaler)[0], str(scaler["spec"]["scaleTargetRef"]["name"])


def _place(one: Object) -> tuple[str, str]:
    return str(one["metadata"].get("namespace", "default")), str(one["metadata"]["name"])


def _is_azuremls(workload: Object) -> bool:
    pods = workload["spec"].get("template", {}).get("metadata", {})
    found = (place.get(kind) or {} for place in (workload["metadata"], pods) for kind in ("labels", "annotations"))
    return any(key.startswith(AZUREML) for keys in found for key in keys)
