"""How far Flux is with a commit, read from the objects that it keeps in the cluster. Pure: it asks nobody.

The stage's Kustomization is found by what it applies: our folder of our repository. It has applied a commit when it is
ready, for its present generation, at that commit or at one that follows it. An artifact in a container registry has
a digest for its revision: of which commit it was made, it says itself, where `flux push artifact --revision` told it.

Source: fluxcd.io/flux/components/kustomize/kustomizations (Kustomization Status), .../source/gitrepositories,
.../source/ocirepositories (Artifact: metadata).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mlops.errors import TargetError

GROUP, VERSION = "kustomize.toolkit.fluxcd.io", "v1"
SOURCE_GROUP, SOURCE_VERSION = "source.toolkit.fluxcd.io", "v1"
GIT, OCI = "GitRepository", "OCIRepository"
OF_COMMIT, OF_SOURCE = "org.opencontainers.image.revision", "org.opencontainers.image.source"
NO_COMMIT = (
    "its artifact does not say of which commit it is: push it by `flux push artifact --source URL "
    "--revision main@sha1:COMMIT`, or set flux.wait: false"
)
COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?$")
APPLIED, WORKING, WAITING, UNHEALTHY, FAILED = "applied", "working", "waiting", "unhealthy", "failed"
FAILURES = {
    "BuildFailed": "build failed",
    "HealthCheckFailed": "health check failed",
    "ReconciliationFailed": "apply failed",
    "PruneFailed": "prune failed",
    "ArtifactFailed": "the commit could not be fetched",
    "InvalidCELExpression": "a health check is none",
}
DELAYS = {"DependencyNotReady": "dependency not ready"}
LONGEST = 300

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Progress:
    """What Flux makes of a commit; `reason` is Flux's own word, `text` is for people.

    `state` is applied, working (it is being applied, or watched getting healthy), waiting (not taken up yet), unhealthy
    (applied, but not all of it got healthy in time) or failed.
    """

    state: str
    reason: str
    text: str


def own(kustomizations: Iterable[Object], sources: Iterable[Object], url: str, folder: str) -> Object:
    """Return the Kustomization that applies our folder of our repository. Raises TargetError where there is not one."""
    there = [one for one in kustomizations if _path(one) == folder]
    # An artifact that does not say where it is from may be from there.
    ours = {(_kind(one), *_name(one)) for one in sources if _place(_repository(one) or url) == _place(url)}
    found = [one for one in there if _source(one) in ours] if ours else there
    if len(found) == 1:
        return found[0]
    told = f"{len(found)} Kustomizations apply" if found else "no Kustomization applies"
    raise TargetError(f"the cluster runs Flux, but {told} {folder} of {url}: see infra/flux")


def is_fed_by(kustomizations: Iterable[Object], folder: str, kind: str) -> bool:
    """Tell whether a Kustomization of our folder has a source of this kind."""
    return any(_path(one) == folder and _source(one)[0] == kind for one in kustomizations)


def progress(kustomization: Object, is_reached: Callable[[str], bool], source: Object | None = None) -> Progress:
    """Return how far a Kustomization is; `is_reached` tells of a commit whether it is ours or follows ours.

    `source` is what it applies from: None where that is a GitRepository that nobody could look at.
    """
    spec, status = kustomization.get("spec", {}), kustomization.get("status", {})
    name = "/".join(_name(kustomization))
    if spec.get("suspend"):
        return Progress(FAILED, "Suspended", f"{name} is suspended: resume it, then run again")
    if source and _kind(source) == OCI and _revision(source) and not _told(source):
        return Progress(FAILED, "NoRevision", f"{OCI} {'/'.join(_name(source))}: {NO_COMMIT}")
    ready = condition(kustomization, "Ready")
    generation = kustomization["metadata"].get("generation", 0)
    is_current = ready.get("observedGeneration", status.get("observedGeneration", 0)) >= generation
    reason, said = str(ready.get("reason", "")), _line(str(ready.get("message", "")))
    text = f"{name}: {FAILURES.get(reason) or DELAYS.get(reason) or reason or 'no word yet'}: {said}"
    if not is_current:
        return Progress(WAITING, reason, f"{name}: Flux has not seen its present generation")
    applied, attempted = (_commit(status, f"last{one}", source) for one in ("Applied", "Attempted"))
    if ready.get("status") == "True" and applied and is_reached(applied):
        return Progress(APPLIED, reason, text)
    text = f"{text} (at {status.get('lastAppliedRevision', 'no revision')})"
    if not (attempted and is_reached(attempted)):
        return Progress(WAITING, reason, text)
    if ready.get("status") != "False" or reason not in FAILURES:
        return Progress(WORKING, reason, text)
    return Progress(UNHEALTHY if reason == "HealthCheckFailed" else FAILED, reason, text)


def condition(object_: Object, kind: str) -> Object:
    """Return a condition of an object's status; empty where it has none of that type."""
    found = (one for one in object_.get("status", {}).get("conditions", []) if one.get("type") == kind)
    return next(found, {})


def source_trouble(source: Object | None) -> str:
    """Return why a source brings no new commits; empty where it says nothing of the kind."""
    ready = condition(source, "Ready") if source else {}
    said = _line(str(ready.get("message", "")))
    return f"{'/'.join(_name(source))}: {said}" if source and ready.get("status") == "False" else ""


def source_of(kustomization: Object, sources: Iterable[Object]) -> Object | None:
    """Return the source of a Kustomization, None where it is not among these."""
    return next((one for one in sources if (_kind(one), *_name(one)) == _source(kustomization)), None)


def _commit(status: Object, key: str, source: Object | None) -> str:
    """Return the commit of a revision of a status; empty where nobody knows it."""
    revision = str(status.get(f"{key}Revision", ""))
    if source and _kind(source) == OCI:
        # Flux 2.5 and later say it beside the revision; else the artifact does, while the source still has it.
        told = _told(source) if revision == _revision(source) else ""
        revision = str(status.get(f"{key}OriginRevision", "")) or told
    # main@sha1:<commit>; before Flux 2.0 main/<commit>.
    found = COMMIT.search(revision)
    return found[0] if found else ""


def _artifact(source: Object) -> Object:
    found: Object = source.get("status", {}).get("artifact") or {}
    return found


def _revision(source: Object) -> str:
    return str(_artifact(source).get("revision", ""))


def _told(source: Object) -> str:
    """Return the revision of git that an artifact says it was made of; empty where that names no commit."""
    told = str((_artifact(source).get("metadata") or {}).get(OF_COMMIT, ""))
    return told if COMMIT.search(told) else ""


def _repository(source: Object) -> str:
    """Return the address of the git repository that a source brings; empty where it does not say."""
    if _kind(source) == OCI:
        return str((_artifact(source).get("metadata") or {}).get(OF_SOURCE, ""))
    return str(source.get("spec", {}).get("url", ""))


def _kind(source: Object) -> str:
    return str(source.get("kind") or GIT)


def _path(kustomization: Object) -> str:
    return str(kustomization.get("spec", {}).get("path", "")).removeprefix("./").strip("/")


def _name(object_: Object) -> tuple[str, str]:
    metadata = object_["metadata"]
    return str(metadata.get("namespace", "")), str(metadata["name"])


def _source(kustomization: Object) -> tuple[str, str, str]:
    """Return the kind, the namespace and the name of what a Kustomization applies from."""
    said = kustomization.get("spec", {}).get("sourceRef", {})
    namespace = str(said.get("namespace") or _name(kustomization)[0])
    return str(said.get("kind") or GIT), namespace, str(said.get("name", ""))


def _place(url: str) -> str:
    """Return host and path of an address, however it is written: Flux may clone by ssh what we push to by https."""
    short = re.fullmatch(r"(?:[^@/]+@)?([^:/]+):([^/].*)", url)
    host, path = (short[1], short[2]) if short else (urlsplit(url).hostname or "", urlsplit(url).path)
    return f"{host}/{path.strip('/').removesuffix('.git')}".lower()


def _line(text: str) -> str:
    line = " ".join(text.split())
    # Of what kustomize says the end is the cause.
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 3]} ... {line[-2 * LONGEST // 3 :]}"
