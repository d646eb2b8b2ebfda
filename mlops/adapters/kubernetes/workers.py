"""The workers that score a site's cameras: whether they run what is declared, and why they do not.

Where somebody holds them at none, as a site that closes at night, there is nothing to wait for. It tells no model from
a camera's configuration: whichever keeps a worker from running, no version is blamed.

Source: kubernetes.io, "StatefulSets: Rolling Updates" (with pod management Parallel a broken pod is replaced, too).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlops.adapters.kubernetes.kinds import Kinds, Object
from mlops.adapters.kubernetes.pods import Pods
from mlops.adapters.kubernetes.reasons import Obstacle, is_rolled_out, obstacle
from mlops.adapters.kubernetes.refusals import hidden
from mlops.adapters.kubernetes.waiting import Watched, until
from mlops.delivery import LABEL_VERSION, Declared
from mlops.errors import TargetError

KIND = "StatefulSet"


def are_due(before: Declared, after: Declared) -> bool:
    """Tell whether workers are waited for before traffic moves: where they get another version, and at the end.

    A step between may leave a site that is broken as it is. Nor may what is broken there keep a version in traffic
    that people want to leave: who goes back to an older one waits for nobody.
    """
    return after.main is not None and (after.main != before.main or len(after.live) == 1)


def goes_back(before: Declared, after: Declared) -> bool:
    """Tell whether the most traffic goes from a version to an older one."""
    return before.main is not None and after.main is not None and after.main.version < before.main.version


def expect_running(kinds: Kinds, pods: Pods, objects: Iterable[Object], seconds: float) -> None:
    """Return once the workers among some objects run as these say. Raises TargetError, with the reason, if not."""
    for one in objects:
        if one["kind"] == KIND:
            _expect(Watched(kinds.cluster, kinds.path(one).rpartition("/")[0], _named(one)), pods, one, seconds)


def _expect(watched: Watched, pods: Pods, wanted: Object, seconds: float) -> None:
    version = str(wanted["spec"]["template"]["metadata"]["labels"][LABEL_VERSION])
    labels = {**wanted["spec"]["selector"]["matchLabels"], LABEL_VERSION: version}
    last: list[Obstacle] = []

    def look(found: list[Object]) -> bool | None:
        if found and is_rolled_out(found[0]):
            return True
        one = _obstacle(pods, found[0], labels) if found else Obstacle("it was deleted", True)
        last[:] = [one] if one else []
        return False if one and one.is_final else None

    if not until(watched, look, seconds):
        raise TargetError(_told(pods, wanted["metadata"]["name"], version, last[0] if last else None, seconds))


def _obstacle(pods: Pods, found: Object, labels: dict[str, str]) -> Obstacle | None:
    """Return what is in the way; what is on its way to none has nothing in its way."""
    return obstacle(found, pods.labelled(labels) if found["spec"].get("replicas", 1) else [])


def _told(pods: Pods, name: str, version: str, found: Obstacle | None, seconds: float) -> str:
    late = "" if found and found.is_final else f" within {seconds:.0f} s"
    why = found.text if found else "the cluster says no reason: see `kubectl describe`"
    line = pods.last_line(found.pod, found.crashed) if found and found.crashed and found.pod else ""
    what = f"{pods.namespace}: the cameras' workers, {name}, do not get ready with version {version}{late}"
    return f"{what}: {hidden(why)}{f': {line}' if line else ''}"


def _named(one: Object) -> dict[str, Any]:
    return {"fieldSelector": f"metadata.name={one['metadata']['name']}"}
