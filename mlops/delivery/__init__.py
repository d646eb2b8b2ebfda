"""What a stage's cluster shall run, as a kustomize tree: the one description that pushing and pulling targets share.

A version is a Deployment and a Service of its own; the stage has one Service and, with `traffic: gateway`, one
HTTPRoute. Where Flagger moves the traffic there is one Deployment, which Flagger copies, and the rest is Flagger's. The
tree stands by itself beside a copy of the parts of infra/kubernetes that it names, in its folder kubernetes/
(`manifests`), and `kubectl kustomize` renders both. It writes nothing and asks no cluster.
"""

from __future__ import annotations

from mlops.delivery.declared import (
    ANNOTATION_DIGEST,
    ANNOTATION_TRAFFIC,
    ANNOTATION_VARIANT,
    DECLARED_FILE,
    DECLARED_SUFFIX,
    LABEL_NAME,
    LABEL_TRAFFIC,
    LABEL_VERSION,
    PORT,
    Declared,
    Served,
    namespace_of,
    package_path,
    read_tree,
    version_name,
)
from mlops.delivery.routing import VERSION_HEADER, largest_remainder, replicas
from mlops.delivery.trees import MANIFESTS, WORKERS_FILE, manifests, tree

__all__ = [
    "ANNOTATION_DIGEST",
    "ANNOTATION_TRAFFIC",
    "ANNOTATION_VARIANT",
    "DECLARED_FILE",
    "DECLARED_SUFFIX",
    "LABEL_NAME",
    "LABEL_TRAFFIC",
    "LABEL_VERSION",
    "MANIFESTS",
    "PORT",
    "VERSION_HEADER",
    "WORKERS_FILE",
    "Declared",
    "Served",
    "largest_remainder",
    "manifests",
    "namespace_of",
    "package_path",
    "read_tree",
    "replicas",
    "tree",
    "version_name",
]
