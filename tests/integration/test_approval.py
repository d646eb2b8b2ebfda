"""Who is asked to approve sees the version of the record, its card, and how it differs from what runs now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from submissions import MODEL, at, first_stage, options, registered

from mlops.context import Context
from mlops.errors import ConfigError, RegistryError, StepError, TargetError
from mlops.names import image_tag
from mlops.ports import EndpointStatus
from mlops.records import PromoteRecord, Verdict, read_record, write_record
from mlops.steps import approval, promote


class Endpoint:
    """A target of which only its traffic is asked."""

    def __init__(self, traffic: dict[int, int], error: StepError | None = None) -> None:
        self.traffic, self.error = traffic, error

    def status(self) -> EndpointStatus:
        if self.error:
            raise self.error
        return EndpointStatus(None, self.traffic, {})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 was let into qa by a run before, version 2 by the run `run`."""
    folder = tmp_path_factory.mktemp("approval")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VISIONLINE_HOME", str(folder / "home"))
        dev = first_stage(folder)
        registered(dev, folder, right=88)
        promote.promote(at("qa", folder, "before"))
        registered(dev, folder, right=92)
        assert promote.promote(at("qa", folder)).version == 2
    return folder


@pytest.fixture
def qa(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """The run that let version 2 in, with records of the test's own."""
    for name in ("GITHUB_STEP_SUMMARY", "TF_BUILD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VISIONLINE_HOME", str(root / "home"))
    context = at("qa", tmp_path)
    write_record(context.run, "promote.qa", read_record(root / "runs" / "run", "promote.qa", PromoteRecord))
    return context


def serves(context: Context, traffic: dict[int, int], error: StepError | None = None) -> Context:
    context.__dict__["target"] = Endpoint(traffic, error)
    return context


def test_the_page_shows_the_difference_and_the_card(qa: Context) -> None:
    page = approval.page_of(serves(qa, {1: 100}))
    assert page.startswith(f"# Release version 2 of {MODEL} to qa?")
    assert "| version | 2 | 1 |" in page and "| data version | `0123456789abcdef` | the same |" in page
    assert "| accuracy | 0.9200 | 0.8800 | +0.0400 |" in page
    assert "| class-0 | 0.9200 | 0.8800 | +0.0400 |" in page
    assert "| floor | pass |" in page and f"### Model card: {MODEL}" in page
    assert [line for line in page.splitlines() if line.startswith(("# ", "## "))] == [
        f"# Release version 2 of {MODEL} to qa?",
        "## Difference to what runs now",
        "## Gates of qa",
        "## Model card",
    ]


def test_the_page_names_the_images_that_the_stage_will_run(qa: Context) -> None:
    first = {"runtime": "1", "triton": "2", "model": "3"}
    for kind, digit in first.items():
        qa.registry.set_tag(MODEL, 2, image_tag(kind), f"first.example/{kind}@sha256:{digit * 64}")
    own = replace(qa.stage.images, registry="qa.example/team")
    for overlay, runtime in (("qa", "runtime@sha256:1"), ("gpu", "triton@sha256:2")):
        kubernetes = replace(qa.stage.kubernetes, overlay=overlay)
        stage = replace(qa.stage, target="kubernetes", images=own, kubernetes=kubernetes)
        page = approval.page_of(serves(Context(stage, qa.run, qa.report), {1: 100}))
        assert f"| runtime image | `qa.example/team/{runtime}" in page and "| - |" in page
        assert f"| model image | `qa.example/team/{MODEL}@sha256:3" in page and "first.example" not in page


def test_the_first_version_of_a_stage_says_so(qa: Context) -> None:
    page = approval.page_of(serves(qa, {}))
    assert "this would be its first version" in page and "| version | 2 | nothing runs |" in page
    assert "| accuracy | 0.9200 | - | - |" in page


def test_a_version_that_serves_already_is_no_difference(qa: Context) -> None:
    page = approval.page_of(serves(qa, {2: 100}))
    assert "None: this version serves already." in page and "| version | 2 | the same |" in page


def test_an_endpoint_that_cannot_be_asked_is_said_and_the_registry_answers(qa: Context) -> None:
    page = approval.page_of(serves(qa, {}, TargetError("qa: no route to the cluster")))
    assert "What serves was read from the registry: qa: no route to the cluster" in page
    assert "| version | 2 | 1 |" in page


def test_other_test_sets_are_said(qa: Context) -> None:
    serves(qa, {1: 100})
    versions = qa.registry.versions(MODEL)
    new, old = (approval._candidate(qa, versions[number]) for number in (2, 1))
    other = replace(old, evaluation=replace(old.evaluation, test_set=replace(old.evaluation.test_set, digest="x")))
    asked = read_record(qa.run, "promote.qa", PromoteRecord)
    page = approval.approval_page(asked, new, approval.Serving(other), "int8", "# card")
    assert "evaluated on different test sets" in page


def test_a_version_that_was_held_back_is_not_put_up_for_approval(qa: Context) -> None:
    write_record(qa.run, "promote.qa", PromoteRecord("qa", 2, "sha256:2", 1, Verdict("reject", "too slow")))
    with pytest.raises(ConfigError, match="version 2 was held back \\(too slow\\): approve none"):
        approval.page_of(qa)


def test_a_run_that_promoted_nothing_is_an_error(own_platform: Path, qa: Context) -> None:
    with pytest.raises(ConfigError, match="run `python -m mlops promote` in this run first"):
        approval.page_of(at("qa", own_platform, "other"))


@pytest.mark.parametrize("change", [{"version": 7}, {"digest": "sha256:other"}])
def test_the_record_and_the_registry_must_name_the_same(qa: Context, change: dict[str, object]) -> None:
    asked = read_record(qa.run, "promote.qa", PromoteRecord)
    write_record(qa.run, "promote.qa", replace(asked, **change))  # type: ignore[arg-type]
    with pytest.raises(RegistryError, match="in the registry: start anew"):
        approval.page_of(qa)


def test_it_is_shown_in_the_jobs_summary_and_kept_beside_the_records(
    qa: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    assert approval.run(serves(qa, {1: 100}), options(approval)) == 0
    assert (tmp_path / "summary").read_text() == (qa.run / "approval.qa.md").read_text()
