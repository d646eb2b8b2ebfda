"""A drill says whether a rollback would work, finds each thing that would keep it from working, and changes nothing."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from imagefake import Tools, put, tools  # noqa: F401 - the fixture
from registries import give_database, sealed
from submissions import options

from mlops import rollout
from mlops.config import load_stage
from mlops.context import Context
from mlops.drill import DrillRecord
from mlops.errors import RegistryError, StepError, TargetError
from mlops.names import APPROVED, REVOKED, image_tag
from mlops.ports import UNSEEN, DeploymentStatus, EndpointStatus
from mlops.records import read_record
from mlops.steps import rollback

MODEL = "fashion-classifier"
READY = DeploymentStatus(2, "sha256:2", "ready", None, 0, 0, "http://127.0.0.1:1", "/infer")
SERVING = EndpointStatus("http://127.0.0.1:1", {2: 100}, {2: READY})


class Endpoint:
    """A target that can be asked and nothing else: whoever changes it fails."""

    def __init__(self, answer: EndpointStatus | StepError) -> None:
        self.answer = answer

    def status(self) -> EndpointStatus:
        if isinstance(self.answer, StepError):
            raise self.answer
        return self.answer


@pytest.fixture
def qa(tools: Tools, tmp_path: Path, own_platform: Path) -> Context:  # noqa: F811
    """Two versions are approved in qa, the second serves; both have their images."""
    stage = load_stage("qa")
    give_database(stage.home)
    said: list[str] = []
    context = Context(stage, own_platform / "runs" / "run", said.append)
    for number in (1, 2):
        context.registry.register(MODEL, sealed(tmp_path / str(number), f"weights {number}"), {})
        context.registry.set_tag(MODEL, number, "qa", APPROVED)
        for kind in ("runtime", "model"):
            digest = put(tools, f"qa.example/{kind}", f"v{number}", json.dumps({"config": number}).encode())
            context.registry.set_tag(MODEL, number, image_tag(kind), f"qa.example/{kind}@{digest}")
    return asked(context, SERVING)


def asked(context: Context, answer: EndpointStatus | StepError) -> Context:
    context.__dict__["target"] = Endpoint(answer)
    return context


def of(context: Context, **changes: Any) -> Context:
    """Return the context with a changed stage and the same endpoint."""
    made = Context(replace(context.stage, **changes), context.run, context.report)
    made.__dict__["target"] = context.target
    return made


def drilled(context: Context) -> DrillRecord:
    code = rollback.run(context, options(rollback, "--reason", "drill", "--drill"))
    record = read_record(context.run, "drill.qa", DrillRecord)
    assert code == (0 if record.works else 1)
    return record


def problems(context: Context) -> list[str]:
    return [f"{line.check}: {line.text}" for line in drilled(context).lines if line.state == "failure"]


def test_a_rollback_that_would_work_says_from_where_to_where(qa: Context) -> None:
    record = drilled(qa)
    assert (record.revoked, record.served, record.works) == (2, 1, True)
    assert [line.check for line in record.lines] == ["package", "images", "images", "target"]


def test_nothing_is_changed(qa: Context, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    def refused(*_: Any) -> None:
        raise AssertionError("a drill changes nothing")

    before = qa.registry.versions(MODEL)
    for name in ("set_tag", "remove_tag", "archive", "register", "receive", "copy_to"):
        monkeypatch.setattr(type(qa.registry), name, refused)
    monkeypatch.setattr(rollout, "reconcile", refused)
    drilled(qa)
    assert qa.registry.versions(MODEL) == before
    assert {" ".join(call[:2]) for call in tools.calls()} <= {"skopeo inspect", "cosign verify"}


def test_a_drill_is_no_rollback_of_its_run(qa: Context) -> None:
    drilled(qa)
    assert [path.name for path in qa.run.iterdir()] == ["drill.qa.json"]


def test_without_a_version_before_it_fails_with_the_reason(qa: Context) -> None:
    qa.registry.set_tag(MODEL, 1, "qa", REVOKED)
    with pytest.raises(RegistryError, match="no approved version to return to from version 2"):
        rollback.rehearse(qa)


def test_a_package_that_is_gone_or_damaged_is_found(qa: Context) -> None:
    drilled(qa)  # what an earlier look left behind proves nothing of the registry
    (folder,) = {path.parent for path in qa.stage.home.rglob("model_int8.onnx") if path.read_text() == "weights 1"}
    (folder / "model_int8.onnx").write_text("other weights")
    assert any(line.startswith("package: ") for line in problems(qa))
    shutil.rmtree(folder)
    assert any(line.startswith("package: ") for line in problems(qa))


def test_a_package_without_the_stages_variant_is_found(qa: Context) -> None:
    other = of(qa, release=replace(qa.stage.release, variant="fp32"))
    assert problems(other) == ["package: version 1 has no model_fp32.onnx: mend release.variant of the stage"]


def test_an_image_that_is_gone_is_found(qa: Context, tools: Tools) -> None:  # noqa: F811
    tools.forget("qa.example/model")
    (problem,) = problems(qa)
    assert problem.startswith("images: qa.example/model@sha256:") and problem.endswith("is gone: restore it")


def test_a_part_of_an_image_that_is_gone_is_found(qa: Context, tools: Tools) -> None:  # noqa: F811
    index = {"manifests": [{"digest": "sha256:" + "1" * 64}]}
    digest = put(tools, "qa.example/runtime", "index", json.dumps(index).encode())
    qa.registry.set_tag(MODEL, 1, image_tag("runtime"), f"qa.example/runtime@{digest}")
    (problem,) = problems(qa)
    assert problem.endswith(f"its part sha256:{'1' * 64} is gone: restore it")


def test_an_unsigned_image_is_found(qa: Context, tools: Tools, tmp_path: Path) -> None:  # noqa: F811
    key = tmp_path / "cosign.pub"
    key.write_text("key")
    signed = of(qa, images=replace(qa.stage.images, signing="key", key=str(key)))
    assert any("is not signed by" in problem for problem in problems(signed))


def test_a_version_that_was_never_packaged_cannot_go_to_a_cluster(qa: Context) -> None:
    for kind in ("runtime", "model"):
        qa.registry.remove_tag(MODEL, 1, image_tag(kind))
    assert problems(qa) == []
    (problem,) = problems(of(qa, target="kubernetes"))
    assert problem == "images: version 1 has no runtime and model image: run `package --version` for it"


@pytest.mark.parametrize(
    "answer, problem",
    [
        (TargetError("qa: no route"), "target: qa: no route"),
        (EndpointStatus(None, {}, {}), "target: nothing answers: run `deploy --stage qa`"),
        (
            EndpointStatus(None, {2: 100}, {2: replace(READY, state=UNSEEN, reason="no kubeconfig")}),
            "target: can't be looked at: no kubeconfig",
        ),
    ],
)
def test_a_target_that_does_not_answer_is_found(qa: Context, answer: EndpointStatus | StepError, problem: str) -> None:
    assert problems(asked(qa, answer)) == [problem]


def test_a_target_that_serves_another_version_is_said(qa: Context) -> None:
    record = drilled(asked(qa, replace(SERVING, traffic={1: 100})))
    assert record.works and record.lines[-1].state == "warning"
    assert "serves 1 instead of version 2" in record.lines[-1].text


def test_an_endpoint_that_ended_with_its_machine_is_said_and_hinders_no_rollback(qa: Context) -> None:
    record = drilled(asked(qa, EndpointStatus(None, {2: 100}, {})))
    assert record.works and record.lines[-1].state == "warning"
    assert "a rollback starts it" in record.lines[-1].text


def test_each_failure_is_told_not_the_first_alone(qa: Context, tools: Tools) -> None:  # noqa: F811
    tools.forget("qa.example/model")
    found = problems(asked(qa, TargetError("qa: no route")))
    assert [line.split(":")[0] for line in found] == ["images", "target"]
