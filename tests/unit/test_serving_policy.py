"""Which versions a folder's model serves: by its policy, and refused where policy.yaml or tags.json is not sane."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import ServingError
from serving.policy import Package, Policy, choose, read_policy, read_tags

PACKAGES = {v: Package(f"/models/m/{v}", f"sha256:{v}", ("fp32", "int8")) for v in (2, 3, 9, 10)}
TAGS = {2: {"production": "approved"}, 9: {"production": "approved"}, 10: {"production": "revoked", "qa": "approved"}}


@pytest.mark.parametrize(
    ("policy", "versions"),
    [
        (Policy(), ["10"]),
        (Policy(count=2), ["9", "10"]),
        (Policy(count=7), ["2", "3", "9", "10"]),
        (Policy("approved"), ["9"]),
        (Policy("approved", count=2), ["2", "9"]),
        (Policy("approved", stage="qa"), ["10"]),
        (Policy("approved", stage="dev"), []),
        (Policy("pinned", versions=(3, 2)), ["2", "3"]),
        (Policy("pinned", versions=(3, 4)), ["3"]),
    ],
)
def test_a_policy_chooses_versions_as_numbers_and_gives_the_highest_the_traffic(
    policy: Policy, versions: list[str]
) -> None:
    model = choose(policy, PACKAGES, TAGS)
    assert list(model.deployments) == versions
    assert model.traffic == {version: 100 for version in versions[-1:]}


@given(st.sets(st.integers(1, 300)), st.integers(1, 5))
def test_the_highest_ones_are_chosen_whatever_there_is(versions: set[int], count: int) -> None:
    packages = {version: Package("/p", "sha256:0", ("fp32",)) for version in versions}
    chosen = [int(version) for version in choose(Policy(count=count), packages, {}).deployments]
    assert chosen == sorted(versions)[-count:]


def test_int8_is_usual_and_the_first_variant_stands_in_for_it() -> None:
    fp32 = {1: Package("/p", "sha256:0", ("bf16", "fp32"))}
    assert choose(Policy(), PACKAGES, {}).deployments["10"].variant == "int8"
    assert choose(Policy(), fp32, {}).deployments["1"].variant == "bf16"
    declared = choose(Policy(variant="fp32", engine="openvino"), PACKAGES, {}).deployments["10"]
    assert (declared.variant, declared.engine, declared.package) == ("fp32", "openvino", "/models/m/10")


def written(path: Path, text: str) -> Path:
    """Write a file and return its path."""
    path.write_text(text, encoding="utf-8")
    return path


def test_a_policy_is_read_and_absent_keys_are_as_usual(tmp_path: Path) -> None:
    assert read_policy(tmp_path / "policy.yaml") == Policy()
    path = written(tmp_path / "policy.yaml", "policy: pinned\nversions: [2, 3]\nvariant: fp32\n")
    assert read_policy(path) == Policy("pinned", versions=(2, 3), variant="fp32")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("policy: [", "cannot be read"),
        ("", "should be a mapping of count, engine, policy, stage, variant, versions, is None"),
        ("version: 3", "should be a mapping"),
        ("policy: latest", "policy should be one of highest, approved, pinned, explicit, is 'latest'"),
        ("count: 0", "count should be a number from 1, is 0"),
        ("count: true", "count should be"),
        ("policy: pinned", "versions should name those to serve"),
        ("versions: 3", "versions should be a list of numbers, is 3"),
        ("versions: ['3']", "versions should be a list"),
        ("stage: 1", "stage should be a text"),
        ("variant: 8", "variant should be a text"),
        ("engine: 1", "engine should be a text"),
    ],
)
def test_a_malformed_policy_is_refused_with_what_is_wrong(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ServingError, match=reason) as raised:
        read_policy(written(tmp_path / "policy.yaml", text))
    assert "policy.yaml" in str(raised.value)


def test_tags_are_read_and_no_file_is_no_tags(tmp_path: Path) -> None:
    assert read_tags(tmp_path / "tags.json") == {}
    path = written(tmp_path / "tags.json", '{"10": {"production": "approved"}}')
    assert read_tags(path) == {10: {"production": "approved"}}


@pytest.mark.parametrize("text", ["", "[]", '{"two": {}}', '{"2": "approved"}', '{"2": null}'])
def test_malformed_tags_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ServingError, match=r"tags.json: is not like .*approved"):
        read_tags(written(tmp_path / "tags.json", text))


def test_a_policy_that_is_no_file_is_refused(tmp_path: Path) -> None:
    folder: Any = tmp_path / "policy.yaml"
    folder.mkdir()
    with pytest.raises(ServingError, match="cannot be read"):
        read_policy(folder)
