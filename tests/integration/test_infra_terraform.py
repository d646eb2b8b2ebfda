"""Terraform itself on infra/terraform, offline: a stub has azurerm's schema, and nothing is asked of Azure.

`make test` validates and plans; `make test-infra` also applies each case, plans again, and runs Terraform's own tests.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from frozen_stages import based
from iac.resource import Deployment, Resource
from iac.settings import settings_of
from infra_stages import INFRA, KEPT, change, copied, deployed, prices
from providerstub import extract
from providerstub.server import running

from mlops.cli import main
from mlops.infra.costs import estimate
from mlops.infra.kinds import azure_kind
from mlops.infra.plans import read_plan
from mlops.names import STAGES

WHOLE = bool(os.environ.get("VISIONLINE_INFRA"))
pytestmark = pytest.mark.skipif(
    shutil.which("terraform") is None or "terraform" not in KEPT,
    reason="terraform is not installed, or infra/terraform deleted: its own checks of that are left out",
)
whole = pytest.mark.skipif(not WHOLE, reason="minutes: `make test-infra` runs it")
ARC = "/subscriptions/x/resourceGroups/y/providers/Microsoft.Kubernetes/connectedClusters/z"
ML = {"machine_learning": "true"}
# Each whole case: what is deployed, with which values beside its file.
CASES = {
    **{stage: ("stage", f"{stage}.tfvars", {}) for stage in STAGES},
    "dev-aks": ("stage", "dev.tfvars", {"kubernetes": "aks", "sandbox": "true"}),
    "production-aks": (
        "stage",
        "production.tfvars",
        {"kubernetes": "aks", "sandbox": "true", "gpu_max_nodes": "2", **ML},
    ),
    "production-arc": ("stage", "production.tfvars", {"kubernetes": "arc", "arc_cluster": ARC, **ML}),
    "shared": ("shared", "shared.tfvars", {}),
    "bootstrap": ("bootstrap", "bootstrap.tfvars", {}),
}


@dataclass(frozen=True)
class Terraform:
    """A copy of infra/ whose providers are the stub."""

    infra: Path
    environment: dict[str, str]

    def run(self, root: str, *arguments: str, code: int = 0) -> str:
        """Run Terraform in a root module; return what it printed. Raises AssertionError on another exit code."""
        folder = self.infra / "terraform" / root
        command = ["terraform", *arguments, *(["-no-color"] if arguments[0] != "show" else [])]
        ended = subprocess.run(command, cwd=folder, env=self.environment, capture_output=True, text=True, check=False)
        assert ended.returncode == code, (ended.stdout + ended.stderr)[-3000:]
        return ended.stdout + ended.stderr

    def init(self, root: str) -> None:
        """Make a root module ready, with its state beside it."""
        text = (
            (self.infra / "terraform" / root / "providers.tf").read_text(encoding="utf-8")
            if root != "bootstrap"
            else ""
        )
        if "backend " in text:
            override = self.infra / "terraform" / root / "backend_override.tf"
            override.write_text('terraform {\n  backend "local" {}\n}\n', encoding="utf-8")
        self.run(root, "init", "-input=false")

    def plan(self, case: str, code: int = 0) -> dict[str, Any]:
        """Plan a case and return the plan as Terraform shows it."""
        root, values, others = CASES[case]
        extra = [f"-var={name}={value}" for name, value in others.items()]
        self.run(root, "plan", "-input=false", "-out=plan", f"-var-file={values}", *extra, code=code)
        return dict(json.loads(self.run(root, "show", "-json", "plan")))


@pytest.fixture(scope="module")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terraform]:
    """A copy of infra/ and the stub, whose sockets need a short path."""
    folder = tmp_path_factory.mktemp("tf")
    with running(folder) as found:
        own = {"TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
        yield Terraform(copied(folder), {**os.environ, **own, **found})


@pytest.fixture(scope="module")
def production(terraform: Terraform) -> dict[str, Any]:
    """The plan of production."""
    terraform.init("stage")
    return terraform.plan("production")


@pytest.mark.parametrize("root", ["stage", "shared", "bootstrap"])
def test_terraform_finds_it_valid(terraform: Terraform, root: str) -> None:
    terraform.init(root)
    assert "Success" in terraform.run(root, "validate")


def planned(plan: dict[str, Any]) -> Deployment:
    """Return what a real plan deploys, in the form in which the tests' own reader says it."""
    found = []
    for one in plan["resource_changes"]:
        if one["mode"] == "managed":
            after = one["change"]["after"]
            state = {**after, **(after.get("body") or {})}
            kind = azure_kind(one["type"], after)
            found.append(Resource(kind, after.get("name") or "", one["address"], state, one["address"]))
    return Deployment("terraform", tuple(found), {}, {})


def stated(deployment: Deployment) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the settings of each resource that no deployment has to tell first."""
    return {
        (one.resource.kind, one.resource.name): {
            name: value for name, value in one.values.items() if value is not None and "<" not in str(value)
        }
        for one in settings_of(deployment)
        if one.resource.name and not one.resource.kind.endswith("managementPolicies")
    }


def test_terraform_plans_what_the_reader_of_these_tests_sees(production: dict[str, Any]) -> None:
    real, read = planned(production), deployed("terraform", "production")
    assert Counter(one.kind for one in real.resources) == Counter(one.kind for one in read.resources)
    assert {one.name for one in real.resources} - {""} <= {one.name for one in read.resources}
    assert stated(real) and stated(real) == stated(read)


def test_a_real_plan_becomes_a_comment(tmp_path: Path, production: dict[str, Any]) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(production), encoding="utf-8")
    said: list[str] = []
    assert main(["cost", "--plan", str(path), "--cap", "100000"], said.append) == 0
    assert "to create" in said[0] and "has no price" not in said[0]


def test_an_attribute_that_azurerm_does_not_know_is_refused(terraform: Terraform, tmp_path: Path) -> None:
    broken = Terraform(copied(tmp_path), terraform.environment)
    change(broken.infra, "terraform/modules/keyvault/main.tf", "sku_name ", "sku_nome ")
    broken.init("stage")
    assert "sku_nome" in broken.run("stage", "validate", code=1)


@pytest.mark.parametrize(
    "name, value, says",
    [
        ("name", "Vision", "name: use 3 to 12 lower-case letters"),
        ("stage", "test", "stage: use one of"),
        ("suffix", "a", "suffix: use 3 to 5"),
        ("kubernetes", "arc", "arc_cluster: give"),
        ("issuer", "issuer.test", "issuer: copy it"),
        ("budget_amount", "0", "budget_amount: use a positive"),
    ],
)
@whole
def test_a_value_that_does_not_do_is_refused_in_plain_words(
    terraform: Terraform, name: str, value: str, says: str
) -> None:
    terraform.init("stage")
    said = terraform.run("stage", "plan", "-input=false", "-var-file=dev.tfvars", f"-var={name}={value}", code=1)
    assert says in " ".join(said.replace("│", " ").split())


@pytest.mark.parametrize("case", CASES)
@whole
def test_a_second_plan_is_empty_and_the_outputs_fill_a_stage_file(
    terraform: Terraform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    own = Terraform(copied(tmp_path / "infra"), terraform.environment)
    root, values, others = CASES[case]
    own.init(root)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(own.plan(case)), encoding="utf-8")
    assert estimate(read_plan(path), prices()).unknown == ()
    own.run(root, "apply", "-input=false", "plan")
    extra = [f"-var={name}={value}" for name, value in others.items()]
    again = own.run(root, "plan", "-input=false", "-detailed-exitcode", f"-var-file={values}", *extra)
    assert "No changes" in again
    if root == "stage":
        _fill(own, tmp_path, monkeypatch, values.partition(".")[0])


@whole
def test_a_second_plan_that_is_not_empty_is_seen(terraform: Terraform, tmp_path: Path) -> None:
    own = Terraform(copied(tmp_path), terraform.environment)
    moving = "= merge(var.place.tags, { at = timestamp() })"
    change(own.infra, "terraform/modules/storage/main.tf", "= var.place.tags", moving)
    own.init("stage")
    own.plan("dev")
    own.run("stage", "apply", "-input=false", "plan")
    again = own.run("stage", "plan", "-input=false", "-detailed-exitcode", "-var-file=dev.tfvars", code=2)
    assert "module.storage.azurerm_storage_account.one will be updated in-place" in again


def _fill(own: Terraform, folder: Path, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    outputs = folder / "outputs.json"
    outputs.write_text(own.run("stage", "output", "-json"), encoding="utf-8")
    based(folder / "stages")
    (folder / "stages" / f"{stage}.yaml").write_text("target: local\n", encoding="utf-8")
    monkeypatch.setenv("VISIONLINE_STAGES", str(folder / "stages"))
    said: list[str] = []
    assert main(["fill", "--stage", stage, "--outputs", str(outputs)], said.append) == 0
    assert not any(line.startswith("not used") for line in said), said


@pytest.mark.parametrize("root", ["stage", "shared"])
@whole
def test_terraforms_own_tests_pass(terraform: Terraform, root: str) -> None:
    if not list((INFRA / "terraform" / root).rglob("*.tftest.hcl")):
        pytest.skip(f"infra/terraform/{root} has no tests of its own")
    terraform.init(root)
    assert "0 failed" in terraform.run(root, "test")


@whole
def test_the_schema_is_what_the_provider_says_today(tmp_path: Path) -> None:
    try:
        library = extract.fetch(tmp_path)
    except (OSError, subprocess.SubprocessError):
        pytest.skip(f"npm or {extract.PACKAGE} can't be had: the schema's extract is not compared with its source")
    assert extract.text_of(extract.extract(library, extract.used())) == extract.SCHEMA.read_text(encoding="utf-8")
