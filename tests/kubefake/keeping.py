"""Keeps what a fake cluster has, and brings it back: its pods are made anew, as the Deployments want them."""

from __future__ import annotations

import copy

from kubefake.cluster import Cluster
from kubefake.fields import Owners
from kubefake.kubelet import DEPLOYMENT, EVENT, POD, is_ready
from kubefake.store import Key, Object

Kept = tuple[dict[Key, Object], dict[Key, Owners]]
MADE_ANEW = (POD.resource, EVENT.resource)


def keep(cluster: Cluster) -> Kept:
    """Return what the cluster has."""
    with cluster.store.locked():
        found = {key: one for key, one in cluster.store.objects.items() if key[0] not in MADE_ANEW}
        return copy.deepcopy(found), copy.deepcopy(cluster.store.owners)


def bring_back(cluster: Cluster, kept: Kept) -> None:
    """Make the cluster what it was; return once its pods are ready."""
    from running_endpoint import wait_for

    with cluster.store.locked():
        for runtime in cluster.kubelet.running.values():
            cluster.kubelet.runtimes.give(runtime)
        cluster.kubelet.running.clear()
        cluster.store.objects, cluster.store.owners = copy.deepcopy(kept)
        cluster.store.forget()
        for deployment in cluster.store.list(DEPLOYMENT):
            place = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
            cluster.store.set_status(DEPLOYMENT, *place, {"observedGeneration": 0})
    wait_for(lambda: cluster.store.list(DEPLOYMENT) == [] or _are_ready(cluster))


def _are_ready(cluster: Cluster) -> bool:
    pods = cluster.store.list(POD)
    return bool(pods) and all(is_ready(one) for one in pods)
