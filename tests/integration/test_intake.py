"""A model from elsewhere through the whole way: taken in, judged, registered, promoted, deployed, rolled back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from foreign_models import LABELS, Foreign, contract_of, make_foreign, make_images, write_contract
from frozen_stages import FROZEN, based
from registries import give_database

from mlops.adapters.local.stop import stop_endpoints
from mlops.cli import main
from mlops.config import load_stage
from mlops.context import Context
from mlops.loading import read_json
from mlops.evaluation import Evaluation
from mlops.records import IntakeRecord, RegisterRecord, read_record
from modelpackage import digest_file, open_package

OLD = Foreign(opset=9, batch=1, weights_are_inputs=True, reshape="Reshape")
# Gates of the test's own: few images, and no limit on time, which a busy machine would break.
GATES: dict[str, Any] = {
    "min_accuracy": 0.8,
    "min_test_images": 30,
    "max_int8_loss": 0.1,
    "max_regression": {"overall": 0.1, "per_class": 0.3, "per_slice": 0.5},
    "devices": {"cpu": {"max_latency_ratio": 1e6, "max_int8_latency_ratio": 1e6, "max_package_mb": 8}},
}
RELEASE = {"variant": "int8", "verify": {"requests": 2, "max_latency_ratio": 1e6}}


@pytest.fixture
def platform(own_platform: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a folder with images and stage files of the test's own, whose endpoints are stopped afterwards."""
    monkeypatch.setenv("VISIONLINE_STAGES", str(own_platform / "stages"))
    write_stages(own_platform / "stages")
    give_database(load_stage("dev").home)
    make_images(own_platform / "images")
    yield own_platform
    stop_endpoints(load_stage("dev").home)


def write_stages(folder: Path, **gates: Any) -> None:
    """Write the three stage files."""
    based(folder)
    for stage in ("dev", "qa", "production"):
        content = {"model": "colours", "gates": {**GATES, **gates}, "release": RELEASE}
        (folder / f"{stage}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def handed_in(folder: Path, made: Foreign = OLD, **changes: Any) -> list[str]:
    """Write a model and its contract, and return the flags that hand them in."""
    data = {"data": {"name": "colours", "folder": str(folder.parent / "images")}}
    contract = write_contract(folder / "contract.yaml", contract_of(made, **(data | changes)))
    return ["--model", str(make_foreign(folder / "model.onnx", made)), "--contract", str(contract)]


def served(stage: str) -> dict[int, int]:
    """Return the traffic of a stage's endpoint by version."""
    return Context(load_stage(stage), Path("unused")).target.status().traffic


def test_a_model_from_elsewhere_lives_as_any_other(platform: Path) -> None:
    lines: list[str] = []
    assert main(["intake", "--run", "one", *handed_in(platform / "one")], lines.append) == 0, lines
    for said in ("weights taken out of the inputs", "opset 9 converted to 18", "batch of 1 made free"):
        assert any(line.startswith("repair: ") and said in line for line in lines), said
    second = replace(OLD, sharpness=5.0)
    assert main(["intake", "--run", "two", *handed_in(platform / "two", second)]) == 0
    for version in ("1", "2"):
        assert main(["promote", "--stage", "qa", "--run", version, "--version", version]) == 0
        assert main(["deploy", "--stage", "qa", "--run", version]) == 0
        assert main(["verify", "--stage", "qa", "--run", version]) == 0
        assert served("qa") == {int(version): 100}
    assert main(["rollback", "--stage", "qa", "--run", "back", "--reason", "a test"]) == 0
    assert served("qa") == {1: 100}


def test_its_package_holds_what_was_done_to_it_and_is_sealed(platform: Path) -> None:
    assert main(["intake", "--run", "one", *handed_in(platform / "one")]) == 0
    run = platform / "runs" / "one"
    release = open_package(run / "package")
    taken = read_json(IntakeRecord, run / "package" / "intake.json")
    assert (release.variants.keys(), "intake.json" in release.files) == ({"fp32", "int8"}, True)
    assert taken.sha256 == release.checkpoint == digest_file(platform / "one" / "model.onnx")
    assert len(taken.repairs) == 5 and all(one.difference is not None for one in taken.repairs)
    assert json.loads((run / "package" / "labels.json").read_text()) == list(LABELS)
    card = (run / "package" / "MODEL_CARD.md").read_text()
    assert "trained elsewhere" in card and "clothing" not in card and "PyTorch" not in card


def test_handed_in_again_it_keeps_its_version(platform: Path) -> None:
    flags = handed_in(platform / "one")
    assert [main(["intake", "--run", run, *flags]) for run in ("one", "two")] == [0, 0]
    record = read_record(platform / "runs" / "two", "register", RegisterRecord)
    assert (record.version, "registered as version 1 already" in record.verdict.reason) == (1, True)


def test_its_champion_is_measured_on_the_same_images(platform: Path) -> None:
    assert main(["intake", "--run", "one", *handed_in(platform / "one")]) == 0
    assert main(["intake", "--run", "two", *handed_in(platform / "two", replace(OLD, sharpness=5.0))]) == 0
    evaluation = read_json(Evaluation, platform / "runs" / "two" / "package" / "evaluation.json")
    assert evaluation.champion is not None and evaluation.champion.version == 1


def test_a_model_that_is_wrong_too_often_is_rejected_by_the_same_gates(platform: Path) -> None:
    lines: list[str] = []
    swapped = handed_in(platform / "one", labels=["green", "blue", "red"])
    assert main(["intake", "--run", "one", *swapped], lines.append) == 2
    assert any("floor" in line and "is below 0.8" in line for line in lines)
    assert read_record(platform / "runs" / "one", "register", RegisterRecord).version is None


def test_a_model_that_cannot_be_taken_is_rejected_with_a_way_out(platform: Path) -> None:
    lines: list[str] = []
    flags = handed_in(platform / "one", labels=[*LABELS, "black"])
    assert main(["intake", "--run", "one", *flags], lines.append) == 2
    record = read_record(platform / "runs" / "one", "register", RegisterRecord)
    assert "answers 3 numbers a frame, the contract has 4 labels: give" in record.verdict.reason
    assert any("verdict for dev: reject: intake:" in line or "verdict for dev: reject" in line for line in lines)
    assert main(["promote", "--stage", "qa", "--run", "one"]) == 1


def test_a_model_without_int8_is_an_error_where_the_stage_asks_for_it(platform: Path) -> None:
    lines: list[str] = []
    flags = handed_in(platform / "one", Foreign(quantizable=False, opset=11))
    assert main(["intake", "--run", "one", *flags], lines.append) == 1
    assert any("asks for int8, which this model has not: a stage file for it says release.variant" in x for x in lines)
    assert any("challenger int8 is missing" in line for line in lines)


def test_a_model_without_int8_is_registered_where_the_stage_serves_fp32(platform: Path) -> None:
    base = yaml.safe_load((FROZEN / "base.yaml").read_text())
    del base["gates"]["parity"]["int8"]
    (platform / "stages" / "base.yaml").write_text(yaml.safe_dump(base))
    stage = platform / "stages" / "dev.yaml"
    stage.write_text(stage.read_text().replace("int8\n", "fp32\n"))
    flags = handed_in(platform / "one", Foreign(quantizable=False, opset=11))
    assert main(["intake", "--run", "one", *flags]) == 0
    assert open_package(platform / "runs" / "one" / "package").variants.keys() == {"fp32"}


def test_a_missing_parity_is_an_error_and_no_pass(platform: Path) -> None:
    assert main(["intake", "--run", "one", *handed_in(platform / "one")]) == 0
    folder = platform / "runs" / "one" / "intake"
    evaluation = folder / "evaluation" / "evaluation.json"
    content = json.loads(evaluation.read_text())
    del content["challenger"]["parity"]["fp32"]
    evaluation.write_text(json.dumps(content))
    lines: list[str] = []
    handed = ["--package", str(folder / "package"), "--evaluation", str(evaluation.parent)]
    assert main(["gate", "--run", "one", *handed], lines.append) == 1
    assert any("challenger fp32: parity is missing" in line for line in lines)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"data": {"folder": "nowhere"}}, "nowhere is no folder: put the images there"),
        ({"data": {"folder": "a", "version": "b"}}, "data: has a folder and a version"),
        ({"data": {"version": "0123456789abcdef"}}, "no such data version"),
        ({"data": {"rocket": 1}}, "data: unknown key 'rocket'"),
        ({"input": {"layout": "NCHW"}}, "input: channels is missing"),
        ({"rocket": 1}, "unknown key 'rocket'"),
    ],
)
def test_a_contract_that_is_wrong_is_an_error_in_one_line(
    platform: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], said: str
) -> None:
    assert main(["intake", "--run", "one", *handed_in(platform / "one", **changes)]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_a_model_enters_at_the_first_stage_alone(platform: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["intake", "--stage", "qa", *handed_in(platform / "one")]) == 1
    assert "a model enters at dev" in capsys.readouterr().err
