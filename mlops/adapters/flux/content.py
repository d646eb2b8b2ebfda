"""What a release commits, and the words that it says with it: pure. A release never looks anything up by a tag.

Our files are the stage's tree of mlops.delivery, and beside it the parts of infra/kubernetes that it names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from mlops.config import Stage
from mlops.delivery import DECLARED_FILE, Declared, Served, manifests, read_tree, tree
from mlops.errors import TargetError
from mlops.holder import holder
from mlops.ports import Deployment

Change = Callable[[Declared], Declared]


def declared_in(files: Mapping[str, str]) -> Declared:
    """Return what committed files declare; nothing where there are none. Raises ConfigError where they are damaged."""
    return read_tree({DECLARED_FILE: files[DECLARED_FILE]}) if DECLARED_FILE in files else Declared({}, {})


def files_of(stage: Stage, declared: Declared) -> dict[str, str]:
    """Return all files of a stage that shall run this. Raises ConfigError where that can't be written."""
    return {**manifests(stage), **tree(stage, declared)}


def with_version(deployment: Deployment) -> Change:
    """Return the change that adds a version, with no traffic, or gives one its package and images."""
    served = Served(deployment.version, deployment.digest, deployment.variant, dict(deployment.images))
    return lambda now: replace(now, versions={**now.versions, served.version: served})


def with_traffic(traffic: Mapping[int, int]) -> Change:
    """Return the change that splits the traffic. It raises TargetError where a version of it is not declared."""
    wanted = {version: percent for version, percent in traffic.items() if percent}

    def change(now: Declared) -> Declared:
        absent = sorted(set(wanted) - set(now.versions))
        if absent:
            raise TargetError(f"version {absent[0]} is not in the repository: run `deploy` again")
        return replace(now, traffic=wanted)

    return change


def without_version(version: int) -> Change:
    """Return the change that takes a version away. It raises TargetError where the version has traffic."""

    def change(now: Declared) -> Declared:
        if now.traffic.get(version):
            raise TargetError(f"version {version} has traffic: move it away before removing it")
        return replace(now, versions={number: one for number, one in now.versions.items() if number != version})

    return change


def message_of(stage: Stage, title: str, served: Served | None) -> str:
    """Return a commit's message: what it does, and of which stage, version, digest and run."""
    lines = {"Stage": stage.name, "Model": stage.model}
    if served is not None:
        lines |= {"Version": str(served.version), "Digest": served.digest}
        lines |= {f"{kind.capitalize()}-Image": image for kind, image in sorted(served.images.items())}
    lines["Run"] = holder()
    return f"{stage.name}: {title}\n\n" + "".join(f"{key}: {value}\n" for key, value in lines.items())
