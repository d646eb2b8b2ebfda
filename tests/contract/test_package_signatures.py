"""Images are signed where the stage file says so, by whom it says, and else refused before anything starts.

cosign is a stand-in, whose keys hold a name; that the real one is called as its manual says is what can be seen here.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from imagefake import Tools, put, tools  # noqa: F401 - the fixture
from imagefake.tags import images_of
from model_packages import MODEL, make_package
from registries import give_database

from mlops.adapters.images.cosign import open_signer
from mlops.config import Release, Stage, Verify, load_stage
from mlops.context import Context
from mlops.errors import ConfigError, DeployError, JobError, TargetError
from mlops.names import APPROVED, REVOKED, image_tag, revoke_reason_tag
from mlops.places import Images
from mlops.steps.deploy import deploy

REPOSITORY = "dev.example/team/runtime"
ISSUER = "https://token.example"
QUICK = Verify(requests=2, bake_seconds=0, max_score_difference=0.02, max_error_rate=0.0, max_latency_ratio=1000.0)


def signed_by(signing: str, **values: str) -> Stage:
    given = {"key": None, "identity": None, "issuer": None, **values}
    stage = load_stage("dev")
    return replace(stage, images=Images(registry="dev.example/team", builder="buildah", signing=signing, **given))


@pytest.fixture
def image(tools: Tools) -> str:  # noqa: F811
    return f"{REPOSITORY}@{put(tools, REPOSITORY, 'tag', b'an image')}"


@pytest.fixture
def sbom(tmp_path: Path) -> Path:
    (tmp_path / "sbom.json").write_text('{"bomFormat": "CycloneDX"}')
    return tmp_path / "sbom.json"


def pair(tmp_path: Path, name: str) -> str:
    """Write a pair of keys as cosign does, and return the public one."""
    (tmp_path / f"{name}.pub").write_text(f"public:{name}")
    (tmp_path / f"{name}.key").write_text(f"private:{name}")
    return str(tmp_path / f"{name}.pub")


def test_a_key_signs_once_and_attests_what_is_inside(
    tools: Tools, image: str, sbom: Path, tmp_path: Path  # noqa: F811
) -> None:
    signer = open_signer(signed_by("key", key=pair(tmp_path, "team")))
    assert signer.sign(image, sbom) and signer.sign(image, sbom)
    kept = tools.signature(REPOSITORY, image.partition("@")[2])
    assert kept == {"signed by": "team", "attested": sbom.read_text()}
    (call,) = tools.calls("cosign", "sign")
    assert "--signing-config" in call  # of no services: nothing is told to a public log
    signer.verify(image)
    assert "--private-infrastructure" in tools.calls("cosign", "verify")[-1]


def test_ci_gives_the_private_key_by_a_variable(
    tools: Tools, image: str, sbom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:
    key = pair(tmp_path, "team")
    Path(key).with_suffix(".key").unlink()
    monkeypatch.setenv("COSIGN_PRIVATE_KEY", "private:team")
    signer = open_signer(signed_by("key", key=key))
    assert signer.sign(image, sbom)
    signer.verify(image)
    assert "private:team" not in json.dumps(tools.calls())


def test_a_key_vaults_key_signs_and_verifies(tools: Tools, image: str, sbom: Path) -> None:  # noqa: F811
    signer = open_signer(signed_by("key", key="azurekms://vault.example/team"))
    assert signer.sign(image, sbom)
    signer.verify(image)
    assert {call[call.index("--key") + 1] for call in tools.calls("cosign")} == {"azurekms://vault.example/team"}


def test_without_a_key_the_pipeline_itself_signs(
    tools: Tools, image: str, sbom: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:
    monkeypatch.setenv("COSIGN_IDENTITY", "https://github.com/team/repository/.github/workflows/release.yml@main")
    signer = open_signer(
        signed_by(
            "keyless", identity="https://github.com/team/repository/.github/workflows/release.yml@main", issuer=ISSUER
        )
    )
    assert signer.sign(image, sbom)
    signer.verify(image)
    assert ISSUER in tools.calls("cosign", "verify")[-1] and "--key" not in tools.calls("cosign", "sign")[0]


@pytest.mark.parametrize("state", ["unsigned", "signed by another"])
def test_an_image_that_is_not_signed_by_the_stages_key_is_refused(
    tools: Tools, image: str, sbom: Path, tmp_path: Path, state: str  # noqa: F811
) -> None:
    if state != "unsigned":
        open_signer(signed_by("key", key=pair(tmp_path, "stranger"))).sign(image, sbom)
    with pytest.raises(DeployError, match="is not signed by .*team.pub: .*signatures"):
        open_signer(signed_by("key", key=pair(tmp_path, "team"))).verify(image)


def test_a_registry_that_does_not_answer_makes_no_image_a_bad_one(
    tools: Tools, image: str, tmp_path: Path  # noqa: F811
) -> None:
    tools.fail("cosign", "verify", "Error: Get https://dev.example/v2/: dial tcp: i/o timeout")
    with pytest.raises(TargetError, match="i/o timeout"):
        open_signer(signed_by("key", key=pair(tmp_path, "team"))).verify(image)


def test_a_signature_that_can_not_be_made_is_an_error(
    tools: Tools, image: str, sbom: Path, tmp_path: Path  # noqa: F811
) -> None:
    tools.fail("cosign", "sign", "Error: decrypt: encrypted: decryption failed")
    with pytest.raises(JobError, match="decryption failed: mend images.signing"):
        open_signer(signed_by("key", key=pair(tmp_path, "team"))).sign(image, sbom)


def test_without_cosign_it_says_so(image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="cosign is not installed: install it"):
        open_signer(signed_by("key", key=pair(tmp_path, "team"))).verify(image)


@pytest.mark.parametrize("signing, key", [("key", "images.key"), ("keyless", "images.identity and issuer")])
def test_a_stage_file_that_does_not_say_who_signs_is_refused(signing: str, key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        open_signer(signed_by(signing))


@pytest.fixture
def release(tools: Tools, image: str, tmp_path: Path) -> Context:  # noqa: F811
    """A stage whose approved version is carried by one image, and whose images must be signed."""
    stage = replace(signed_by("key", key=pair(tmp_path, "team")), release=Release("int8", (100,), QUICK))
    give_database(stage.home)
    context = Context(stage, tmp_path / "run", lambda line: None)
    context.registry.register(MODEL, make_package(tmp_path / "package"), {})
    context.registry.set_tag(MODEL, 1, "dev", APPROVED)
    context.registry.set_tag(MODEL, 1, image_tag("runtime"), image)
    return context


def test_a_version_whose_image_is_not_signed_is_rejected_before_anything_starts(release: Context) -> None:
    record = deploy(release)
    assert (record.outcome, record.verdict.outcome) == ("reverted", "reject")
    assert "is not signed by" in record.verdict.reason
    tags = release.registry.versions(MODEL)[1].tags
    assert tags["dev"] == REVOKED and "is not signed by" in tags[revoke_reason_tag("dev")]
    assert release.target.status().deployments == {} and record.events == ()


def test_a_version_whose_signature_can_not_be_looked_at_stays_approved(
    release: Context, tools: Tools  # noqa: F811
) -> None:
    tools.fail("cosign", "verify", "Error: dial tcp: i/o timeout")
    with pytest.raises(TargetError, match="i/o timeout"):
        deploy(release)
    assert release.registry.versions(MODEL)[1].tags["dev"] == APPROVED
    assert images_of(release.registry.versions(MODEL)[1]) and release.target.status().deployments == {}
