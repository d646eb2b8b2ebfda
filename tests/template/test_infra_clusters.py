"""What a stage may have beside itself (AKS, Arc, a sandbox), and what stages share: alike in both languages, by rule.

The repository's stages are compared in test_infra_parity and test_infra_policy; here they ask for more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from iac import bicep, terraform
from iac.parity import differences
from iac.resource import Deployment
from iac.rules import private_endpoints, problems, role_assignments
from iac.settings import settings_of
from infra_stages import INFRA, KEPT, LANGUAGES, change, copied, needs, prices
from sources import ROOT

from mlops.names import SHARED_NAMES, shared_name

ARC = "/subscriptions/0/resourceGroups/site/providers/Microsoft.Kubernetes/connectedClusters/line-1"
GITOPS = "https://git.example.com/fleet/gitops"
IMAGE = f"crvisionlinesharedvl1.azurecr.io/gate@sha256:{'0' * 64}"
AKS = {"kubernetes": "aks", "gitops_repository": GITOPS, "gpu_max_nodes": 2}
# What a stage asks for beside what its file says.
ASKED: dict[str, dict[str, Any]] = {
    "production": {**AKS, "machine_learning": True, "sandbox": True, "sandbox_image": IMAGE},
    "dev": {**AKS, "sandbox": True, "sandbox_callers": ["203.0.113.0/24"], "sandbox_image": IMAGE},
    "qa": {
        "kubernetes": "arc",
        "arc_cluster": ARC,
        "gitops_repository": GITOPS,
        "machine_learning": True,
        "scores_batches": True,
    },
}
POOLS = {
    "terraform": {"taints": "node_taints", "least": "min_count", "most": "max_count"},
    "bicep": {"taints": "nodeTaints", "least": "minCount", "most": "maxCount"},
}
MANAGED = "Microsoft.ContainerService/managedClusters"
# What makes the shared resources private, and says so to the stage that reaches them.
CLOSED = [
    ("terraform/shared/shared.tfvars", "private        = true"),
    ("bicep/shared.bicepparam", "private = true"),
    ("terraform/stage/production.tfvars", "shared_private        = true"),
    ("bicep/production.bicepparam", "sharedPrivate = true"),
]
TF, BICEP = "terraform/modules", "bicep/modules"
BROKEN = [
    (f"{TF}/aks/main.tf", "local_account_disabled            = true", "", "lets in by keys or local accounts"),
    (f"{TF}/aks/main.tf", "= var.place.private\n  oidc", "= false\n  oidc", "reached from the internet"),
    (f"{TF}/captures/main.tf", "= !var.place.private", "= true", "is reached from the internet"),
    (f"{TF}/aks/metrics.tf", "= !var.place.private", "= true", "Endpoints/dce-aks-visionline-production is reached"),
    ("terraform/stage/clusters.tf", "{ collector = module.aks[0].collector }", "{}", "is in no private link scope"),
    (f"{BICEP}/aksmetrics.bicep", "place.private ? 'Disabled' : 'Enabled'", "'Enabled'", "is reached from the inter"),
    (f"{TF}/captures/main.tf", "shared_access_key_enabled       = false", "", "lets in by keys"),
    (f"{TF}/sandbox/main.tf", '? "Disabled" : "Enabled"', '? "Enabled" : "Enabled"', "reached from the internet"),
    (f"{TF}/sandbox/main.tf", "allow_insecure_connections = false", "", "speaks plain HTTP"),
    (f"{BICEP}/aks.bicep", "disableLocalAccounts: true", "", "lets in by keys or local accounts"),
    (f"{BICEP}/aks.bicep", "enablePrivateCluster: place.private", "enablePrivateCluster: false", "from the internet"),
    (f"{BICEP}/captures.bicep", "allowBlobPublicAccess: false", "allowBlobPublicAccess: true", "read by anybody"),
    (f"{BICEP}/sandbox.bicep", "allowInsecure: false", "allowInsecure: true", "speaks plain HTTP"),
]


def asking(folder: Path) -> Path:
    """Return a copy of infra/ whose stages ask for more."""
    infra = copied(folder)
    for stage, asked in ASKED.items():
        if "terraform" in KEPT:
            _give(infra / "terraform/stage" / f"{stage}.tfvars", asked, "{} = {}", lambda name: name, json.dumps)
        if "bicep" in KEPT:
            _give(infra / "bicep" / f"{stage}.bicepparam", asked, "param {} = {}", _camel, _in_bicep)
    return infra


def deployed(language: str, stage: str, infra: Path) -> Deployment:
    """Return what a stage, or `shared`, deploys."""
    needs(language)
    if language == "bicep":
        return bicep.deploy(infra / "bicep" / f"{stage}.bicepparam")
    folder = infra / "terraform" / ("shared" if stage == "shared" else "stage")
    return terraform.deploy(folder, folder / f"{stage}.tfvars")


@pytest.fixture(scope="module")
def infra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return infra/ with stages that ask for more."""
    return asking(tmp_path_factory.mktemp("infra"))


@pytest.mark.parametrize("stage", ASKED)
def test_clusters_and_sandboxes_are_the_same_in_both_languages(stage: str, infra: Path) -> None:
    assert differences(*(deployed(language, stage, infra) for language in LANGUAGES), prices()) == []


@pytest.mark.parametrize("stage, writes", [("qa", True), ("production", False)])
@pytest.mark.parametrize("language", LANGUAGES)
def test_who_looks_at_stages_writes_only_where_it_scores_batches(
    language: str, stage: str, writes: bool, infra: Path
) -> None:
    found = role_assignments(deployed(language, stage, infra))
    given = {role for _, role, principal in found if "operations" in principal}
    wanted = {"AzureML Data Scientist", "Storage Blob Data Contributor"}
    assert given & wanted == (wanted if writes else set())


@pytest.mark.parametrize("stage", ASKED)
@pytest.mark.parametrize("language", LANGUAGES)
def test_clusters_and_sandboxes_keep_all_rules(language: str, stage: str, infra: Path) -> None:
    assert problems(deployed(language, stage, infra)) == []


@pytest.mark.parametrize("private", [False, True], ids=["public", "private"])
def test_what_stages_share_is_the_same_in_both_languages(private: bool, tmp_path: Path) -> None:
    changed = sharing(tmp_path, private)
    assert differences(*(deployed(language, "shared", changed) for language in LANGUAGES), prices()) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_stages_share_is_reached_inside_a_private_stage_where_it_is_closed(language: str, tmp_path: Path) -> None:
    stage, shared = (deployed(language, name, sharing(tmp_path, True)) for name in ("production", "shared"))
    closed = {one.resource.id for one in settings_of(shared) if one.values.get("public") is False}
    logs = {one.id for one in shared.of("Microsoft.OperationalInsights/workspaces")}  # Azure's own services send there
    assert closed - logs and closed - logs <= {target for target, _ in private_endpoints(stage)}


def sharing(folder: Path, private: bool) -> Path:
    """Return a copy of infra/ in which what stages share is reached from their networks only, or from everywhere."""
    changed = folder / "infra"
    if not changed.exists():
        changed.mkdir()
        copied(changed)
        for name, closed in CLOSED if private else ():
            if name.partition("/")[0] in KEPT:
                change(changed, name, closed.replace("true", "false"), closed)
    return changed


def test_a_private_stage_that_reaches_what_is_shared_is_the_same_in_both_languages(tmp_path: Path) -> None:
    changed = sharing(tmp_path, True)
    assert differences(*(deployed(language, "production", changed) for language in LANGUAGES), prices()) == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("private", [False, True], ids=["public", "private"])
def test_what_stages_share_keeps_the_rules(language: str, private: bool, tmp_path: Path) -> None:
    found = problems(deployed(language, "shared", sharing(tmp_path, private)))
    # Each private stage brings the endpoint by which it reaches the shared registry.
    own = [line for line in found if "has no private endpoint" not in line or "crvisionlineshared" not in line]
    assert own == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_stages_share_is_called_what_names_py_says(language: str) -> None:
    one = deployed(language, "shared", INFRA)
    called = {shared_name(kind, one.parameters["name"], one.parameters["suffix"]) for kind in SHARED_NAMES}
    assert called <= {resource.name for resource in one.resources}


@pytest.mark.parametrize("name, old, new, says", BROKEN, ids=lambda value: str(value)[:40])
def test_a_cluster_that_breaks_a_rule_is_found_and_named(
    tmp_path: Path, name: str, old: str, new: str, says: str
) -> None:
    changed = asking(tmp_path)
    change(changed, name, old, new)
    found = problems(deployed(name.partition("/")[0], "production", changed))
    assert any(says in line for line in found), found


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_gpu_pool_has_no_node_without_work_and_takes_what_the_overlay_tolerates(language: str, infra: Path) -> None:
    cluster = deployed(language, "production", infra)
    (pool,) = [one for one in cluster.of(f"{MANAGED}/agentPools") if one.name == "gpu"]
    said = pool.attributes.get("properties", pool.attributes)
    keys = POOLS[language]
    assert (said[keys["least"]], said[keys["most"]]) == (0, 2)
    assert {_as_taint(one) for one in _tolerations()} >= set(said[keys["taints"]])


@pytest.mark.parametrize("language", LANGUAGES)
def test_flux_follows_the_platform_first_then_the_stage_as_infra_flux_has_it(language: str, infra: Path) -> None:
    for stage in ("production", "qa"):
        (flux,) = deployed(language, stage, infra).of("Microsoft.KubernetesConfiguration/fluxConfigurations")
        text = json.dumps(flux.attributes)
        assert f"./clusters/{stage}" in text and "./platform" in text
        assert GITOPS in text and '"gitops"' in text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("stage, extensions", [("dev", 0), ("production", 1), ("qa", 1)])
def test_azure_mls_extension_is_where_it_is_asked_for(language: str, stage: str, extensions: int, infra: Path) -> None:
    one = deployed(language, stage, infra)
    found = [each for each in one.of("Microsoft.KubernetesConfiguration/extensions") if each.name == "azureml"]
    attached = [each for each in one.of("Microsoft.MachineLearningServices/workspaces/computes") if each.name == "aks"]
    trusted = one.of(f"{MANAGED}/trustedAccessRoleBindings")
    # Its certificate lies in a Secret that somebody has to make on the cluster first; Arc's is attached by hand.
    assert (len(found), len(attached), len(trusted)) == (extensions, *([extensions * (stage != "qa")] * 2))


def test_a_cluster_is_attached_once_azure_ml_is_trusted_on_it() -> None:
    text = (INFRA / "terraform/stage/clusters.tf").read_text(encoding="utf-8")
    attach = text.partition('module "attach"')[2].partition("\n}")[0]
    assert "depends_on = [module.roles, module.aks]" in attach
    bicep_text = (INFRA / "bicep/stage.bicep").read_text(encoding="utf-8").partition("module attach ")[2]
    assert "aks!.outputs.id" in bicep_text.partition("\n}")[0]  # a module's outputs come after all that it makes


@pytest.mark.parametrize("language", LANGUAGES)
def test_pods_of_the_stages_account_act_as_the_serving_identity(language: str, infra: Path) -> None:
    one = deployed(language, "production", infra)
    credentials = one.of("Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials")
    account = yaml.safe_load((ROOT / "infra/kubernetes/stage/account.yaml").read_text(encoding="utf-8"))
    subjects = {str(each.attributes.get("properties", each.attributes)["subject"]) for each in credentials}
    assert f"system:serviceaccount:visionline-production:{account['metadata']['name']}" in subjects


def _give(path: Path, asked: Mapping[str, Any], line: str, name: Any, value: Any) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    given = {name(key): value(one) for key, one in asked.items()}
    kept = [one for one in lines if one.removeprefix("param ").partition(" ")[0] not in given]
    path.write_text("\n".join([*kept, *(line.format(key, one) for key, one in given.items())]) + "\n", encoding="utf-8")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _in_bicep(value: Any) -> str:
    return json.dumps(value).replace('"', "'")


def _tolerations() -> Iterator[dict[str, str]]:
    text = (ROOT / "infra/kubernetes/components/triton/triton.yaml").read_text(encoding="utf-8")
    yield from yaml.safe_load(text)["spec"]["template"]["spec"]["tolerations"]


def _as_taint(toleration: Mapping[str, str]) -> str:
    return f"{toleration['key']}={toleration.get('value', '')}:{toleration['effect']}"
