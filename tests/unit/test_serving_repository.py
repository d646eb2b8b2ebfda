"""Models are loaded and unloaded by call: from the folder only, answered when done, and undone where they fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from model_packages import make_package
from modelpackage import package_digest
from serving import repository as repositories
from serving.declare import declare, read_desired
from serving.deployments import Endpoint
from serving.desired import Declared, DesiredModel
from serving.errors import RequestError
from serving.reconcile import Reconciler
from serving.repository import Repository


class World:
    """A folder of packages whose models are loaded by call, a directory, and one worker that follows it."""

    def __init__(self, folder: Path) -> None:
        self.models, self.directory = folder / "models", folder / "endpoint"
        for version, bias in (("2", 0.0), ("10", 0.5)):
            make_package(self.models / "one" / version, bias)
        self.policy("policy: explicit\n")
        self.endpoint = Endpoint()
        self.reconciler = Reconciler(self.directory, self.endpoint)
        self.repository = Repository(self.directory, self.models)

    def policy(self, text: str) -> None:
        """Write the folder's policy."""
        (self.models / "policy.yaml").write_text(text, encoding="utf-8")

    async def ask_workers(self) -> Mapping[str, Any]:
        """Return what the workers say; a look goes before."""
        self.reconciler.look()
        return {"reports": [self.endpoint.report()], "workers": 1}

    def load(self, model: str, **parameters: Any) -> dict[str, Any]:
        """Load a model and return the answer."""
        body = json.dumps({"parameters": parameters}).encode() if parameters else b""
        return json.loads(asyncio.run(self.repository.load(model, body, self.ask_workers)).body)

    def unload(self, model: str, body: bytes = b"") -> dict[str, Any]:
        """Unload a model and return the answer."""
        return json.loads(asyncio.run(self.repository.unload(model, body, self.ask_workers)).body)

    @property
    def states(self) -> dict[str, str]:
        """Return the index: the state of each version."""
        return {f"{row['name']} {row['version']}": row["state"] for row in self.repository.index(self.endpoint)}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a world of its own."""
    return World(tmp_path)


def test_a_load_is_answered_when_the_highest_version_has_the_traffic(world: World) -> None:
    assert world.states == {"one 10": "UNAVAILABLE", "one 2": "UNAVAILABLE"}
    assert world.load("one") == {"name": "one", "versions": ["10"]}
    served = world.endpoint.served("one").main()
    assert (served.version, served.state) == ("10", "ready")
    assert world.states == {"one 10": "READY", "one 2": "UNAVAILABLE"}
    assert world.repository.index(world.endpoint, b'{"ready": true}') == [
        {"name": "one", "version": "10", "state": "READY", "reason": ""}
    ]


def test_a_version_variant_and_engine_can_be_asked_for(world: World) -> None:
    world.load("one")
    for version in ("2", 2):
        world.load("one", version=version, variant="fp32", engine="onnxruntime")
        main = world.endpoint.served("one").main()
        assert (main.version, main.declared.variant) == ("2", "fp32")
    assert world.states == {"one 2": "READY", "one 10": "UNAVAILABLE"}


def test_an_unload_is_answered_when_the_model_is_gone(world: World) -> None:
    world.load("one")
    assert world.unload("one", b'{"parameters": {"unload_dependents": false}}') == {"name": "one"}
    assert (world.endpoint.models, read_desired(world.directory).models) == ({}, {})


def test_a_load_that_fails_leaves_what_is_served_and_what_is_declared(world: World) -> None:
    world.load("one", version=2)
    before = read_desired(world.directory).models
    with pytest.raises(RequestError, match="model one can't be loaded: .* holds no variant fp16") as raised:
        world.load("one", variant="fp16")
    assert raised.value.status == 400
    assert world.endpoint.served("one").main().version == "2"
    assert read_desired(world.directory).models == before
    with pytest.raises(RequestError, match="engine none: unknown"):
        world.load("one", engine="none")
    assert read_desired(world.directory).models == before


def test_a_first_load_that_fails_leaves_nothing_declared(world: World) -> None:
    with pytest.raises(RequestError, match="holds no variant fp16"):
        world.load("one", variant="fp16")
    assert read_desired(world.directory).models == {}


@pytest.mark.parametrize(
    ("model", "parameters", "status", "reason"),
    [
        ("two", {}, 404, "model two is not in the folder"),
        ("..", {}, 404, "is not in the folder"),
        ("../models/one", {}, 404, "is not in the folder"),
        ("policy.yaml", {}, 404, "is not in the folder"),
        ("one", {"version": 3}, 404, "no whole package of version 3"),
        ("one", {"version": "../2"}, 400, "parameters.version"),
        ("one", {"version": True}, 400, "parameters.version"),
        ("one", {"config": "{}"}, 400, "parameters: should be a mapping of version, variant, engine"),
        ("one", {"variant": 8}, 400, "should be texts"),
    ],
)
def test_what_cannot_be_loaded_is_refused_and_changes_nothing(
    world: World, model: str, parameters: dict[str, Any], status: int, reason: str
) -> None:
    with pytest.raises(RequestError, match=reason) as raised:
        world.load(model, **parameters)
    assert raised.value.status == status
    assert read_desired(world.directory).generation == 0


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"parameters": []}', b"\xff"])
def test_a_body_that_is_no_request_is_refused(world: World, body: bytes) -> None:
    with pytest.raises(RequestError) as raised:
        world.unload("one", body)
    assert raised.value.status == 400


def test_a_damaged_package_is_not_loaded(world: World) -> None:
    (world.models / "one" / "10" / "labels.json").unlink()
    assert world.load("one") == {"name": "one", "versions": ["2"]}
    with pytest.raises(RequestError, match="no whole package of version 10"):
        world.load("one", version=10)


def test_a_model_that_follows_the_folder_is_not_loaded_by_call(world: World) -> None:
    world.policy("policy: highest\n")
    for call in (world.load, world.unload):
        with pytest.raises(RequestError, match="follows the folder by its policy highest") as raised:
            call("one")
        assert raised.value.status == 400
    world.policy("policy: none\n")
    with pytest.raises(RequestError, match="policy should be one of"):
        world.load("one")


def test_what_was_declared_elsewhere_is_not_unloaded_by_call(world: World) -> None:
    package = make_package(world.directory / "package")
    model = DesiredModel({"1": Declared(str(package), package_digest(package), "int8")}, {"1": 100})
    declare(world.directory, lambda models: {"one": model})
    with pytest.raises(RequestError, match="is not loaded from the folder") as raised:
        world.unload("one")
    assert raised.value.status == 404
    assert read_desired(world.directory).models == {"one": model}


def test_without_a_folder_nothing_is_loaded_by_call(world: World) -> None:
    world.repository = Repository(world.directory, None)
    with pytest.raises(RequestError, match="start the server with --models FOLDER"):
        world.load("one")
    assert world.states == {}


def test_a_load_that_takes_too_long_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repositories, "DEADLINE_SECONDS", 0.05)

    async def starting() -> Mapping[str, Any]:
        return {"reports": [], "workers": 1}

    with pytest.raises(RequestError, match="declared, but not done") as raised:
        asyncio.run(world.repository.load("one", b"", starting))
    assert raised.value.status == 504
