"""A way into the first stage: judged, sealed, registered; or held back with a reason, and nothing changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluations import DATA_VERSION, LABELS, write_export
from mlops.adapters.local.registry import LocalRegistry
from mlops.context import Context
from mlops.errors import ConfigError
from mlops.loading import read_json, write_json
from mlops.names import REVOKED
from mlops.records import RegisterRecord, Verdict, stage_tag
from mlops.steps import gate, register
from modelpackage import open_package, seal_package
from submissions import MODEL, as_champion, at, exported, first_stage, handed_in, options, registered, run, tags_of


@pytest.fixture
def dev(own_platform: Path) -> Context:
    return first_stage(own_platform)


def test_the_first_model_becomes_version_1_sealed_and_approved_in_dev(dev: Context, tmp_path: Path) -> None:
    record = register.register(dev, handed_in(exported(tmp_path)))
    assert (record.version, record.verdict.outcome) == (1, "promote")
    version = dev.registry.versions(MODEL)[1]
    assert stage_tag(version, "dev") == "approved" and stage_tag(version, "qa") is None
    package = tmp_path / "model" / "out" / "package"
    release = open_package(package, version.digest)
    assert (release.git_commit, release.data_version) == ("c0ffee", DATA_VERSION)
    assert {"MODEL_CARD.md", "evaluation.json", "golden.json", "labels.json", "model_int8.onnx"} <= set(release.files)
    assert "no champion: only absolute rules apply" in (package / "MODEL_CARD.md").read_text()
    assert version.tags["data_version"] == DATA_VERSION and version.tags["accuracy_int8"] == "0.9"
    assert read_json(RegisterRecord, tmp_path / "model" / "out" / "register.json") == record


def test_handed_in_again_it_keeps_its_version_and_record(dev: Context, tmp_path: Path) -> None:
    first = register.register(dev, handed_in(exported(tmp_path)))
    assert register.register(dev, handed_in(tmp_path / "model")) == first
    elsewhere = replace(handed_in(tmp_path / "model"), out=tmp_path / "elsewhere")
    again = register.register(dev, elsewhere)
    assert (again.version, again.digest) == (first.version, first.digest)
    assert list(dev.registry.versions(MODEL)) == [1]
    open_package(tmp_path / "elsewhere" / "package", first.digest)


class Killed(BaseException):
    """Stands for a kill: nothing in between may catch it."""


class DiesAt(LocalRegistry):
    """A registry whose process dies just before one of its methods."""

    method = ""

    def __getattribute__(self, name: str) -> Any:
        if name == type(self).method:
            raise Killed(name)
        return super().__getattribute__(name)


@pytest.mark.parametrize("method", ["versions", "register", "download", "set_tag"])
def test_killed_at_any_change_and_run_again_it_ends_with_one_approved_version(
    method: str, own_platform: Path, dev: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = at("dev", own_platform)
    vars(dying)["registry"] = DiesAt(dev.stage.home)
    monkeypatch.setattr(DiesAt, "method", method)
    with pytest.raises(Killed):
        register.register(dying, handed_in(exported(tmp_path)))
    assert not (tmp_path / "model" / "out" / "register.json").exists()
    record = register.register(dev, handed_in(tmp_path / "model"))
    assert (record.version, record.verdict.outcome) == (1, "promote")
    assert list(dev.registry.versions(MODEL)) == [1] and tags_of(dev, 1)["dev"] == "approved"


def test_a_better_model_follows_and_a_worse_one_is_held_back(dev: Context, tmp_path: Path) -> None:
    first = registered(dev, tmp_path, right=88)
    second = registered(dev, tmp_path, right=92)
    assert (first.version, second.version) == (1, 2)
    write_export(tmp_path / "worse", 89, "worse", as_champion(dev, second))
    record = register.register(dev, handed_in(tmp_path / "worse"))
    assert (record.version, record.digest, record.verdict.outcome) == (None, None, "reject")
    assert "regression: accuracy 0.8900 against the champion's 0.9200" in record.verdict.reason
    assert list(dev.registry.versions(MODEL)) == [1, 2]
    assert not (tmp_path / "worse" / "out" / "package").exists()


@pytest.mark.parametrize(("right", "reject_ok", "code"), [(70, [], 2), (70, ["--reject-ok"], 0), (90, [], 0)])
def test_register_exits_by_its_verdict(
    right: int, reject_ok: list[str], code: int, dev: Context, tmp_path: Path
) -> None:
    assert run(register, dev, tmp_path, *reject_ok, right=right) == code


def test_register_exits_1_on_an_error_even_where_a_rejection_is_fine(dev: Context, tmp_path: Path) -> None:
    folder = exported(tmp_path)
    (folder / "package" / "model_int8.onnx").write_bytes(b"another file than was evaluated")
    flags = ["--package", f"{folder}/package", "--evaluation", f"{folder}/evaluation", "--data-version", DATA_VERSION]
    assert register.run(dev, options(register, *flags, "--reject-ok")) == 1
    assert dev.registry.versions(MODEL) == {}


def test_a_champion_that_is_served_no_more_is_stale(dev: Context, tmp_path: Path) -> None:
    first = registered(dev, tmp_path, right=88)
    write_export(tmp_path / "late", 92, "late", as_champion(dev, first))
    registered(dev, tmp_path, right=90)
    record = register.register(dev, handed_in(tmp_path / "late"))
    assert record.verdict.outcome == "error"
    assert "compared with version 1, but the stage serves version 2" in record.verdict.reason


def test_a_model_of_another_data_version_is_an_error(dev: Context, tmp_path: Path) -> None:
    record = register.register(dev, replace(handed_in(exported(tmp_path)), data_version="other"))
    assert record.verdict.outcome == "error" and "the model claims other" in record.verdict.reason


def test_a_revoked_version_handed_in_again_stays_revoked(dev: Context, tmp_path: Path) -> None:
    version = registered(dev, tmp_path)
    dev.registry.set_tag(MODEL, version.version, "dev", REVOKED)
    record = register.register(dev, handed_in(tmp_path / "model1"))
    assert record.verdict.outcome == "reject" and "version 1, which dev revoked" in record.verdict.reason
    assert tags_of(dev, 1)["dev"] == REVOKED


def test_a_revoked_model_does_not_return_under_another_number(dev: Context, tmp_path: Path) -> None:
    version = registered(dev, tmp_path)
    dev.registry.set_tag(MODEL, version.version, "dev", REVOKED)
    write_export(tmp_path / "again", 90, "model1")
    write_json(tmp_path / "again" / "package" / "parity.json", {"schema": 1, "measured": "again"})
    record = register.register(dev, handed_in(tmp_path / "again"))
    assert record.verdict.outcome == "reject"
    assert "not_revoked: its int8 file is that of version 1, which this stage revoked" in record.verdict.reason
    assert list(dev.registry.versions(MODEL)) == [1]


def test_killed_after_it_was_registered_and_evaluated_against_itself_it_keeps_its_version(
    dev: Context, tmp_path: Path
) -> None:
    version = registered(dev, tmp_path)
    write_export(tmp_path / "model1", 90, "model1", as_champion(dev, version))
    record = register.register(dev, replace(handed_in(tmp_path / "model1", commit="later"), out=tmp_path / "rerun"))
    assert (record.version, record.digest, record.git_commit) == (1, version.digest, "c0ffee")
    assert list(dev.registry.versions(MODEL)) == [1]
    open_package(tmp_path / "rerun" / "package", version.digest)


def test_a_model_that_shares_its_served_file_with_the_champion_is_compared_with_itself(
    dev: Context, tmp_path: Path
) -> None:
    version = registered(dev, tmp_path)
    write_export(tmp_path / "same", 90, "model1", as_champion(dev, version))
    write_json(tmp_path / "same" / "package" / "parity.json", {"schema": 1, "measured": "again"})
    record = register.register(dev, handed_in(tmp_path / "same"))
    assert record.verdict.outcome == "error" and "compared with itself" in record.verdict.reason


def test_a_model_enters_at_dev_only(own_platform: Path, dev: Context, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--stage production: a model enters at dev"):
        register.register(at("production", own_platform), handed_in(exported(tmp_path)))


@pytest.mark.parametrize("name", ["golden.json", "evaluation.json"])
def test_what_evaluate_did_not_write_is_named(name: str, dev: Context, tmp_path: Path) -> None:
    folder = exported(tmp_path)
    (folder / "evaluation" / name).unlink()
    with pytest.raises(ConfigError, match=f"{name}: cannot be read .*evaluate first"):
        register.register(dev, handed_in(folder))


def test_a_metric_missing_in_the_file_is_named(dev: Context, tmp_path: Path) -> None:
    folder = exported(tmp_path)
    path = folder / "evaluation" / "evaluation.json"
    path.write_text(path.read_text().replace('"calibration_error": 0.02,', "", 1))
    with pytest.raises(ConfigError, match=r"evaluation.json: .*fp32: calibration_error is missing"):
        register.register(dev, handed_in(folder))


@pytest.mark.parametrize(("right", "code", "outcome"), [(90, 0, "promote"), (70, 2, "reject")])
def test_gate_says_each_rule_and_registers_nothing(
    right: int, code: int, outcome: str, own_platform: Path, dev: Context, tmp_path: Path
) -> None:
    said: list[str] = []
    assert run(gate, at("dev", own_platform, say=said.append), tmp_path, right=right) == code
    verdict = read_json(Verdict, dev.run / "gate.json")
    assert verdict.outcome == outcome
    assert len(said) == len(verdict.rules) + 1 and f"verdict for dev: {outcome}" in said[-1]
    assert dev.registry.versions(MODEL) == {}


def test_gate_refuses_a_damaged_sealed_package(dev: Context, tmp_path: Path) -> None:
    folder = exported(tmp_path)
    seal_package(folder / "package", MODEL, "commit", DATA_VERSION, "sha256:0")
    assert gate.gate(dev, folder / "package", folder / "evaluation").outcome == "promote"
    (folder / "package" / "parity.json").write_text("{}")
    with pytest.raises(ConfigError, match="parity.json: is sha256"):
        gate.gate(dev, folder / "package", folder / "evaluation")


def test_gate_notices_swapped_files_and_reordered_labels(dev: Context, tmp_path: Path) -> None:
    folder = exported(tmp_path)
    fp32, int8 = (folder / "package" / f"model_{name}.onnx" for name in ("fp32", "int8"))
    content = fp32.read_bytes()
    fp32.write_bytes(int8.read_bytes())
    int8.write_bytes(content)
    write_json(folder / "package" / "labels.json", list(reversed(LABELS)))
    verdict = gate.gate(dev, folder / "package", folder / "evaluation")
    assert verdict.outcome == "error"
    assert "model_int8.onnx is not the file that was evaluated" in verdict.reason and "labels.json" in verdict.reason
