"""What a version's tags alone decide, and what a Case is filled with from the registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluations import evaluation, package
from mlops.config import load_stage
from mlops.context import Context
from mlops.errors import ConfigError
from mlops.judging import build_case, read_package
from mlops.policy import standing_of_candidate, standing_of_registered
from mlops.records import ModelVersion, highest_approved


def version(number: int, **tags: str) -> ModelVersion:
    return ModelVersion("m", number, f"sha256:{number}", tags)


@pytest.mark.parametrize(
    ("tags", "outcome", "words"),
    [
        ({"dev": "approved", "qa": "revoked"}, "reject", "was revoked in qa (no reason was given)"),
        ({"dev": "approved", "qa": "revoked", "qa_revoked_because": "slow"}, "reject", "(slow)"),
        ({"dev": "approved", "qa": "approved"}, "promote", "approved in qa already"),
        ({"dev": "revoked"}, "reject", "is revoked in dev"),
        ({}, "reject", "is not approved in dev"),
        ({"dev": "revoked", "qa": "approved"}, "promote", "approved in qa already"),
    ],
)
def test_tags_alone_decide(tags: dict[str, str], outcome: str, words: str) -> None:
    verdict = standing_of_candidate(version(2, **tags), None, "qa", "dev")
    assert verdict is not None and verdict.outcome == outcome and words in verdict.reason


def test_what_the_stage_before_approved_is_judged() -> None:
    candidate = version(10, dev="approved")
    assert standing_of_candidate(candidate, None, "qa", "dev") is None
    assert standing_of_candidate(candidate, version(9, qa="approved"), "qa", "dev") is None


def test_9_comes_late_after_10() -> None:
    verdict = standing_of_candidate(version(9, dev="approved"), version(10, qa="approved"), "qa", "dev")
    assert verdict is not None and verdict.outcome == "reject" and "version 9 comes late" in verdict.reason


def test_what_is_registered_and_not_yet_let_in_is_judged() -> None:
    assert standing_of_registered(None, "dev") is None
    assert standing_of_registered(version(1), "dev") is None
    for tag, outcome in (("approved", "promote"), ("revoked", "reject")):
        verdict = standing_of_registered(version(1, dev=tag), "dev")
        assert verdict is not None and verdict.outcome == outcome


def test_the_highest_approved_is_found_by_number_not_by_text() -> None:
    versions = {n: version(n, qa="approved") for n in (2, 9, 10)} | {11: version(11, qa="revoked"), 12: version(12)}
    highest = highest_approved(versions, "qa")
    assert highest is not None and highest.version == 10
    assert highest_approved(versions, "production") is None


def test_a_case_holds_the_stages_champion_and_what_it_revoked(tmp_path: Path) -> None:
    context = Context(load_stage("qa"), tmp_path)
    versions = {
        1: version(1, qa="approved"),
        2: version(2, qa="revoked", variant_int8="sha256:bad", variant_fp32="sha256:unserved"),
        3: version(3, production="revoked", variant_int8="sha256:elsewhere"),
    }
    case = build_case(context, evaluation(), package(evaluation()), None, versions)
    assert case.champion == versions[1]
    assert case.revoked == {"sha256:bad": 2}
    assert (case.served, case.gates) == ("int8", context.stage.gates)


@pytest.mark.parametrize(
    ("content", "words"), [("{", "is not JSON"), ('{"a": 1}', "list of names"), ("[1]", "list of names")]
)
def test_labels_that_are_no_list_of_names_are_refused(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text(content)
    with pytest.raises(ConfigError, match=f"labels.json: .*{words}"):
        read_package(tmp_path)


def test_a_package_is_read_with_each_files_digest_and_their_size(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text('["a", "b"]')
    (tmp_path / "release.json").write_text("{}")
    found = read_package(tmp_path)
    assert (found.labels, found.bytes, set(found.digests)) == (("a", "b"), 12, {"labels.json"})


def test_an_absent_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere: no such package folder"):
        read_package(tmp_path / "nowhere")
