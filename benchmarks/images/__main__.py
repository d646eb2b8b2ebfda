"""What a site pulls for a new model, for new code and for both: two images, beside one image that holds all.

Real images by buildah, and the bytes of their blobs as a registry sends them: what was not there before is pulled. One
image is built twice over: with the same care (the same order of layers, no times), and as usual, by an agent that has
no cache, with the times of its build. Needs buildah and network; the packages are those of `make demo`.

    python -m benchmarks.images --out docs/benchmarks [--base IMAGE] [--builder IMAGE] [--packages DIR DIR]
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.images.builds import Site, State, layers, one_image, one_image_as_usual, two_images
from benchmarks.images.page import WAYS, draw, page
from mlops.adapters.images.tools import run
from mlops.config import REPOSITORY
from mlops.errors import ConfigError
from mlops.loading import write_json, write_text
from mlops.recipes import base_images

DEMO = REPOSITORY / ".visionline/demo/packages/fashion-classifier"
BUILDS: dict[str, Callable[[Site, str, State], dict[str, int]]] = {
    "two images": two_images,
    "one image, with care": one_image,
    "one image, as usual": one_image_as_usual,
}


def measure(site: Site, packages: tuple[Path, Path]) -> dict[str, dict[str, int]]:
    """Return the bytes that a site pulls: by way, then by what has changed; `first` is a site that has nothing."""
    old, new = packages
    states = {"model": State(new, False), "code": State(old, True), "both": State(new, True), "none": State(old, False)}
    return {way: _pulled(site, way, State(old, False), states) for way in WAYS}


def _pulled(site: Site, way: str, before: State, states: Mapping[str, State]) -> dict[str, int]:
    held = BUILDS[way](site, "before", before)
    pulled = {"first": sum(held.values())}
    for name, state in states.items():
        print(f"{way}: {name}", flush=True)
        after = BUILDS[way](site, name, state)
        pulled[name] = sum(size for digest, size in after.items() if digest not in held)
    return pulled


def _packages(named: list[Path] | None) -> tuple[Path, Path]:
    found = named or sorted(DEMO.glob("*"), key=lambda path: int(path.name))[:2]
    if len(found) != 2:
        raise ConfigError(f"{DEMO}: holds no two packages: run `make demo` first, or name two by --packages")
    return found[0], found[1]


def main() -> None:
    """Build, compare, write images.json, images.md and images.svg."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.images", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--base", help="default: the Dockerfile's own; by digest, as it would be built")
    parser.add_argument("--builder", help="default: the Dockerfile's own")
    parser.add_argument("--packages", type=Path, nargs=2, help="the model before and after; default: the demo's")
    options = parser.parse_args()
    bases = {**base_images(), **{k: v for k, v in (("BASE", options.base), ("BUILDER", options.builder)) if v}}
    with tempfile.TemporaryDirectory() as scratch:
        site = Site(bases, Path(scratch))
        pulled = measure(site, _packages(options.packages))
        sizes = layers(Path(scratch) / "before-runtime")
    builder = run(["buildah", "--version"]).output.decode().strip()
    facts = {"date": time.strftime("%Y-%m-%d"), "builder": builder, "machine": platform.machine(), "bases": bases}
    results = {"schema": 1, "facts": facts, "layers": sizes, "bytes": pulled}
    write_json(options.out / "images.json", results)
    write_text(options.out / "images.md", page(results))
    write_text(options.out / "images.svg", draw(pulled))


if __name__ == "__main__":
    main()
