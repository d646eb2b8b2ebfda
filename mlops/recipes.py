"""The recipe of an image that runs models, the edge runtime's or Triton's: what it copies, and a key that names it.

It is a folder of just what the image copies. The same code, packages and base give the same key on any machine, and the
key finds the image that was built of them: where no code has changed, no image is built, and each version of the model
runs in the very same one.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlops.config import REPOSITORY
from mlops.errors import ConfigError
from mlops.images import Recipe
from modelpackage import digest_file, digest_json

CODE = ("environments/constraints.txt", "environments/serve/install.py", "src/modelpackage", "src/serving")
# What each image is built of: its Dockerfile first, then what that copies.
COPIED: dict[str, tuple[str, ...]] = {
    "runtime": ("environments/serve/Dockerfile", "environments/serve/requirements.txt", *CODE),
    "triton": ("environments/triton/Dockerfile", "environments/triton/requirements.txt", *CODE),
}
BASES = re.compile(r"^ARG (BASE|BUILDER)=(\S+)$", re.MULTILINE)
# What a build may know of the agent it runs on, by the variable that names the file: pip's settings, authorities.
SECRETS = {"pip": "PIP_CONFIG_FILE", "ca": "SSL_CERT_FILE"}


def base_images(made: str = "runtime") -> dict[str, str]:
    """Return the images that a Dockerfile stands on by itself, by build argument. Raises ConfigError without any."""
    dockerfile = COPIED[made][0]
    found = {match[1]: match[2] for match in BASES.finditer((REPOSITORY / dockerfile).read_text(encoding="utf-8"))}
    if set(found) != {"BASE", "BUILDER"}:
        raise ConfigError(f"{dockerfile}: should give ARG BASE and ARG BUILDER a default")
    return found


def runtime_recipe(
    context: Path, bases: Mapping[str, str], architectures: Sequence[str], made: str = "runtime"
) -> Recipe:
    """Return the recipe, its files copied into the folder `context`; `bases` by digest, as `host/path@sha256:<hex>`."""
    for name in COPIED[made]:
        source = REPOSITORY / name
        files = sorted(source.rglob("*.py")) if source.is_dir() else [source]
        for file in files:
            _copy(file, context / file.relative_to(REPOSITORY))
    secrets = {name: Path(os.environ[variable]) for name, variable in SECRETS.items() if os.environ.get(variable)}
    return Recipe(context / COPIED[made][0], context, bases, tuple(architectures), secrets)


def recipe_key(recipe: Recipe) -> str:
    """Return the name of what a recipe makes: 16 hex digits, of each file, build argument and architecture."""
    files = {path.relative_to(recipe.context).as_posix(): path for path in recipe.context.rglob("*") if path.is_file()}
    content = {name: digest_file(path) for name, path in files.items()}
    key = digest_json({"files": content, "arguments": dict(recipe.arguments), "for": sorted(recipe.architectures)})
    return key.removeprefix("sha256:")[:16]


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o644)  # a checkout's permissions follow its owner's umask, and a layer holds them
