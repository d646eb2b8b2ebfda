"""What `make infra-plan` and `make infra-apply` would run in either language, of a stage and of what all share."""

from __future__ import annotations

import subprocess

import pytest
from sources import ROOT


def commands(*arguments: str) -> str:
    """Return the commands that make would run, without running them."""
    ended = subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("stage, root", [("qa", "stage"), ("shared", "shared")])
def test_terraform_plans_into_a_file_and_applies_that_file(stage: str, root: str) -> None:
    plan, apply = (commands(f"infra-{verb}", f"STAGE={stage}") for verb in ("plan", "apply"))
    assert f"terraform -chdir=infra/terraform/{root} plan -input=false -var-file={stage}.tfvars" in plan
    assert f"runs/infra/{stage}.tfplan" in plan and f"runs/infra/{stage}.json" in plan
    assert f"key={stage}.tfstate" in plan and f"key={stage}.tfstate" in apply
    assert f"apply -input=false {ROOT}/runs/infra/{stage}.tfplan" in apply
    assert f"runs/infra/{stage}.outputs.json" in apply


@pytest.mark.parametrize("stage", ["production", "shared"])
def test_bicep_asks_what_if_and_creates(stage: str) -> None:
    plan, apply = (commands(f"infra-{verb}", f"STAGE={stage}", "LANGUAGE=bicep") for verb in ("plan", "apply"))
    assert f"az deployment sub what-if --name {stage}" in plan and "--no-pretty-print" in plan
    assert "--validation-level ProviderNoRbac" in plan  # else only who may write everything could plan
    assert f"az deployment sub create --name {stage}" in apply and f"runs/infra/{stage}.outputs.json" in apply
    assert f"infra/bicep/{stage}.bicepparam" in plan and f"infra/bicep/{stage}.bicepparam" in apply


def test_another_language_is_refused() -> None:
    ended = subprocess.run(
        ["make", "-n", "infra-plan", "LANGUAGE=pulumi"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode != 0 and "infra-plan-pulumi" in ended.stderr
