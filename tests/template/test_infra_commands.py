"""What `make infra-plan` and `make infra-apply` would run in either language; git keeps the files that make reads."""

from __future__ import annotations

import hashlib
import platform
import posixpath
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from infra_stages import INFRA, LANGUAGES, needs
from sources import ROOT

from mlops.names import STAGES

FILE = re.compile(r"[\w./-]+\.\w+")
SHARED_GROUP = re.compile(r"""^(param sharedResourceGroup|shared_resource_group)\s*=\s*['"]\w""", re.MULTILINE)
BUILD_VALIDATION = (".github/workflows/build-validation.yml", ".azure-pipelines/build-validation.yml")
SHARED = "param sharedResourceGroup = '"
# The first whose azurerm backend takes a service connection's token: hashicorp/terraform, pull request 36458.
LOGS_IN = (1, 11, 2)
MACHINE = (platform.system(), platform.machine())
fetches = pytest.mark.skipif(
    MACHINE != ("Linux", "x86_64") or shutil.which("curl") is None,
    reason="Terraform is fetched by curl, for hosted machines' system only",
)


def commands(*arguments: str, at: Path = ROOT) -> str:
    """Return the commands that make would run, without running them."""
    ended = subprocess.run(["make", "-n", *arguments], cwd=at, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("stage, root", [("qa", "stage"), ("shared", "shared")])
def test_terraform_plans_into_a_file_and_applies_that_file(stage: str, root: str) -> None:
    plan, apply = (commands(f"infra-{verb}", f"STAGE={stage}", "LANGUAGE=terraform") for verb in ("plan", "apply"))
    assert f"terraform -chdir=infra/terraform/{root} plan -input=false -lock=false -var-file={stage}.tfvars" in plan
    assert re.search(r"ARM_RESOURCE_PROVIDER_REGISTRATIONS=none \S*terraform ", plan) and "REGISTRATIONS" not in apply
    assert "-lock=false" not in apply  # whoever plans may only read the state; whoever applies holds its lease
    assert f".plans/{stage}.tfplan" in plan and f".plans/{stage}.json" in plan and "runs/" not in plan
    assert f"key={stage}.tfstate" in plan and f"key={stage}.tfstate" in apply
    assert f"apply -input=false {ROOT}/.plans/{stage}.tfplan" in apply
    assert f"runs/infra/{stage}.outputs.json" in apply


def without_terraform(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Make an init on a machine that has no Terraform, as hosted ones; its release is an archive in the folder."""
    tools, project = folder / "tools", folder / "project"
    for place in (tools, project / "infra" / "terraform" / "stage"):
        place.mkdir(parents=True, exist_ok=True)
    for name in ("chmod", "curl", "mkdir", "mv", "python3", "rm", "sha256sum", "uname"):
        (tools / name).unlink(missing_ok=True)
        (tools / name).symlink_to(sys.executable if name == "python3" else str(shutil.which(name)))
    shutil.copy(ROOT / "Makefile", project)
    command = [str(shutil.which("make")), "infra-init-terraform", *arguments]
    return subprocess.run(command, cwd=project, env={"PATH": str(tools)}, capture_output=True, text=True, check=False)


def released(folder: Path) -> Path:
    """Return an archive like Terraform's releases, whose program says how it was called."""
    path = folder / "terraform.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("terraform", '#!/bin/sh\necho "called: $*"\n')
    return path


@fetches
def test_a_machine_without_terraform_fetches_the_pinned_one_once(tmp_path: Path) -> None:
    archive = released(tmp_path)
    pinned = (
        f"TERRAFORM_DIGEST={hashlib.sha256(archive.read_bytes()).hexdigest()}",
        f"TERRAFORM_RELEASE=file://{archive}",
    )
    first = without_terraform(tmp_path, *pinned)
    assert first.returncode == 0 and "called: -chdir=infra/terraform/stage init" in first.stdout, first.stderr
    archive.unlink()
    assert "called: -chdir" in without_terraform(tmp_path, *pinned).stdout


@fetches
def test_a_terraform_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    for _ in range(2):  # what was refused once is not taken the next time
        ended = without_terraform(tmp_path, f"TERRAFORM_RELEASE=file://{released(tmp_path)}")
        assert ended.returncode != 0 and "did NOT match" in ended.stderr and "called:" not in ended.stdout


def numbers(version: str) -> tuple[int, ...]:
    """Return a version's numbers, to be compared."""
    return tuple(map(int, version.split(".")))


def test_each_root_module_asks_for_a_terraform_that_azure_devops_can_log_in() -> None:
    needs("terraform")
    texts = [path.read_text(encoding="utf-8") for path in (INFRA / "terraform").glob("*/*.tf")]
    asked = [version for text in texts for version in re.findall(r'required_version = ">= ([\d.]+)"', text)]
    assert len(asked) == 3 and {numbers(version) >= LOGS_IN for version in asked} == {True}
    readme, makefile = ((ROOT / name).read_text(encoding="utf-8") for name in ("infra/README.md", "Makefile"))
    assert re.findall(r"Terraform \(([\d.]+) or later\)", readme) == [max(asked, key=numbers)]
    (fetched,) = re.findall(r"^TERRAFORM_VERSION := (.+)$", makefile, re.MULTILINE)
    assert all(numbers(fetched) >= numbers(version) for version in asked)


@pytest.mark.parametrize("stage", ["production", "shared"])
def test_bicep_asks_what_if_and_creates(stage: str) -> None:
    plan, apply = (commands(f"infra-{verb}", f"STAGE={stage}", "LANGUAGE=bicep") for verb in ("plan", "apply"))
    assert f"az deployment sub what-if --name {stage}" in plan and "--no-pretty-print" in plan
    assert "--validation-level ProviderNoRbac" in plan  # else only who may write everything could plan
    assert f"az deployment sub create --name {stage}" in apply and f"runs/infra/{stage}.outputs.json" in apply
    assert f"infra/bicep/{stage}.bicepparam" in plan and f"infra/bicep/{stage}.bicepparam" in apply


def is_planned_whole(text: str, infra: Path) -> bool:
    """Tell whether a pipeline plans each stage, and what they share where a parameter file names its group."""
    listed = re.findall(r"split\('([\w,]+)'", text)
    planned = [*re.findall(r"infra-plan STAGE=(\w+)", text), *(name for one in listed for name in one.split(","))]
    files = [*infra.glob("bicep/*.bicepparam"), *infra.glob("terraform/stage/*.tfvars")]
    shares = any(SHARED_GROUP.search(path.read_text(encoding="utf-8")) for path in files)
    wanted = (["shared", *STAGES], *(() if shares else ([*STAGES],)))
    return planned in wanted and planned == re.findall(r"--plan \.plans/(\w+)\.json", text)


@pytest.mark.parametrize("path", BUILD_VALIDATION)
def test_a_pull_request_plans_each_parameter_file_and_what_stages_share(path: str) -> None:
    if not (ROOT / path).exists():
        pytest.skip(f"{path} was deleted")
    assert is_planned_whole((ROOT / path).read_text(encoding="utf-8"), INFRA)


@pytest.mark.parametrize(
    "planned, group, is_whole",
    [
        ("shared,dev,qa,production", "rg-shared", True),
        ("dev,qa,production", "rg-shared", False),
        ("dev,qa,production", "", True),
        ("dev,production", "", False),
    ],
)
@pytest.mark.parametrize(
    "parameters, said", [("terraform/stage/qa.tfvars", 'shared_resource_group = "'), ("bicep/qa.bicepparam", SHARED)]
)
def test_what_stages_share_may_be_left_out_only_where_they_share_nothing(
    planned: str, group: str, is_whole: bool, parameters: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / parameters
    path.parent.mkdir(parents=True)
    path.write_text(f"a\n{said}{group}{said[-1]}\n", encoding="utf-8")
    names = planned.split(",")
    text = "\n".join(f"infra-plan STAGE={name} --plan .plans/{name}.json" for name in names)
    assert is_planned_whole(text, tmp_path) is is_whole
    assert not is_planned_whole(text.replace("--plan .plans/qa.json", ""), tmp_path)
    assert is_planned_whole(text.replace("infra-plan STAGE=", "") + f"\nsplit('{planned}', ',')", tmp_path) is is_whole


@pytest.mark.parametrize("kept, begins", [("bicep", "az deployment sub"), ("terraform", "terraform -chdir")])
def test_the_language_that_is_kept_is_the_one_meant(kept: str, begins: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "infra" / kept).mkdir(parents=True)
    assert begins in commands("infra-plan", at=tmp_path) and begins in commands("infra-apply", at=tmp_path)


@pytest.mark.parametrize("told, begins", [("en_US:en", "terraform -chdir"), ("bicep", "az deployment sub")])
def test_a_desktops_own_language_is_not_taken_for_one_of_these(
    told: str, begins: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGUAGE", told)
    shutil.copy(ROOT / "Makefile", tmp_path)
    for language in LANGUAGES:
        (tmp_path / "infra" / language).mkdir(parents=True)
    assert begins in commands("infra-plan", at=tmp_path) and begins in commands("infra-apply", at=tmp_path)


@pytest.mark.parametrize("verb", ["plan", "apply"])
def test_a_language_that_is_not_there_is_refused(verb: str) -> None:
    command = ["make", f"infra-{verb}", "LANGUAGE=pulumi"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert ended.stderr.startswith("infra/pulumi is not there: choose by LANGUAGE, in pipelines by VISIONLINE_INFRA\n")


def read_by_make(text: str) -> Iterator[str]:
    """Yield the files that a Makefile names, of the stage dev, from the root; what it makes itself is left out."""
    for line in text.splitlines():
        folder = "infra/terraform/stage" if "$(TERRAFORM)" in line else ""
        for word in line.partition("#")[0].replace("$(STAGE)", "dev").split():
            name = (word.partition("=")[2] if word.startswith("-") else word).strip("\"'():@")
            if FILE.fullmatch(name) and not name.startswith(("runs/", ".plans/")):
                yield posixpath.normpath(posixpath.join(folder, name))


def ignored(paths: Iterable[str]) -> list[str]:
    """Return which of the paths git would leave out of a commit."""
    command = ["git", "check-ignore", "--no-index", *sorted(paths)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()


def test_git_keeps_what_make_reads() -> None:
    found = set(read_by_make((ROOT / "Makefile").read_text(encoding="utf-8")))
    known = {"infra/terraform/state.tfbackend", "infra/terraform/stage/dev.tfvars", "infra/bicep/dev.bicepparam"}
    assert known | {"environments/test/requirements.txt", "setup.cfg"} <= found
    assert ignored(found) == []


def test_a_file_that_git_leaves_out_is_found() -> None:
    text = "plan: setup.cfg\n\t$(TERRAFORM) plan -state=$(STAGE).tfstate -out=$(PLAN).tfplan > runs/a.json # b.tfstate"
    assert ignored(read_by_make(text)) == ["infra/terraform/stage/dev.tfstate"]
