"""Imports run one way: steps -> rules and ports <- adapters; the wings meet only through the model package.

Each rule is a pure function over the modules' text; each is fed a module that breaks it, so that it is seen to fail.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter

import pytest
from sources import Module, imports, is_within, modules

OWN = ("mlops", "modelpackage", "serving", "vision")
# What each room may import beside the standard library. Whatever is not named here is refused.
ALLOWED = {
    "modelpackage": ("modelpackage",),
    "serving": (
        "serving",
        "modelpackage",
        *("numpy", "onnxruntime", "httptools", "uvloop", "orjson", "multipart", "simplejpeg", "PIL", "av", "yaml"),
        "prometheus_client",
    ),
    "vision": (
        "vision",
        "modelpackage",
        *("numpy", "torch", "onnx", "onnxscript", "onnxruntime", "av", "PIL", "mlflow", "yaml"),
    ),
    "mlops": ("mlops", "modelpackage", "yaml"),
}
# An SDK lives inside the adapter that is named after its platform.
SDKS = {
    "mlops.adapters.local": ("mlflow", "sqlalchemy"),
    "mlops.adapters.azureml": ("azure",),
    "mlops.adapters.github": ("cryptography",),
    "mlops.adapters.images": ("cyclonedx", "packageurl"),
    "mlops.adapters.kubernetes": ("kubernetes", "urllib3"),
    "serving.azureml.online": ("azureml_inference_server_http",),
    "serving.openvino_engine": ("openvino",),
    "serving.entra": ("jwt",),
    "serving.streams.sinks.mqtt": ("paho",),
    "serving.streams.sinks.kafka": ("confluent_kafka",),
    "serving.streams.blob": ("azure",),
}
# Flux runs on Kubernetes: what a stage's cluster shows, its target sees by the other's eyes. And Azure tells the way to
# a cluster and into a registry of its own, as who this process is to Azure.
STANDS_ON = {
    "mlops.adapters.flux": ("mlops.adapters.kubernetes",),
    "mlops.adapters.images": tuple(f"mlops.adapters.azureml.{name}" for name in ("credentials", "failures")),
    "mlops.adapters.kubernetes": tuple(f"mlops.adapters.azureml.{name}" for name in ("arm", "credentials", "failures")),
}
# What an adapter knows of mlops: ports, records and the small modules below them. Never a step, a rule or a context.
BELOW_ADAPTERS = tuple(
    f"mlops.{name}"
    for name in (
        "ports images oci records config places errors loading names client rest preflight storage snapshot manifest"
        " scored jobfile delivery holder hiding kept issues comments"
    ).split()
)
# What rules and records are made of: values. None of them may reach for a platform, a folder's owner or a process.
PURE = tuple(
    f"mlops.{name}" for name in "errors names records evaluation case policy soundness quality traffic".split()
)
ABOVE_RULES = ("mlops.adapters", "mlops.context", "mlops.steps", "mlops.demo", "mlops.cli", "subprocess", "socket")
# Who may name one adapter: the table does, the adapters among themselves do, and the demo, which is of this machine.
NAMES_AN_ADAPTER = ("mlops.adapters", "mlops.demo.scenes")


def foreign_imports(module: Module) -> Iterator[str]:
    """Yield what a module imports that its room has no right to."""
    room = module.name.split(".")[0]
    sdks = next((sdks for adapter, sdks in SDKS.items() if is_within(module.name, adapter)), ())
    for name in imports(module):
        top = name.split(".")[0]
        if top not in sys.stdlib_module_names and top not in (*ALLOWED[room], *sdks):
            yield f"{module.name} imports {name}"


def steps_that_know_adapters(module: Module) -> Iterator[str]:
    """Yield the adapters that a module names which should only know ports."""
    if is_within(module.name, *NAMES_AN_ADAPTER):
        return
    names = imports(module) | set(_dotted_strings(module))
    yield from (f"{module.name} names {name}" for name in names if is_within(name, "mlops.adapters") and _is_one(name))
    if module.name != "mlops.context" and any(is_within(name, "mlops.adapters") for name in imports(module)):
        yield f"{module.name} chooses adapters: only mlops.context does, through the table in mlops.adapters"


def adapters_that_know_too_much(module: Module) -> Iterator[str]:
    """Yield what an adapter imports of mlops beside ports, records, what is below them, and itself."""
    if not module.name.startswith("mlops.adapters."):
        return
    own = ".".join(module.name.split(".")[:3])
    for name in imports(module):
        if is_within(name, "mlops") and not is_within(name, own, *STANDS_ON.get(own, ()), *BELOW_ADAPTERS):
            yield f"{module.name} imports {name}"


def rules_that_do_things(module: Module) -> Iterator[str]:
    """Yield what a module of pure rules or records imports that could act."""
    if module.name in PURE:
        yield from (f"{module.name} imports {name}" for name in imports(module) if is_within(name, *ABOVE_RULES))


def cycle(all_modules: Iterable[Module]) -> list[str]:
    """Return the modules that import each other in a circle, or nothing. Only what is written as an import counts."""
    known = {module.name: module for module in all_modules}
    graph = {name: {_target(one, known) for one in imports(module)} - {name, ""} for name, module in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _target(imported: str, known: dict[str, Module]) -> str:
    parent = imported.rpartition(".")[0]
    return imported if imported in known else parent if parent in known else ""


def _dotted_strings(module: Module) -> Iterator[str]:
    constants = (node.value for node in ast.walk(module.tree) if isinstance(node, ast.Constant))
    yield from (value.split(":")[0] for value in constants if isinstance(value, str) and " " not in value)


def _is_one(name: str) -> bool:
    """Tell whether a name reaches into one adapter, past the table."""
    table = ("registry", "job_runner", "data_store", "deploy_target", "scorer", "secrets", "notifier", "ADAPTERS")
    return name.count(".") >= 2 and name.split(".")[2] not in table


EACH_MODULE = (foreign_imports, steps_that_know_adapters, adapters_that_know_too_much, rules_that_do_things)
BAD = [
    (foreign_imports, Module("mlops.rollout", "import numpy")),
    (foreign_imports, Module("mlops.rollout", "from vision import data")),
    (foreign_imports, Module("mlops.judging", "def f():\n    import onnxruntime")),
    (foreign_imports, Module("mlops.steps.train", "from mlflow.tracking import MlflowClient")),
    (foreign_imports, Module("mlops.adapters.local.registry", "import azure.ai.ml")),
    (foreign_imports, Module("mlops.adapters.azureml.registry", "import mlflow")),
    (foreign_imports, Module("mlops.adapters.local.target", "import kubernetes")),
    (foreign_imports, Module("serving.model", "import torch")),
    (foreign_imports, Module("serving.model", "import mlflow")),
    (foreign_imports, Module("serving.app", "from mlops.client import JsonClient")),
    (foreign_imports, Module("serving.stream", "from vision.data import LABELS")),
    (foreign_imports, Module("vision.train", "from mlops.records import Parity")),
    (foreign_imports, Module("vision.export", "from serving.model import Model")),
    (foreign_imports, Module("vision.train", "from azure.ai.ml import MLClient")),
    (foreign_imports, Module("modelpackage.digest", "import numpy")),
    (steps_that_know_adapters, Module("mlops.steps.deploy", "from mlops.adapters.local.target import LocalTarget")),
    (steps_that_know_adapters, Module("mlops.steps.deploy", "from mlops.adapters import deploy_target")),
    (steps_that_know_adapters, Module("mlops.rollout", "import_module('mlops.adapters.local.target')")),
    (steps_that_know_adapters, Module("mlops.steps", "from ..adapters import local", is_package=True)),
    (adapters_that_know_too_much, Module("mlops.adapters.local.jobs", "from mlops.context import Context")),
    (adapters_that_know_too_much, Module("mlops.adapters.local.jobs", "from mlops.policy import judge")),
    (adapters_that_know_too_much, Module("mlops.adapters.flux.target", "from mlops.adapters.local import target")),
    (adapters_that_know_too_much, Module("mlops.adapters.kubernetes.target", "from mlops.adapters.flux import target")),
    (rules_that_do_things, Module("mlops.policy", "from mlops.context import Context")),
    (rules_that_do_things, Module("mlops.traffic", "import subprocess")),
]


@pytest.mark.parametrize("rule", EACH_MODULE)
def test_each_module_keeps_to_its_room(rule) -> None:
    assert [problem for module in modules() for problem in rule(module)] == []


@pytest.mark.parametrize("rule, module", BAD, ids=lambda value: getattr(value, "name", None))
def test_an_import_against_the_direction_is_found(rule, module: Module) -> None:
    assert list(rule(module)), module.text


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    assert cycle(modules()) == []


def test_a_circle_is_found() -> None:
    pair = [Module("mlops.a", "from mlops.b import f"), Module("mlops.b", "def g():\n    from mlops import a")]
    assert set(cycle(pair)) == {"mlops.a", "mlops.b"}


def test_all_rooms_were_looked_at() -> None:
    assert {module.name.split(".")[0] for module in modules()} == set(OWN)
    assert {name for name in PURE if name not in {module.name for module in modules()}} == set()
