"""`package` builds what is not there, copies by digest what another registry has, signs, lists, and may be repeated."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from imagefake import Tools, put, tools  # noqa: F401 - the fixture
from imagefake.tags import images_of
from registries import give_database, sealed

from mlops import packaging, recipes
from mlops.config import Stage, load_stage
from mlops.context import Context
from mlops.errors import ConfigError, DeployError, JobError, RegistryError
from mlops.names import APPROVED
from mlops.packaging import Options
from mlops.records import PackageRecord, read_record
from mlops.steps import package

MODEL = "fashion-classifier"
At = Callable[..., Context]


@pytest.fixture
def at(tools: Tools, tmp_path: Path) -> At:  # noqa: F811
    """Return what makes a stage's context; one version is approved in all stages, in one registry of models."""
    give_database(load_stage("dev").home)
    registry = Context(load_stage("dev"), tmp_path).registry
    registry.register(MODEL, sealed(tmp_path / "one"), {})
    for stage in ("dev", "qa", "production"):
        registry.set_tag(MODEL, 1, stage, APPROVED)

    def make(stage: str, run: str = "run", **images: str | None) -> Context:
        return Context(with_images(load_stage(stage), **images), tmp_path / run, lambda line: None)

    return make


def with_images(stage: Stage, **images: str | None) -> Stage:
    return replace(stage, images=replace(stage.images, **{"registry": f"{stage.name}.example/team", **images}))


def packaged(context: Context, version: int | None = None, bases: dict[str, str] | None = None) -> PackageRecord:
    return package.package(context, version, Options(bases or {}))


def test_a_version_gets_two_images_by_digest_and_is_tagged_with_them(at: At) -> None:
    context = at("dev")
    record = packaged(context)
    assert set(record.images) == {"runtime", "model"} and record.version == 1 and not record.signed
    assert record.images["runtime"].startswith("dev.example/team/runtime@sha256:")
    assert record.images["model"].startswith(f"dev.example/team/{MODEL}@sha256:")
    assert images_of(context.registry.versions(MODEL)[1]) == record.images
    assert read_record(context.run, "package.dev", PackageRecord) == record
    assert 0 < record.bytes["model"] < 20_000 < record.bytes["runtime"]


def test_what_is_in_each_image_is_listed_beside_it(at: At, tools: Tools) -> None:  # noqa: F811
    record = packaged(at("dev"))
    runtime, model = (json.loads(Path(record.sboms[kind]).read_text()) for kind in ("runtime", "model"))
    assert [one["purl"] for one in runtime["components"]] == ["pkg:deb/debian/libc6@2.36", "pkg:pypi/numpy@2.4.6"]
    assert {one["name"] for one in model["components"]} == {"model_int8.onnx", "labels.json"}
    assert model["metadata"]["component"]["type"] == "machine-learning-model"
    for path in record.sboms.values():
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(Path(path).read_text()) is None
    digest = record.images["model"].partition("@")[2].replace(":", "-")
    assert (tools.repository(f"dev.example/team/{MODEL}") / "tags" / f"{digest}.sbom").exists()


def test_a_repetition_builds_pushes_and_signs_nothing(at: At, tools: Tools) -> None:  # noqa: F811
    keys(at)
    first = packaged(at("dev", signing="key", key=str(keys(at))))
    before = len(tools.calls())
    again = packaged(at("dev", "again", signing="key", key=str(keys(at))))
    assert (again.images, again.bytes, again.signed) == (first.images, first.bytes, first.signed)
    assert [Path(again.sboms[kind]).read_text() for kind in again.sboms] == [
        Path(first.sboms[kind]).read_text() for kind in first.sboms
    ]
    later = tools.calls()[before:]
    assert {" ".join(call[:2]) for call in later} <= {"skopeo inspect", "skopeo copy", "cosign verify"}
    assert not any(call[-1].startswith("docker://") for call in later if call[1] == "copy")


def test_a_new_model_in_unchanged_code_runs_in_the_same_runtime(at: At, tools: Tools, tmp_path: Path) -> None:  # noqa
    context = at("dev")
    first = packaged(context)
    context.registry.register(MODEL, sealed(tmp_path / "two", "other weights"), {})
    second = packaged(context, 2)
    assert second.images["runtime"] == first.images["runtime"] and len(tools.builds()) == 1
    assert second.images["model"] != first.images["model"]


@pytest.mark.parametrize("what", ["code", "base", "architectures"])
def test_other_code_another_base_or_more_architectures_make_another_runtime(
    at: At, tools: Tools, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:
    first = packaged(at("dev"))
    context = at("dev")
    context.registry.register(MODEL, sealed(tmp_path / "two", "other weights"), {})
    options = Options({}, ("amd64",)) if what == "architectures" else Options({})
    if what == "base":
        put(tools, "docker.io/library/python", "3.11-slim-bookworm", b"a base that was mended")
    if what == "code":
        monkeypatch.setitem(recipes.COPIED, "runtime", (*recipes.COPIED["runtime"], "src/vision/frames.py"))
    second = package.package(context, 2, options)
    assert second.images["runtime"] != first.images["runtime"] and len(tools.builds()) == 2


def test_the_next_stage_gets_the_same_digests_and_builds_nothing(at: At, tools: Tools) -> None:  # noqa: F811
    tested = packaged(at("qa"))
    builds = len(tools.builds())
    served = packaged(at("production"))
    assert len(tools.builds()) == builds
    for kind in ("runtime", "model"):
        assert served.images[kind].startswith("production.example/team/")
        assert served.images[kind].partition("@")[2] == tested.images[kind].partition("@")[2]
        assert Path(served.sboms[kind]).read_text() == Path(tested.sboms[kind]).read_text()
    copies = [call for call in tools.calls("skopeo", "copy") if "production.example" in call[-1]]
    assert all({"--all", "--preserve-digests"} <= set(call) for call in copies) and len(copies) == 4


def test_what_the_stage_before_should_have_signed_and_did_not_is_not_copied(
    at: At, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:
    packaged(at("qa"))
    production = at("production")
    qa = with_images(load_stage("qa"), signing="key", key=str(keys(at)))
    monkeypatch.setitem(production.__dict__, "source_signer", Context(qa, tmp_path).signer)
    with pytest.raises(DeployError, match="is not signed"):
        packaged(production)
    assert not tools.repository("production.example/team/runtime").exists()
    assert images_of(production.registry.versions(MODEL)[1])["runtime"].startswith("qa.example")


def test_an_image_that_is_gone_is_made_again_where_it_comes_out_the_same(at: At, tools: Tools) -> None:  # noqa: F811
    first = packaged(at("dev"))
    tools.forget("dev.example/team/runtime")
    tools.forget(f"dev.example/team/{MODEL}")
    assert packaged(at("dev")).images == first.images


def test_a_runtime_that_is_gone_is_not_replaced_by_another(
    at: At, tools: Tools, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:
    packaged(at("dev"))
    tools.forget("dev.example/team/runtime")
    monkeypatch.setitem(recipes.COPIED, "runtime", (*recipes.COPIED["runtime"], "src/vision/frames.py"))
    with pytest.raises(RegistryError, match="is gone, and what is built today is"):
        packaged(at("dev"))


@pytest.mark.parametrize("builder", ["buildah", "docker"])
def test_each_builder_is_told_to_make_the_same_bytes_each_time(at: At, tools: Tools, builder: str) -> None:  # noqa
    packaged(at("dev", builder=builder))
    (call,) = tools.builds()
    assert "linux/amd64,linux/arm64" in call
    assert any(word.startswith("BASE=docker.io/library/python@sha256:") for word in call)
    fixed = {"buildah": {"--timestamp", "--layers"}, "docker": {"--provenance=false", "--sbom=false"}}
    assert fixed[builder] <= set(call)


def test_both_builders_are_given_the_agents_pip_settings_as_a_secret(
    at: At, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    packaged(at("dev"))
    assert f"id=pip,src={tmp_path / 'pip.conf'}" in tools.builds()[0]


def test_a_build_that_fails_tells_its_last_lines_and_tags_nothing(at: At, tools: Tools) -> None:  # noqa: F811
    tools.fail("buildah", "build", "STEP 4/4: RUN install.py\nERROR: no wheel of av for aarch64")
    with pytest.raises(JobError, match="no wheel of av for aarch64"):
        packaged(at("dev"))
    assert images_of(at("dev").registry.versions(MODEL)[1]) == {}
    tools.mend()
    assert set(packaged(at("dev")).images) == {"runtime", "model"}


def test_a_registry_that_does_not_answer_is_not_taken_for_an_empty_one(at: At, tools: Tools) -> None:  # noqa: F811
    packaged(at("dev"))
    tools.fail("skopeo", "inspect", "dial tcp: connection refused")
    with pytest.raises(RegistryError, match="connection refused.*log in to the registry"):
        packaged(at("dev"))
    assert len(tools.builds()) == 1


def test_a_loopback_registry_is_spoken_to_without_tls_and_no_other(at: At, tools: Tools) -> None:  # noqa: F811
    packaged(at("dev", registry="127.0.0.1:5000/team"))
    there = [call for call in tools.calls("skopeo") if "127.0.0.1" in " ".join(call)]
    elsewhere = [call for call in tools.calls("skopeo") if "127.0.0.1" not in " ".join(call)]
    assert all(any("tls-verify=false" in word for word in call) for call in there) and there
    assert not any(any("tls-verify" in word for word in call) for call in elsewhere) and elsewhere


def test_without_a_registry_an_approved_version_or_the_tools_it_says_what_to_do(
    at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="images.registry: is empty: name one"):
        packaged(at("dev", registry=""))
    with pytest.raises(RegistryError, match="has no version 9"):
        packaged(at("dev"), 9)
    at("dev").registry.set_tag(MODEL, 1, "dev", "revoked")
    with pytest.raises(RegistryError, match="no version of fashion-classifier is approved"):
        packaged(at("dev"))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="skopeo is not installed"):
        packaged(at("dev"), 1)


def test_without_the_library_for_sboms_it_says_what_to_install(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops.adapters.images.cyclonedx.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="environments/ci/images.txt"):
        assert at("dev").inventory


def test_the_command_line_refuses_an_architecture_that_it_does_not_know() -> None:
    with pytest.raises(ConfigError, match="--architectures riscv64"):
        package._architectures("riscv64")
    assert package._architectures("arm64") == ("arm64",) and packaging.ARCHITECTURES == ("amd64", "arm64")


def keys(at: At) -> Path:
    """Return the public key file of a pair that stands for cosign's."""
    folder = at("dev").run.parent
    (folder / "cosign.pub").write_text("public:team", encoding="utf-8")
    (folder / "cosign.key").write_text("private:team", encoding="utf-8")
    return folder / "cosign.pub"
