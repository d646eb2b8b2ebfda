"""Whether a gateway has taken up what an HTTPRoute says now.

Source: gateway-api.sigs.k8s.io, "HTTPRoute: RouteStatus" (Accepted, ResolvedRefs, observedGeneration).
"""

from __future__ import annotations

from collections.abc import Iterable

from mlops.adapters.kubernetes.kinds import Kinds, Object
from mlops.adapters.kubernetes.waiting import Watched, until
from mlops.errors import TargetError

NEEDED = ("Accepted", "ResolvedRefs")


def accepted(kinds: Kinds, routes: Iterable[Object], seconds: float) -> None:
    """Return once a gateway has taken each route up. Raises TargetError where none does within so many seconds."""
    for route in routes:
        name, namespace = route["metadata"]["name"], route["metadata"]["namespace"]
        path = kinds.place(route["apiVersion"], route["kind"]).path(namespace)
        watched = Watched(kinds.cluster, path, {"fieldSelector": f"metadata.name={name}"})
        if not until(watched, lambda found: None if any(map(_refusal, found)) or not found else True, seconds):
            found = kinds.cluster.find(f"{path}/{name}")
            raise TargetError(f"HTTPRoute {name} in {namespace}: {_refusal(found) or 'was deleted'}: {_advice(found)}")


def _refusal(route: Object | None) -> str | None:
    """Return why no gateway has taken the route up, None where one has."""
    if route is None:
        return None
    generation = int(route["metadata"].get("generation") or 0)
    parents = (route.get("status") or {}).get("parents") or []
    reasons = [_missing(parent, generation) for parent in parents]
    if not reasons:
        return "no gateway has looked at it"
    return None if None in reasons else reasons[0]


def _missing(parent: Object, generation: int) -> str | None:
    said = {one["type"]: one for one in parent.get("conditions") or []}
    for name in NEEDED:
        one = said.get(name)
        if one is None or int(one.get("observedGeneration") or 0) < generation:
            return f"its gateway has not said {name} yet"
        if one["status"] != "True":
            return f"its gateway says {one.get('reason')}: {one.get('message') or name}"
    return None


def _advice(route: Object | None) -> str:
    refs = (route or {}).get("spec", {}).get("parentRefs") or [{}]
    return f"see to Gateway {refs[0].get('name')} and its controller, or set kubernetes.traffic: replicas"
