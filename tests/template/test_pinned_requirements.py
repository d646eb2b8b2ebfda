"""Requirements stand per use, each pinned to what constraints.txt says, and nothing heavy where it has no place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from sources import ROOT, texts

CONSTRAINTS = "environments/constraints.txt"
PIN = re.compile(r"([A-Za-z0-9._-]+(?:\[[a-z,]+\])?)==([0-9][A-Za-z0-9.+]*)")
TORCH = "2.13.0"
# Beginnings of names that an environment must not hold.
REFUSED = {
    "ci": ("torch", "mlflow", "onnx", "opencv"),
    "serve": ("torch", "mlflow", "azure", "onnx", "opencv", "fastapi"),
    "score": ("torch", "mlflow", "azure-", "onnx", "opencv"),
    "batch": ("torch", "mlflow", "azure-", "onnx", "opencv"),
    "triton": ("torch", "mlflow", "azure", "onnx", "opencv"),
    "train": ("azure", "kubernetes", "torchvision"),
    "test": ("torchvision",),
    "fuzz": ("torch",),
}
# What an edge device installs beside its requirements.txt, for one sink, engine or kind of token each.
OPTIONS = sorted((ROOT / "environments/serve/options").glob("*.txt"))
EXCEPTIONS = {
    "ci": ("mlflow-skinny",),
    "serve": ("onnxruntime",),
    "triton": ("onnxruntime",),
    "score": ("onnxruntime",),
    "batch": ("onnxruntime",),
}
# What Azure ML's batch driver needs, and the numpy that it can live with: never installed beside anything else.
APART = {"batch": ("azureml-core", "azureml-dataset-runtime", "numpy")}
# Hosts of package registries, and the options that name one.
HOSTS = re.compile(
    r"pypi\.(?:org|io)|pythonhosted\.org|registry\.npmjs|npmjs\.(?:org|com)|(?:deb|ftp)\.debian\.org"
    r"|download\.pytorch\.org|conda\.anaconda|proxy\.golang|index[-]url|find[-]links|trusted[-]host",
    re.IGNORECASE,
)
# A firewall has to name what it lets out.
FIREWALL = "infra/egress.yaml"

Pins = dict[str, str]


def read_pins(text: str) -> tuple[Pins, list[str]]:
    """Return the pins of a requirements file by normalised name (PEP 503), and the lines that are no pin."""
    lines = [line.split(" #")[0].strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    pins = {_name(match[1]): match[2] for line in lines if (match := PIN.fullmatch(line))}
    return pins, [line for line in lines if not PIN.fullmatch(line)]


def unconstrained(pins: Pins, constraints: Pins) -> list[str]:
    """Return the pins that constraints.txt lacks or has at another version."""
    return [f"{name}=={version}" for name, version in pins.items() if constraints.get(name) != version]


def out_of_place(environment: str, names: Iterable[str]) -> list[str]:
    """Return the packages that an environment must not hold."""
    allowed = EXCEPTIONS.get(environment, ())
    return [name for name in names if name.startswith(REFUSED[environment]) and name not in allowed]


def named_hosts(files: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield each place that names a package registry: which one is used is the machine's business."""
    for name, text in files:
        yield from (f"{name}: {match[0]}" for match in HOSTS.finditer(text))


def _name(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text.split("[")[0]).lower()


def _environments() -> dict[str, Path]:
    return {path.parent.name: path for path in sorted((ROOT / "environments").glob("*/requirements.txt"))}


def _constraints() -> Pins:
    return read_pins((ROOT / CONSTRAINTS).read_text(encoding="utf-8"))[0]


def test_each_environment_is_known() -> None:
    assert set(_environments()) == set(REFUSED)


@pytest.mark.parametrize("environment", sorted(REFUSED))
def test_requirements_are_pinned_constrained_and_in_place(environment: str) -> None:
    pins, loose = read_pins(_environments()[environment].read_text(encoding="utf-8"))
    shared = {name: version for name, version in pins.items() if name not in APART.get(environment, ())}
    assert shared and loose == []
    assert unconstrained(shared, _constraints()) == []
    assert out_of_place(environment, pins) == []


def test_azures_endpoints_score_with_what_the_edge_scores_with() -> None:
    edge, score = (read_pins(_environments()[name].read_text(encoding="utf-8"))[0] for name in ("serve", "score"))
    assert {name: score.get(name) for name in edge} == edge


def test_a_batch_scores_with_the_edges_packages_but_for_what_azures_driver_forces() -> None:
    edge, batch = (read_pins(_environments()[name].read_text(encoding="utf-8"))[0] for name in ("serve", "batch"))
    assert {name for name, version in batch.items() if edge.get(name) != version} == set(APART["batch"])


@pytest.mark.parametrize("path", OPTIONS, ids=lambda path: path.stem)
def test_options_of_the_edge_are_pinned_constrained_and_in_place(path: Path) -> None:
    pins, loose = read_pins(path.read_text(encoding="utf-8"))
    assert pins and loose == []
    assert unconstrained(pins, _constraints()) == []
    assert [name for name in out_of_place("serve", pins) if name != "azure-storage-blob"] == []


def test_torch_is_one_release_everywhere_and_torchvision_nowhere() -> None:
    everywhere = [_constraints(), *(read_pins(path.read_text())[0] for path in _environments().values())]
    assert {pins["torch"] for pins in everywhere if "torch" in pins} == {TORCH}
    assert not any("torchvision" in pins for pins in everywhere)


def test_no_registry_is_named_but_by_the_firewall() -> None:
    assert [found for found in named_hosts(texts()) if not found.startswith(f"{FIREWALL}:")] == []


@pytest.mark.parametrize("line", ["numpy", "numpy>=2.0", "numpy==2.*", "-r other.txt", "numpy @ file.whl", "a==1; b"])
def test_a_loose_line_is_found(line: str) -> None:
    assert read_pins(f"# why\n{line}\n")[1] == [line]


def test_a_pin_that_constraints_lack_or_contradict_is_found() -> None:
    assert unconstrained({"numpy": "2.4.6", "torch": TORCH}, {"numpy": "2.4.5"}) == ["numpy==2.4.6", f"torch=={TORCH}"]


@pytest.mark.parametrize("environment, name", [("ci", "torch"), ("ci", "mlflow"), ("serve", "azure-ai-ml")])
def test_a_package_out_of_place_is_found(environment: str, name: str) -> None:
    assert out_of_place(environment, [name, "pyyaml"]) == [name]


@pytest.mark.parametrize("text", ["https://{}.org/simple", "--index-{}", "https://download.{}.org/whl"])
def test_a_registry_is_found(text: str) -> None:
    words = {"https://{}.org/simple": "pypi", "--index-{}": "url", "https://download.{}.org/whl": "pytorch"}
    assert list(named_hosts([("setup.cfg", text.format(words[text]))]))
