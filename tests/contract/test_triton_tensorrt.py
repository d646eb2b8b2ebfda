"""The init job that builds an engine on its node: judged against ONNX Runtime, kept for this GPU, never in the way.

trtexec and nvidia-smi are stand-ins that write down how they were called: what they answer for frames is what ONNX
Runtime answers, moved by what a test says. A real GPU is not asked.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_packages import CLASSES, MODEL, make_package

from modelpackage import package_digest, seal_package
from serving import enginecache, tensorrt, trtexec
from serving.model import load_model
from serving.tensorrt import Job, read_golden

STAND_IN = """
import json, os, pathlib, signal, sys
home = pathlib.Path(os.environ["TENSORRT_STAND_IN"])
told = json.loads((home / "told.json").read_text())
with (home / "calls").open("a") as calls:
    calls.write(" ".join(sys.argv) + "\\n")
if pathlib.Path(sys.argv[0]).name == "nvidia-smi":
    print(told["gpu"])
    sys.exit(0)
print("&&&& RUNNING TensorRT.trtexec [TensorRT v%s] # trtexec" % told["tensorrt"])
flags = dict(word.partition("=")[::2] for word in sys.argv[1:])
if "--onnx" in flags:
    if told["hangs"]:
        signal.pause()
    if told["unsupported"]:
        print("[E] Error[4]: Resize: antialias is not supported\\n&&&& FAILED TensorRT.trtexec")
        sys.exit(1)
    pathlib.Path(flags["--saveEngine"]).write_text("engine of " + told["gpu"])
if "--loadEngine" in flags:
    assert pathlib.Path(flags["--loadEngine"]).read_text() == "engine of " + told["gpu"]
    frames = int(flags["--shapes"].partition(":")[2].partition("x")[0])
    rows = told["logits"][:frames]
    values = [value for row in rows for value in row]
    answer = {"name": "logits", "dimensions": "%dx%d" % (frames, len(rows[0])), "values": values}
    pathlib.Path(flags["--exportOutput"]).write_text(json.dumps([answer]))
    pathlib.Path(flags["--exportTimes"]).write_text(json.dumps([{"latencyMs": told["milliseconds"]}] * 3))
"""


@dataclass
class Node:
    """A node with a GPU: what its commands say, and the job that runs on it."""

    home: Path
    job: Job

    def say(self, **changes: Any) -> None:
        """Change what the commands say."""
        told = json.loads((self.home / "told.json").read_text())
        (self.home / "told.json").write_text(json.dumps({**told, **changes}))

    def builds(self) -> list[str]:
        """Return the calls that built an engine."""
        return [line for line in (self.home / "calls").read_text().splitlines() if "--onnx=" in line]

    def served(self) -> tuple[str, str | None]:
        """Return what engine.json says is served, and why if it is not TensorRT."""
        said = json.loads((self.job.out / "engine.json").read_text())
        return said["engine"], said["reason"]


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    package = make_package(tmp_path / "package")
    golden = read_golden(package, "fp32")
    logits = load_model(package, package_digest(package), "fp32").predict(golden.frames).logits
    (tmp_path / "bin").mkdir()
    for name in ("trtexec", "nvidia-smi"):
        (tmp_path / "bin" / name).write_text(f"#!{sys.executable} -ISB\n{STAND_IN}")
        (tmp_path / "bin" / name).chmod(0o755)
    told = {"gpu": "NVIDIA L4, 8.9, 560.35.03", "tensorrt": "100300", "logits": logits.tolist()}
    (tmp_path / "told.json").write_text(
        json.dumps({**told, "milliseconds": 0.000001, "unsupported": False, "hangs": False})
    )
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("TENSORRT_STAND_IN", str(tmp_path))
    return Node(tmp_path, Job(package, 7, tmp_path / "engines", tmp_path / "repository"))


def test_an_engine_that_answers_as_onnx_runtime_does_and_is_faster_is_served(node: Node) -> None:
    assert tensorrt.prepare(node.job).reason is None
    assert node.served() == ("tensorrt", None)
    assert (node.job.out / MODEL / "7" / "model.plan").read_text().startswith("engine of NVIDIA L4")
    config = (node.job.out / MODEL / "config.pbtxt").read_text()
    assert 'backend: "tensorrt"' in config and "KIND_GPU" in config and "max_batch_size: 32" in config
    (build,) = node.builds()
    assert "--minShapes=frames:1x28x28x3" in build and "--maxShapes=frames:32x1080x1920x3" in build
    assert "--fp16" in build


def test_a_second_start_on_the_node_builds_nothing(node: Node) -> None:
    tensorrt.prepare(node.job)
    shutil.rmtree(node.job.out)
    assert tensorrt.prepare(node.job).reason is None
    assert len(node.builds()) == 1 and node.served() == ("tensorrt", None)


@pytest.mark.parametrize("change", [
    {"gpu": "NVIDIA A10G, 8.6, 560.35.03"}, {"gpu": "NVIDIA L4, 8.9, 570.10.01"}, {"tensorrt": "100400"},
])  # fmt: skip
def test_another_gpu_driver_or_tensorrt_gets_an_engine_of_its_own(node: Node, change: dict[str, str]) -> None:
    tensorrt.prepare(node.job)
    node.say(**change)
    assert tensorrt.prepare(node.job).reason is None
    assert len(node.builds()) == 2 and len(list(node.job.cache.glob("*/engine.json"))) == 2


def test_another_model_or_precision_gets_an_engine_of_its_own(node: Node, tmp_path: Path) -> None:
    tensorrt.prepare(node.job)
    tensorrt.prepare(replace(node.job, precision="fp32"))
    other = make_package(tmp_path / "other", version_bias=0.01)
    tensorrt.prepare(replace(node.job, package=other, version=8))
    assert len(node.builds()) == 3 and "--fp16" not in node.builds()[1]


def test_an_engine_that_was_brought_from_another_gpu_is_not_used(node: Node) -> None:
    tensorrt.prepare(node.job)
    (foreign,) = [path.parent for path in node.job.cache.glob("*/engine.json")]
    node.say(gpu="NVIDIA A10G, 8.6, 560.35.03")
    tensorrt.prepare(node.job)
    (own,) = {path.parent for path in node.job.cache.glob("*/engine.json")} - {foreign}
    shutil.rmtree(own)
    shutil.copytree(foreign, own)  # under the name that this GPU's engine would have
    assert tensorrt.prepare(node.job).reason is None
    assert len(node.builds()) == 3
    assert (node.job.out / MODEL / "7" / "model.plan").read_text() == "engine of NVIDIA A10G, 8.6, 560.35.03"


def test_an_engine_whose_file_has_changed_is_built_again(node: Node) -> None:
    tensorrt.prepare(node.job)
    (plan,) = node.job.cache.glob("*/model.plan")
    plan.write_text("something else")
    assert tensorrt.prepare(node.job).reason is None and len(node.builds()) == 2


def test_wrong_scores_leave_onnx_runtime_serving_and_say_by_how_much(node: Node) -> None:
    logits = np.array(json.loads((node.home / "told.json").read_text())["logits"])
    node.say(logits=np.roll(logits, 1, axis=1).tolist())
    assert tensorrt.main(arguments(node.job)) == 0
    engine, reason = node.served()
    assert engine == "onnxruntime" and reason is not None and "scores differ by up to" in reason
    assert (node.job.out / MODEL / "7" / "model.onnx").exists() and not list(node.job.cache.glob("*/model.plan"))
    tensorrt.prepare(node.job)
    assert len(node.builds()) == 1  # minutes on a real GPU, so a verdict is remembered as well


@pytest.mark.parametrize("logits", [[[float("nan")] * len(CLASSES)] * 16, [[1.0]] * 16])
def test_no_numbers_and_another_shape_leave_onnx_runtime_serving(node: Node, logits: list[list[float]]) -> None:
    node.say(logits=logits)
    tensorrt.prepare(node.job)
    engine, reason = node.served()
    assert engine == "onnxruntime" and reason is not None and "finite numbers" in reason


def test_an_engine_that_is_slower_leaves_onnx_runtime_serving(node: Node) -> None:
    node.say(milliseconds=10_000.0)
    tensorrt.prepare(node.job)
    engine, reason = node.served()
    assert engine == "onnxruntime" and reason is not None and "a frame takes 10000.000 ms" in reason


def test_a_graph_that_tensorrt_does_not_take_leaves_onnx_runtime_serving(node: Node) -> None:
    node.say(unsupported=True)
    tensorrt.prepare(node.job)
    engine, reason = node.served()
    assert engine == "onnxruntime" and reason is not None and "antialias is not supported" in reason
    assert "KIND_GPU" in (node.job.out / MODEL / "config.pbtxt").read_text()


def test_a_build_that_failed_is_tried_again_at_the_next_start(node: Node) -> None:
    node.say(unsupported=True)  # as where another process has the GPU's memory
    tensorrt.prepare(node.job)
    assert node.served()[0] == "onnxruntime" and not list(node.job.cache.glob("*/engine.json"))
    node.say(unsupported=False)
    assert tensorrt.prepare(node.job).reason is None
    assert len(node.builds()) == 2 and node.served() == ("tensorrt", None)


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EROFS])
def test_a_volume_that_takes_no_engine_leaves_onnx_runtime_serving(
    node: Node, fault: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(fault, os.strerror(fault), str(node.job.cache))

    monkeypatch.setattr(enginecache, "write_json", fail)
    tensorrt.prepare(node.job)
    engine, reason = node.served()
    assert engine == "onnxruntime" and reason is not None and os.strerror(fault) in reason


def test_a_volume_that_can_not_be_held_leaves_onnx_runtime_serving(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(enginecache.fcntl, "flock", no_locks)
    tensorrt.prepare(node.job)
    assert node.served()[0] == "onnxruntime" and not node.builds()
    tensorrt.prepare(replace(node.job, cache=node.job.package / "contract.json" / "engines"))
    assert node.served()[0] == "onnxruntime"


def test_an_engine_that_nobody_used_for_long_goes_before_the_next_build(node: Node) -> None:
    tensorrt.prepare(node.job)
    (first,) = node.job.cache.glob("*/engine.json")
    left = node.job.cache / "tmp-of-a-pod-that-was-killed"
    left.mkdir()
    age(first, enginecache.UNUSED_SECONDS + 60)
    tensorrt.prepare(node.job)
    assert first.exists() and len(node.builds()) == 1, "it is used again"
    node.say(tensorrt="100400")
    tensorrt.prepare(node.job)
    assert first.exists() and not left.exists()
    age(first, enginecache.UNUSED_SECONDS + 60)
    node.say(tensorrt="100500")
    tensorrt.prepare(node.job)
    assert not first.parent.exists() and len(list(node.job.cache.glob("*/engine.json"))) == 2
    assert node.served() == ("tensorrt", None)


def age(path: Path, seconds: float) -> None:
    """Let a file look as if nobody had used it for so long."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_build_that_does_not_end_leaves_onnx_runtime_serving(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trtexec, "build", partial(in_moments, trtexec.build, monkeypatch))
    node.say(hangs=True)
    tensorrt.prepare(node.job)
    engine, reason = node.served()
    assert engine == "onnxruntime" and reason is not None and "did not end within 0.5 s" in reason


def test_an_engine_is_held_to_the_released_variant_which_serves_without_it(node: Node) -> None:
    golden = json.loads((node.job.package / "golden.json").read_text())
    golden["variants"]["int8"]["scores"] = np.roll(golden["variants"]["int8"]["scores"], 1, axis=1).tolist()
    (node.job.package / "golden.json").write_text(json.dumps(golden))
    seal_package(node.job.package, MODEL, "0" * 40, "x", "sha256:0")
    assert tensorrt.prepare(replace(node.job, variant="fp32")).reason is None
    tensorrt.prepare(replace(node.job, variant="int8"))
    engine, reason = node.served()
    assert engine == "onnxruntime" and reason is not None and "scores differ" in reason
    assert json.loads((node.job.out / "engine.json").read_text())["variant"] == "int8"
    served = (node.job.out / MODEL / "7" / "model.onnx").read_bytes()
    assert served == (node.job.package / "model_int8.onnx").read_bytes()


def test_the_released_variant_serves_where_no_engine_can_be_built(node: Node) -> None:
    node.say(unsupported=True)
    for variant in ("fp32", "int8"):
        assert tensorrt.main([*arguments(node.job), "--variant", variant]) == 0
        served = (node.job.out / MODEL / "7" / "model.onnx").read_bytes()
        assert served == (node.job.package / f"model_{variant}.onnx").read_bytes()


def test_a_variant_that_the_package_lacks_serves_nothing(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert tensorrt.main([*arguments(node.job), "--variant", "int4"]) == 1
    assert "holds no variant int4" in capsys.readouterr().err and not node.job.out.exists()


def test_another_limit_judges_anew(node: Node) -> None:
    node.say(milliseconds=10_000.0)
    assert tensorrt.prepare(node.job).reason is not None
    assert tensorrt.prepare(replace(node.job, max_latency_ratio=1e12)).reason is None


def test_a_node_without_a_gpu_serves_by_onnx_runtime_on_the_processor(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    tensorrt.prepare(node.job)
    engine, reason = node.served()
    assert engine == "onnxruntime" and reason is not None and "nvidia-smi cannot be run" in reason
    assert "KIND_CPU" in (node.job.out / MODEL / "config.pbtxt").read_text()


def test_a_damaged_package_serves_nothing(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    (node.job.package / "model_fp32.onnx").write_bytes(b"changed")
    assert tensorrt.main(arguments(node.job)) == 1
    assert "model_fp32.onnx" in capsys.readouterr().err and not node.job.out.exists()


def test_what_an_engine_depends_on_names_it() -> None:
    key = enginecache.Key("L4", "8.9", "560", "100300", "sha256:0", "fp16", ("frames:1x1x1x3",) * 3, "sha256:1")
    names = {replace(key, **{field: "x"}).digest for field in ("gpu", "architecture", "driver", "tensorrt", "onnx")}
    others = {key.digest, replace(key, precision="fp32").digest, replace(key, gate="x").digest}
    assert len(names | others) == 8


def in_moments(build: Callable[..., None], monkeypatch: pytest.MonkeyPatch, *given: Any) -> None:
    """Build with a limit of half a second: a busy machine needs more to start what does end."""
    with monkeypatch.context() as patched:
        patched.setattr(trtexec, "LONGEST_SECONDS", 0.5)
        build(*given)


def arguments(job: Job) -> list[str]:
    named = {"package": job.package, "version": job.version, "cache": job.cache, "out": job.out}
    return [word for name, value in named.items() for word in (f"--{name}", str(value))]
