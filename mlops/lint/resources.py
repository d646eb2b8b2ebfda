"""How much of a thing: counts that are not negative, sizes and Kubernetes quantities that are some.

Sources: learn.microsoft.com, "CLI (v2) command job YAML schema" (shm_size) and "CLI (v2) Azure Arc-enabled Kubernetes
online deployment YAML schema" (resources); kubernetes.io, "Resource Management for Pods and Containers".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from mlops.lint.document import Keys
from mlops.lint.finding import Finding
from mlops.lint.parts import Part, as_mapping
from mlops.lint.surroundings import Surroundings

# The least value of each count, wherever in a file it stands.
LEAST = {
    **dict.fromkeys(("instance_count", "process_count_per_instance", "max_instances", "mini_batch_size"), 1),
    **dict.fromkeys(("max_concurrency_per_instance", "max_concurrent_requests_per_instance", "worker_count"), 1),
    **dict.fromkeys(("max_total_trials", "max_concurrent_trials", "max_instance_count"), 1),
    **dict.fromkeys(("min_instances", "idle_time_before_scale_down", "max_retries", "parameter_server_count"), 0),
}
# Under these stand names of the user's own choice.
FREE = ("inputs", "outputs", "tags", "properties", "environment_variables", "jobs", "component", "trial", "create_job")
SHM_SIZE = re.compile(r"[1-9]\d*[bkmg]?", re.IGNORECASE)
QUANTITIES = {
    "cpu": (re.compile(r"(\d+(?:\.\d+)?)(m?)"), "a number of cores as 0.5, or of thousandths as 500m"),
    "memory": (re.compile(r"(\d+(?:\.\d+)?)((?:[EPTGMK]i|[EPTGMk])?)"), "bytes with a unit as 512Mi or 2Gi"),
    "nvidia.com/gpu": (re.compile(r"(\d+)()"), "a whole number as 1"),
}
UNITS = {"": Decimal(1), "m": Decimal("0.001"), "k": Decimal(1000)}
UNITS |= {unit: Decimal(1000) ** power for power, unit in enumerate("MGTPE", start=2)}
UNITS |= {f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)}


def findings(part: Part, around: Surroundings) -> Iterator[Finding]:
    """Yield each count, size and quantity of a part that can't be."""
    for keys, content in _mappings((), part.content):
        yield from _counts(part, keys, content)
        yield from _span(part, keys, content)
        if "shm_size" in content:
            yield from _shm_size(part, (*keys, "shm_size"), content["shm_size"])
    if part.role == "kubernetesOnlineDeployment":
        yield from _kubernetes(part)


def too_small(value: Any, least: int) -> bool:
    """Tell whether a value is a number, or a text of one, that is less than it may be."""
    if isinstance(value, str) and re.fullmatch(r"-?\d+", value):
        value = int(value)
    return isinstance(value, int | float) and not isinstance(value, bool) and value < least


def is_shm_size(value: Any) -> bool:
    """Tell whether a value is a size of /dev/shm, as 8g."""
    return SHM_SIZE.fullmatch(str(value)) is not None


def quantity(resource: str, value: Any) -> Decimal | None:
    """Return a Kubernetes quantity as cores, bytes or pieces; None where it is none."""
    pattern, _ = QUANTITIES[resource]
    found = pattern.fullmatch(str(value))
    return Decimal(found[1]) * UNITS[found[2]] if found else None


def _mappings(keys: Keys, content: Mapping[str, Any]) -> Iterator[tuple[Keys, Mapping[str, Any]]]:
    yield keys, content
    for key, value in content.items():
        if key not in FREE and isinstance(value, Mapping):
            yield from _mappings((*keys, key), value)


def _counts(part: Part, keys: Keys, content: Mapping[str, Any]) -> Iterator[Finding]:
    for key, value in content.items():
        least = LEAST.get(key)
        if least is not None and too_small(value, least):
            yield part.finding((*keys, key), f"{part.where(*keys, key)}: is {value}: write {least} or more")


def _span(part: Part, keys: Keys, content: Mapping[str, Any]) -> Iterator[Finding]:
    least, most = content.get("min_instances"), content.get("max_instances")
    if isinstance(least, int) and isinstance(most, int) and least > most:
        text = f"{part.where(*keys, 'min_instances')}: {least} is more than max_instances, {most}: lower it"
        yield part.finding((*keys, "min_instances"), text)


def _shm_size(part: Part, keys: Keys, value: Any) -> Iterator[Finding]:
    if "${{" not in str(value) and not is_shm_size(value):
        yield part.finding(keys, f"{part.where(*keys)}: '{value}' is no size: write a number with b, k, m or g, as 8g")


def _kubernetes(part: Part) -> Iterator[Finding]:
    requests, limits = (as_mapping(part.mapping("resources").get(kind)) for kind in ("requests", "limits"))
    for kind, content in (("requests", requests), ("limits", limits)):
        for resource, value in content.items():
            keys = ("resources", kind, resource)
            if resource in QUANTITIES and quantity(resource, value) is None:
                advice = QUANTITIES[resource][1]
                yield part.finding(keys, f"{part.where(*keys)}: '{value}' is no Kubernetes quantity: write {advice}")
    yield from _over_limit(part, requests, limits)


def _over_limit(part: Part, requests: Mapping[str, Any], limits: Mapping[str, Any]) -> Iterator[Finding]:
    for resource in requests.keys() & limits.keys() & QUANTITIES.keys():
        asked, most = quantity(resource, requests[resource]), quantity(resource, limits[resource])
        if asked is not None and most is not None and asked > most:
            keys = ("resources", "requests", resource)
            advice = f"is more than its limit, {limits[resource]}: ask for less"
            yield part.finding(keys, f"{part.where(*keys)}: {requests[resource]} {advice}")
