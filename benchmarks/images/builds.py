"""The images that a site pulls before and after a change: built by buildah, one kind at a time. It compares nothing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops.adapters.images.buildah import open_builder
from mlops.config import load_stage
from mlops.images import Recipe
from mlops.oci import blobs_of, layers_of, layout_digest, write_image
from mlops.recipes import runtime_recipe

CHANGED = "src/serving/app.py"
LAST = "USER 10001:10001"  # of the Dockerfile: what one image adds comes before it, after the code


@dataclass(frozen=True)
class State:
    """What is to be carried: a package, and whether a line of the code has changed."""

    package: Path
    is_changed: bool


@dataclass(frozen=True)
class Site:
    """What a build needs: the base images, and a folder for contexts and layouts."""

    bases: Mapping[str, str]
    scratch: Path


def two_images(site: Site, name: str, state: State) -> dict[str, int]:
    """Return the blobs, by digest their bytes, of the runtime's and the model's image."""
    recipe = _recipe(site, name, state, with_model=False)
    open_builder(load_stage("dev")).build(recipe, _new(site.scratch / f"{name}-runtime"))
    layout = _new(site.scratch / f"{name}-model")
    write_image(state.package, ("amd64",), {}, layout)
    return {**_blobs(site.scratch / f"{name}-runtime"), **_blobs(layout)}


def one_image(site: Site, name: str, state: State) -> dict[str, int]:
    """Return the blobs of one image that holds all, its layers in the same order and made with the same care."""
    recipe = _recipe(site, name, state, with_model=True)
    open_builder(load_stage("dev")).build(recipe, _new(site.scratch / f"{name}-all"))
    return _blobs(site.scratch / f"{name}-all")


def one_image_as_usual(site: Site, name: str, state: State) -> dict[str, int]:
    """Return the blobs of the same image where an agent without a cache builds it, and times are what they are."""
    recipe, tag = _recipe(site, name, state, with_model=True), f"localhost/visionline-benchmark-{name}"
    arguments = [word for key, value in recipe.arguments.items() for word in ("--build-arg", f"{key}={value}")]
    secrets = [word for key, path in recipe.secrets.items() for word in ("--secret", f"id={key},src={path}")]
    flags = ["--isolation", "chroot", "--layers", "--no-cache", "--format", "oci", "--tls-verify=false", "--tag", tag]
    build = ["buildah", "build", *flags, *arguments, *secrets, "--file", str(recipe.dockerfile), str(recipe.context)]
    _run(build)
    _run(["buildah", "push", tag, f"oci:{_new(site.scratch / f'{name}-usual')}"])
    _run(["buildah", "rmi", tag])
    return _blobs(site.scratch / f"{name}-usual")


def layers(layout: Path) -> list[int]:
    """Return the compressed bytes of an image's layers, the lowest first."""
    read = blobs_of(layout)
    return [layer["size"] for layer in layers_of(read(layout_digest(layout)), read)]


def _recipe(site: Site, name: str, state: State, with_model: bool) -> Recipe:
    context = _new(site.scratch / f"{name}-context-{with_model}")
    recipe = runtime_recipe(context, site.bases, ("amd64",))
    if state.is_changed:
        with (context / CHANGED).open("a", encoding="utf-8") as file:
            file.write("# changed\n")
    if with_model:
        shutil.copytree(state.package, context / "package")
        text = recipe.dockerfile.read_text(encoding="utf-8")
        recipe.dockerfile.write_text(text.replace(LAST, f"COPY package /models/package\n{LAST}"), encoding="utf-8")
    return recipe


def _blobs(layout: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in (layout / "blobs" / "sha256").iterdir()}


def _new(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)
