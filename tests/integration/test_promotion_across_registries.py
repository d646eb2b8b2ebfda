"""Stages whose versions live in different registries: what is let in is copied, and each stage's tags stay its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mlops.config import load_stage
from mlops.context import Context
from mlops.errors import RegistryError
from mlops.names import APPROVED, REVOKED
from mlops.steps import approval, promote
from frozen_stages import based
from registries import give_database
from submissions import MODEL, at, registered


@pytest.fixture
def apart(own_platform: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give dev and the other two stages a home each."""
    stages = based(own_platform / "stages")
    for stage, home in (("dev", "dev"), ("qa", "others"), ("production", "others")):
        content = {"local": {"home": str(own_platform / home)}}
        (stages / f"{stage}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    monkeypatch.delenv("VISIONLINE_HOME")
    monkeypatch.setenv("VISIONLINE_STAGES", str(stages))
    for stage in ("dev", "qa"):
        give_database(load_stage(stage).home)
    return own_platform


@pytest.fixture
def dev(apart: Path, tmp_path: Path) -> Context:
    context = at("dev", apart)
    registered(context, tmp_path)
    return context


def tags(context: Context) -> dict[str, str]:
    return context.registry.versions(MODEL)[1].tags


def test_what_is_let_in_is_copied_and_goes_on_from_there(apart: Path, dev: Context) -> None:
    qa, production = at("qa", apart), at("production", apart)
    assert qa.registry.versions(MODEL) == {}
    assert promote.promote(qa).verdict.outcome == promote.promote(production).verdict.outcome == "promote"
    assert {stage: tags(qa).get(stage) for stage in ("qa", "production")} == {"qa": APPROVED, "production": APPROVED}
    assert qa.registry.versions(MODEL)[1].digest == dev.registry.versions(MODEL)[1].digest
    assert not {"qa", "production"} & tags(dev).keys()


def test_what_is_held_back_is_not_copied(apart: Path, dev: Context) -> None:
    dev.registry.set_tag(MODEL, 1, "dev", REVOKED)
    assert promote.promote(at("qa", apart), 1).verdict.outcome == "reject"
    assert at("qa", apart).registry.versions(MODEL) == {}


def test_a_revocation_before_the_copy_counts_whatever_the_copy_remembers(apart: Path, dev: Context) -> None:
    qa = at("qa", apart)
    promote.promote(qa)
    qa.registry.remove_tag(MODEL, 1, "qa")
    dev.registry.set_tag(MODEL, 1, "dev", REVOKED)
    assert tags(qa)["dev"] == APPROVED
    record = promote.promote(at("qa", apart, "later"), 1)
    assert record.verdict.outcome == "reject" and "revoked in dev" in record.verdict.reason


def test_a_tag_of_this_stage_in_the_registry_before_lets_nothing_in(apart: Path, dev: Context) -> None:
    dev.registry.set_tag(MODEL, 1, "qa", APPROVED)
    with pytest.raises(RegistryError, match="qa: no version of fashion-classifier is approved"):
        promote.promote(at("production", apart))


def test_a_copy_that_was_interrupted_is_finished_by_the_next_run(apart: Path, dev: Context) -> None:
    qa = at("qa", apart)
    dev.registry.copy_to(MODEL, 1, qa.registry)
    assert promote.promote(qa).verdict.outcome == "promote" and tags(qa)["qa"] == APPROVED


def test_a_registry_that_numbers_by_itself_refuses_a_number_out_of_turn(
    apart: Path, dev: Context, tmp_path: Path
) -> None:
    second = registered(dev, tmp_path / "second")
    with pytest.raises(RegistryError, match="2 is version 1 in .*numbers by itself"):
        dev.registry.copy_to(MODEL, second.version, at("qa", apart).registry)


def test_who_approves_is_shown_a_version_that_was_only_judged_yet(apart: Path, dev: Context) -> None:
    qa = at("qa", apart)
    promote.promote(qa, is_trial=True)
    assert qa.registry.versions(MODEL) == {}
    assert approval.page_of(qa).startswith(f"# Release version 1 of {MODEL} to qa?")
