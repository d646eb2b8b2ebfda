"""A digest travels with a version, and each stage has it in its own registry; on GPUs it is Triton's image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from frozen_stages import based
from imagefake import Tools, tools  # noqa: F401 - the fixture
from registries import give_database, sealed

from mlops.config import Stage, load_stage
from mlops.context import Context
from mlops.delivery import Declared, Served, tree
from mlops.delivery.carried import carried
from mlops.errors import ConfigError, DeployError
from mlops.names import APPROVED
from mlops.packaging import Options
from mlops.records import PackageRecord
from mlops.rollout import _wanted
from mlops.steps.package import package

MODEL = "fashion-classifier"
STAGES = ("dev", "qa", "production")


@pytest.fixture
def contexts(tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Context]:  # noqa: F811
    """Return the contexts of the stages, whose images lie in registries apart and whose versions in one."""
    based(tmp_path / "stages")
    for name in STAGES:
        signing = {"signing": "key", "key": str(tmp_path / f"{name}.pub")}
        text = yaml.safe_dump({"images": {"registry": f"{name}.example/team", **signing}})
        (tmp_path / f"stages/{name}.yaml").write_text(text, encoding="utf-8")
        (tmp_path / f"{name}.pub").write_text(f"public:{name}", encoding="utf-8")
        (tmp_path / f"{name}.key").write_text(f"private:{name}", encoding="utf-8")
    monkeypatch.setenv("VISIONLINE_STAGES", str(tmp_path / "stages"))
    give_database(load_stage("dev").home)
    made = {name: Context(load_stage(name), tmp_path / "run", lambda line: None) for name in STAGES}
    made["dev"].registry.register(MODEL, sealed(tmp_path / "one"), {})
    for name in STAGES:
        made["dev"].registry.set_tag(MODEL, 1, name, APPROVED)
    return made


def packaged(context: Context) -> PackageRecord:
    return package(context, None, Options({}))


def on_gpus(context: Context) -> Context:
    """Return the context of a stage whose cluster has GPUs."""
    kubernetes = replace(context.stage.kubernetes, overlay="gpu")
    return replace(context, stage=replace(context.stage, target="kubernetes", kubernetes=kubernetes))


def wanted(context: Context) -> dict[str, str]:
    """Return the images that a release of the stage deploys."""
    return dict(_wanted(context, context.registry.versions(MODEL)[1]).images)


def test_each_stage_deploys_from_its_own_registry_whoever_packaged_last(contexts: dict[str, Context]) -> None:
    records = {name: packaged(contexts[name]) for name in STAGES}
    for name in STAGES:
        assert wanted(contexts[name]) == records[name].images
        assert all(image.startswith(f"{name}.example/team/") for image in records[name].images.values())
    digests = {tuple(image.partition("@")[2] for image in one.images.values()) for one in records.values()}
    assert len(digests) == 1


def test_a_stage_copies_what_the_stage_before_it_has_and_signed(
    contexts: dict[str, Context], tools: Tools  # noqa: F811
) -> None:
    for name in STAGES:
        packaged(contexts[name])
    copies = [call[-2] for call in tools.calls("skopeo", "copy") if "production.example" in call[-1]]
    assert copies and all(place.startswith(("docker://qa.example", "oci:")) for place in copies)


def test_what_only_an_earlier_stage_has_is_not_taken_past_the_stage_before(contexts: dict[str, Context]) -> None:
    packaged(contexts["dev"])
    with pytest.raises(DeployError, match="dev.example/team/runtime@.* is not signed by .*qa.pub"):
        packaged(contexts["production"])


def test_a_stage_that_names_no_registry_takes_images_from_where_the_version_says(contexts: dict[str, Context]) -> None:
    record = packaged(contexts["dev"])
    bare: Stage = replace(contexts["qa"].stage, images=replace(contexts["qa"].stage.images, registry=""))
    assert carried(bare, contexts["qa"].registry.versions(MODEL)[1]) == record.images


def test_on_gpus_tritons_image_is_built_listed_signed_and_verified(
    contexts: dict[str, Context], tools: Tools  # noqa: F811
) -> None:
    packaged(contexts["dev"])
    context = on_gpus(contexts["qa"])
    packaged(contexts["qa"])
    record = packaged(context)
    image = record.images["runtime"]
    assert image.startswith("qa.example/team/triton@sha256:") and record.signed
    assert tools.signature("qa.example/team/triton", image.partition("@")[2])["signed by"] == "qa"
    assert '"name": "visionline-triton"' in Path(record.sboms["runtime"]).read_text()
    (build,) = [call for call in tools.builds() if "triton" in " ".join(call)]
    assert any(word.startswith("BASE=nvcr.io/nvidia/tritonserver@sha256:") for word in build)
    tags = context.registry.versions(MODEL)[1].tags
    assert (tags["triton_image"], tags["runtime_image"].split("@")[0]) == (image, "dev.example/team/runtime")
    context.signer.verify(wanted(context)["runtime"])
    assert wanted(context) == record.images != wanted(contexts["qa"])


def test_on_gpus_the_overlay_gets_the_packaged_digests(contexts: dict[str, Context]) -> None:
    context = on_gpus(contexts["dev"])
    images = packaged(context).images
    declared = Declared({1: Served(1, "sha256:" + "0" * 64, "int8", images)}, {1: 100})
    told = yaml.safe_load(tree(context.stage, declared)["versions/v1/kustomization.yaml"])["images"]
    found = {one["name"]: f"{one['newName']}@{one['digest']}" for one in told}
    assert (found["visionline-triton"], found["visionline-model"]) == (images["runtime"], images["model"])


def test_a_version_that_was_packaged_for_processors_alone_is_not_deployed_on_gpus(
    contexts: dict[str, Context],
) -> None:
    packaged(contexts["dev"])
    context = on_gpus(contexts["dev"])
    assert set(wanted(context)) == {"model"}
    declared = Declared({1: Served(1, "sha256:" + "0" * 64, "int8", wanted(context))}, {1: 100})
    with pytest.raises(ConfigError, match="version 1 has no runtime image by digest: run `python -m mlops package"):
        tree(context.stage, declared)


def test_preflight_asks_whether_tritons_repository_may_be_pushed_to(contexts: dict[str, Context]) -> None:
    from mlops.adapters.images.preflight import _repositories

    assert _repositories(on_gpus(contexts["dev"]).stage) == ["team/triton", f"team/{MODEL}"]
    assert _repositories(contexts["dev"].stage) == ["team/runtime", f"team/{MODEL}"]
