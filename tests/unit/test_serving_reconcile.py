"""The endpoint becomes what desired.json declares. Loads are functions here, so that a test decides when each ends."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from eventually import until
from modelpackage import PackageError
from serving import reconcile
from serving.deployments import Deployment, Endpoint, ServedModel
from serving.reconcile import Reconciler

MODEL: Any = object()  # nobody predicts here


class Loads:
    """Loads that wait for a gate, where there is one, and raise what `errors` holds."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.engines: list[str] = []
        self.errors: dict[str, Exception] = {}
        self.gates: dict[str, threading.Event] = {}

    def __call__(self, package: Path, digest: str, variant: str, engine: str) -> Any:
        """Load a package, as serving.model.load_model does."""
        self.started.append(package.name)
        self.engines.append(engine)
        gate = self.gates.get(package.name)
        if gate is not None and not gate.wait(30):
            raise TimeoutError
        if package.name in self.errors:
            raise self.errors[package.name]
        return MODEL


class World:
    """One endpoint, its folder and its reconciler, looked at by hand."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "desired.json"
        self.loads = Loads()
        self.endpoint = Endpoint()
        self.reconciler = Reconciler(folder, self.endpoint, self.loads)

    def declare(self, generation: int, traffic: dict[str, int], *versions: str) -> None:
        """Declare versions; the package of version 2 is named "2"."""
        deployments = {v: {"package": f"/packages/{v}", "digest": "sha256:0", "variant": "fp32"} for v in versions}
        self.declare_models(generation, {"m": {"deployments": deployments, "traffic": traffic}})

    def declare_models(self, generation: int, models: dict[str, Any]) -> None:
        """Declare models."""
        self.path.write_text(json.dumps({"generation": generation, "models": models}), encoding="utf-8")

    async def until(self, condition: Callable[[], bool]) -> None:
        """Look until something is so."""
        for _ in range(3000):
            self.reconciler.look()
            if condition():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the deadline passed")

    async def settle(self, generation: int) -> None:
        """Look until a generation is done."""
        await self.until(lambda: self.endpoint.observed == generation)

    @property
    def states(self) -> dict[str, str]:
        """Return the state of each version."""
        return {one.version: one.state for one in self.served.deployments}

    @property
    def served(self) -> ServedModel:
        """Return the model that is declared."""
        return self.endpoint.models["m"]

    def of(self, version: str) -> Deployment:
        """Return the deployment of a version."""
        return self.served.find(version)


Scenario = Callable[[World], Coroutine[Any, Any, None]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Scenario], World]:
    """Return what plays a scenario in a world of its own."""

    def run(scenario: Scenario) -> World:
        world = World(tmp_path)
        asyncio.run(scenario(world))
        return world

    return run


def test_nothing_declared_is_nothing_served(play: Callable[[Scenario], World]) -> None:
    async def scenario(world: World) -> None:
        world.reconciler.look()

    report = play(scenario).endpoint.report()
    assert report == {"observed_generation": 0, "error": None, "models": {}}


def test_traffic_moves_only_when_its_target_is_ready(play: Callable[[Scenario], World]) -> None:
    async def scenario(world: World) -> None:
        world.declare(1, {"1": 100}, "1")
        await world.settle(1)
        world.loads.gates["2"] = threading.Event()
        world.declare(2, {"2": 100}, "1", "2")
        await world.until(lambda: world.loads.started == ["1", "2"])
        world.reconciler.look()
        assert world.served.traffic.percents() == {"1": 100}
        assert (world.endpoint.observed, world.states) == (1, {"1": "ready", "2": "loading"})
        world.loads.gates["2"].set()
        await world.settle(2)

    assert play(scenario).served.traffic.percents() == {"2": 100}


def test_a_version_that_is_ready_has_its_traffic_in_the_same_moment(play: Callable[[Scenario], World]) -> None:
    async def scenario(world: World) -> None:
        world.declare(1, {"1": 100}, "1")
        world.reconciler.look()
        await until(lambda: world.states == {"1": "ready"})

    assert play(scenario).served.traffic.percents() == {"1": 100}


def test_a_failed_load_never_gets_traffic_and_is_reported(play: Callable[[Scenario], World]) -> None:
    async def scenario(world: World) -> None:
        world.declare(1, {"1": 100}, "1")
        await world.settle(1)
        world.loads.errors["2"] = PackageError("/packages/2: is broken")
        world.declare(2, {"2": 100}, "2")
        await world.settle(2)

    world = play(scenario)
    assert world.served.traffic.percents() == {"1": 100}, "what is in force stays, though it is declared no more"
    assert world.states == {"1": "ready", "2": "failed"}
    assert world.served.report()["deployments"]["2"]["reason"] == "/packages/2: is broken"


def test_a_failed_load_is_tried_again_only_when_declared_again(play: Callable[[Scenario], World]) -> None:
    async def scenario(world: World) -> None:
        world.loads.errors["1"] = PackageError("/packages/1: is broken")
        world.declare(1, {}, "1")
        await world.settle(1)
        for _ in range(5):
            world.reconciler.look()
        assert world.loads.started == ["1"]
        world.loads.errors.clear()
        world.declare(2, {"1": 100}, "1")
        await world.settle(2)

    assert play(scenario).states == {"1": "ready"}


def test_an_error_that_is_no_package_error_fails_the_load_and_not_the_server(play: Callable[[Scenario], World]) -> None:
    async def scenario(world: World) -> None:
        world.loads.errors["1"] = RuntimeError("two\nlines")
        world.declare(1, {}, "1")
        await world.settle(1)

    assert play(scenario).served.report()["deployments"]["1"]["reason"] == "RuntimeError: two lines"


def test_a_removed_version_is_unloaded_after_its_last_answer(play: Callable[[Scenario], World]) -> None:
    async def scenario(world: World) -> None:
        world.declare(1, {"1": 100}, "1", "2")
        await world.settle(1)
        with world.of("1").hold():
            world.declare(2, {"2": 100}, "2")
            world.reconciler.look()
            assert world.served.route().version == "2", "new requests go to the new one at once"
            for _ in range(5):
                world.reconciler.look()
            assert (world.endpoint.observed, set(world.states)) == (1, {"1", "2"})
        await world.settle(2)

    assert play(scenario).states == {"2": "ready"}


def test_a_version_declared_again_while_it_drains_stays(play: Callable[[Scenario], World]) -> None:
    async def scenario(world: World) -> None:
        world.declare(1, {"1": 100}, "1", "2")
        await world.settle(1)
        with world.of("1").hold():
            world.declare(2, {"2": 100}, "2")
            world.reconciler.look()
            world.declare(3, {"1": 100}, "1", "2")
            world.reconciler.look()
            assert world.of("1").state == "ready"

    assert play(scenario).loads.started.count("1") == 1


def test_newer_traffic_does_not_wait_for_a_load(play: Callable[[Scenario], World]) -> None:
    async def scenario(world: World) -> None:
        world.declare(1, {"1": 100}, "1", "2")
        await world.settle(1)
        world.loads.gates["3"] = threading.Event()
        world.declare(2, {"3": 100}, "1", "2", "3")
        await world.until(lambda: "3" in world.loads.started)
        world.declare(3, {"2": 100}, "2")
        await world.settle(3)
        assert world.states == {"2": "ready"}
        world.loads.gates["3"].set()

    assert play(scenario).served.traffic.percents() == {"2": 100}


def test_the_same_version_with_another_variant_is_loaded_beside_and_then_served(
    play: Callable[[Scenario], World],
) -> None:
    async def scenario(world: World) -> None:
        world.declare(1, {"1": 100}, "1")
        await world.settle(1)
        before = world.of("1")
        text = (
            world.path.read_text(encoding="utf-8").replace("fp32", "int8").replace('"generation": 1', '"generation": 2')
        )
        world.path.write_text(text, encoding="utf-8")
        world.reconciler.look()
        assert world.served.traffic.has(before)
        await world.settle(2)
        assert not world.served.traffic.has(before)

    world = play(scenario)
    assert [one.declared.variant for one in world.served.deployments] == ["int8"]


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"generation": 9}'])
def test_a_malformed_file_changes_nothing_and_is_reported(play: Callable[[Scenario], World], broken: str) -> None:
    async def scenario(world: World) -> None:
        world.declare(1, {"1": 100}, "1")
        await world.settle(1)
        world.path.write_text(broken, encoding="utf-8")
        world.reconciler.look()
        report = world.endpoint.report()
        assert "desired.json" in report["error"] and "what is served stays" in report["error"]
        assert (report["models"]["m"]["traffic"], report["observed_generation"]) == ({"1": 100}, 1)
        world.declare(2, {"1": 100}, "1")
        await world.settle(2)

    world = play(scenario)
    assert (world.endpoint.error, world.loads.started) == (None, ["1"])


def test_a_file_that_is_gone_changes_nothing_and_is_reported(play: Callable[[Scenario], World]) -> None:
    async def scenario(world: World) -> None:
        world.declare(1, {"1": 100}, "1")
        await world.settle(1)
        world.path.unlink()
        world.reconciler.look()

    world = play(scenario)
    assert world.served.traffic.percents() == {"1": 100}
    assert world.endpoint.error is not None and "it is gone" in world.endpoint.error


def test_the_same_generation_with_other_content_is_not_done_before_it_is(play: Callable[[Scenario], World]) -> None:
    async def scenario(world: World) -> None:
        world.declare(1, {"1": 100}, "1")
        await world.settle(1)
        world.loads.gates["2"] = threading.Event()
        world.declare(1, {"2": 100}, "2")
        await world.until(lambda: "2" in world.loads.started)
        assert world.endpoint.observed == 0
        world.loads.gates["2"].set()
        await world.settle(1)

    assert play(scenario).served.traffic.percents() == {"2": 100}


def test_the_same_file_again_starts_nothing(play: Callable[[Scenario], World]) -> None:
    async def scenario(world: World) -> None:
        world.declare(1, {"1": 100}, "1")
        await world.settle(1)
        world.declare(1, {"1": 100}, "1")
        world.reconciler.look()
        assert world.endpoint.observed == 1

    assert play(scenario).loads.started == ["1"]


def one_version(version: str, **more: Any) -> dict[str, Any]:
    """Return a model of one version, which has all the traffic."""
    declared = {"package": f"/packages/{version}", "digest": "sha256:0", "variant": "fp32"}
    return {"deployments": {version: {**declared, **more}}, "traffic": {version: 100}}


def test_models_come_move_and_go_without_touching_each_other(play: Callable[[Scenario], World]) -> None:
    async def scenario(world: World) -> None:
        world.declare_models(1, {"m": one_version("1"), "n": one_version("2")})
        await world.settle(1)
        kept = world.of("1")
        world.loads.gates["3"] = threading.Event()
        world.declare_models(2, {"m": one_version("1"), "n": one_version("3"), "o": one_version("4")})
        await world.until(lambda: "3" in world.loads.started)
        assert world.endpoint.models["n"].route().version == "2", "until its successor is ready"
        world.loads.gates["3"].set()
        await world.settle(2)
        assert {name: one.route().version for name, one in world.endpoint.models.items()} == {
            "m": "1",
            "n": "3",
            "o": "4",
        }
        world.declare_models(3, {"m": one_version("1")})
        await world.settle(3)
        assert (list(world.endpoint.models), world.of("1")) == (["m"], kept)

    assert play(scenario).loads.started == ["1", "2", "3", "4"]


def test_a_model_that_is_declared_no_more_goes_after_its_last_answer(play: Callable[[Scenario], World]) -> None:
    async def scenario(world: World) -> None:
        world.declare_models(1, {"m": one_version("1"), "n": one_version("2")})
        await world.settle(1)
        with world.of("1").hold():
            world.declare_models(2, {"n": one_version("2")})
            for _ in range(3):
                world.reconciler.look()
            assert (list(world.endpoint.models), world.endpoint.observed) == (["m", "n"], 1)
        await world.settle(2)

    assert list(play(scenario).endpoint.models) == ["n"]


def test_models_are_loaded_one_after_the_other_by_their_engines(play: Callable[[Scenario], World]) -> None:
    async def scenario(world: World) -> None:
        world.loads.gates["1"] = threading.Event()
        world.declare_models(1, {"m": one_version("1"), "n": one_version("2", engine="openvino")})
        await world.until(lambda: world.loads.started == ["1"])
        for _ in range(3):
            world.reconciler.look()
            await asyncio.sleep(0)
        assert world.loads.started == ["1"], "two that measure themselves at once measure each other"
        world.loads.gates["1"].set()
        await world.settle(1)

    assert play(scenario).loads.engines == ["onnxruntime", "openvino"]


def test_a_load_that_nobody_wants_any_more_is_not_begun(play: Callable[[Scenario], World]) -> None:
    async def scenario(world: World) -> None:
        world.loads.gates["1"] = threading.Event()
        world.declare_models(1, {"m": one_version("1"), "n": one_version("2")})
        await world.until(lambda: world.loads.started == ["1"])
        world.declare_models(2, {"m": one_version("1")})
        world.reconciler.look()
        world.loads.gates["1"].set()
        await world.settle(2)

    assert play(scenario).loads.started == ["1"]


def test_a_shadow_is_one_only_while_it_is_declared_and_ready(play: Callable[[Scenario], World]) -> None:
    async def scenario(world: World) -> None:
        model = one_version("1")
        model["deployments"] |= one_version("2")["deployments"]
        world.loads.gates["2"] = threading.Event()
        world.declare_models(1, {"m": {**model, "shadow": "2"}})
        await world.until(lambda: world.loads.started == ["1", "2"])
        world.reconciler.look()
        assert (world.served.shadow, world.endpoint.observed) == (None, 0)
        world.loads.gates["2"].set()
        await world.settle(1)
        assert world.served.shadow is world.of("2")
        assert {world.served.route().version for _ in range(20)} == {"1"}
        world.declare_models(2, {"m": model})
        await world.settle(2)

    world = play(scenario)
    assert (world.served.shadow, world.states) == (None, {"1": "ready", "2": "ready"})


def test_the_server_is_ready_once_all_that_was_declared_first_has_come_up_or_failed(
    play: Callable[[Scenario], World],
) -> None:
    async def scenario(world: World) -> None:
        world.reconciler.look()
        assert not world.endpoint.is_ready
        world.loads.gates["2"] = threading.Event()
        world.loads.errors["3"] = PackageError("/packages/3: is broken")
        world.declare_models(1, {"m": one_version("1"), "n": one_version("2"), "o": one_version("3")})
        await world.until(lambda: "2" in world.loads.started)
        world.reconciler.look()
        assert (world.served.is_ready, world.endpoint.is_ready) == (True, False)
        world.loads.gates["2"].set()
        await world.settle(1)
        assert world.endpoint.is_ready
        world.loads.gates["4"] = threading.Event()
        world.declare_models(2, {"m": one_version("1"), "p": one_version("4")})
        await world.until(lambda: "4" in world.loads.started)
        assert world.endpoint.is_ready, "a model that comes later costs the others nothing"
        world.loads.gates["4"].set()

    play(scenario)


def test_a_file_that_has_not_changed_is_not_read_again(
    play: Callable[[Scenario], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []
    read = Path.read_bytes

    async def scenario(world: World) -> None:
        world.declare(1, {"1": 100}, "1")
        settled = time.time() - 10
        monkeypatch.setattr(reconcile, "time", SimpleNamespace(time_ns=lambda: int((settled + 20) * 1e9)))
        await world.settle(1)
        monkeypatch.setattr(Path, "read_bytes", lambda path: reads.append(path) or read(path))
        for _ in range(10):
            world.reconciler.look()
        assert reads == []
        world.declare(2, {"1": 100}, "1")
        await world.settle(2)

    play(scenario)
    assert len(reads) == 1
