"""Bicep and Terraform describe the same: resources, roles, network, settings, sizes, outputs, parameters, names."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from iac.parity import differences
from iac.resource import Deployment
from iac.rules import role_assignments
from iac.settings import settings_of
from iac.values import Unresolved, plain
from infra_stages import LANGUAGES, change, copied, deployed, prices

from mlops.infra.change import CREATE, Change
from mlops.infra.costs import estimate
from mlops.infra.outputs import CI_VARIABLES, OTHERS, STAGE_KEYS
from mlops.names import RESOURCE_NAMES, STAGES, resource_name

# What is changed on one side, and what has to be said of it.
BROKEN = [
    ("bicep/modules/storage.bicep", "'Deny'", "'Allow'", "setting microsoft.storage/storageaccounts"),
    ("bicep/modules/storage.bicep", "? 'Disabled' : 'Enabled'", "? 'Enabled' : 'Enabled'", "public = True"),
    ("bicep/modules/keyvault.bicep", "(place.private ? ['vault'] : [])", "[]", "private endpoint Microsoft.KeyVault"),
    ("bicep/modules/locks.bicep", "level: 'CanNotDelete'", "level: 'ReadOnly'", "lock Microsoft.Storage"),
    (
        "bicep/modules/network.bicep",
        "cidrSubnet(addressSpace, 24, 1)",
        "cidrSubnet(addressSpace, 24, 9)",
        "subnet agents",
    ),
    ("bicep/modules/registry.bicep", "'Premium'", "'Standard'", "price microsoft.containerregistry/registries"),
    ("bicep/stage.bicep", "output keyVault string", "output vaultName string", "output keyvault"),
    ("bicep/modules/roles.bicep", "row.scope == 'key_vault'", "row.scope == 'none'", "role Microsoft.KeyVault"),
    ("bicep/production.bicepparam", "param lock = true", "param lock = false", "parameter lock = True"),
    ("terraform/modules/roles/main.tf", ": each.value.role\n", ': "Reader"\n', "role Microsoft.KeyVault"),
    ("terraform/modules/roles/main.tf", "= each.value.actions", '= ["*"]', "actions = ['*']"),
    ("bicep/modules/subscriptionroles.bicep", "contains(principals, row.identity)", "false", "role /subscriptions/"),
    (
        "bicep/stage.bicep",
        "operations: 'id-${name}-operations'",
        "operations: 'id-${name}-reader'",
        "role Microsoft.St",
    ),
    ("terraform/modules/monitor/main.tf", "? 90 : 30", "? 60 : 30", "days = 60"),
    ("terraform/stage/names.tf", '"kv-${var.name}', '"k-${var.name}', "resource microsoft.keyvault/vaults k-"),
    ("terraform/stage/outputs.tf", 'output "workspace"', 'output "place"', "output workspace"),
    ("terraform/modules/identity/main.tf", "= each.value", '= "repo:any/any:*"', "subject = repo:any/any:*"),
    ("terraform/modules/endpoints/outputs.tf", '"aad_token"', '"key"', "output onlineauth = key"),
    ("terraform/modules/storage/main.tf", '["blob", "file"]', '["blob"]', "private endpoint Microsoft.Storage"),
]


@pytest.mark.parametrize("stage", STAGES)
def test_both_languages_deploy_the_same(stage: str) -> None:
    assert differences(deployed("terraform", stage), deployed("bicep", stage), prices()) == []


@pytest.mark.parametrize("name, old, new, says", BROKEN, ids=lambda value: str(value)[:40])
def test_a_difference_is_found_and_its_place_named(tmp_path: Path, name: str, old: str, new: str, says: str) -> None:
    infra = copied(tmp_path)
    change(infra, name, old, new)
    both = (deployed(language, "production", infra) for language in LANGUAGES)
    found = differences(*both, prices())
    assert any(says in line for line in found), found


def say(infra: Path, stage: str, values: Mapping[str, str | bool]) -> None:
    """Give a copy's stage values in both languages' parameter files, by Terraform's names."""
    for name, value in values.items():
        camel = re.sub("_(.)", lambda found: found[1].upper(), name)
        change(
            infra,
            f"terraform/stage/{stage}.tfvars",
            "git_repository ",
            f"{name} = {json.dumps(value)}\ngit_repository ",
        )
        change(infra, f"bicep/{stage}.bicepparam", "param tags", f"param {camel} = {in_bicep(value)}\nparam tags")


def in_bicep(value: str | bool) -> str:
    """Return a value as Bicep writes it."""
    return f"'{value}'" if isinstance(value, str) else json.dumps(value)


def on_azure_devops(folder: Path, stage: str, values: dict[str, str]) -> Path:
    """Return a copy whose stage's pipelines run on Azure DevOps, and are told the values in both languages."""
    infra = copied(folder)
    say(infra, stage, {"ci_system": "azure-devops", **values})
    return infra


def trusted(deployment: Deployment) -> list[tuple[str, str]]:
    """Return whom a stage's identities trust: each one's issuer and subject."""
    found = (one.values for one in settings_of(deployment) if one.resource.kind.endswith("IdentityCredentials"))
    return [(values["issuer"], values["subject"]) for values in found]


@pytest.mark.parametrize("stage", ["dev", "production"])
@pytest.mark.parametrize("values", [{}, {"subject": "sc://o/p/visionline"}, {"issuer": "https://issuer.test"}])
def test_on_azure_devops_nobody_is_trusted_till_issuer_and_subject_are_said(
    tmp_path: Path, stage: str, values: dict[str, str]
) -> None:
    infra = on_azure_devops(tmp_path, stage, values)
    both = [deployed(language, stage, infra) for language in LANGUAGES]
    assert [trusted(one) for one in both] == [[], []] and differences(both[0], both[1], prices()) == []


def test_on_azure_devops_a_service_connection_is_trusted_as_it_says(tmp_path: Path) -> None:
    said = {"issuer": "https://issuer.test", "subject": "sc://o/p/visionline", "plan_subject": "sc://o/p/plan"}
    infra = on_azure_devops(tmp_path, "dev", said)
    both = [deployed(language, "dev", infra) for language in LANGUAGES]
    wanted = [(said["issuer"], said["plan_subject"]), (said["issuer"], said["subject"])]
    assert [sorted(trusted(one)) for one in both] == [wanted, wanted]
    assert differences(both[0], both[1], prices()) == []


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_resources_are_called_what_names_py_says(language: str, stage: str) -> None:
    one = deployed(language, stage)
    name, suffix = one.parameters["name"], one.parameters["suffix"]
    names = {kind: resource_name(kind, name, stage, suffix) for kind in RESOURCE_NAMES}
    optional = {"kubernetes", "namespace", "sandbox", "sandbox_environment", "network", "monitor_scope"}
    optional |= set() if stage == STAGES[0] else {"operations", "plan"}
    deployed_names = {resource.name for resource in one.resources}
    assert {kind for kind, called in names.items() if called not in deployed_names} <= optional


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_stage_gives_a_right_that_another_has_given(language: str) -> None:
    # Azure takes a role for somebody on something once: a second state's assignment of it fails.
    given = Counter(one for stage in STAGES for one in role_assignments(deployed(language, stage)))
    assert [one for one, times in given.items() if times > 1] == []


# A subscription of dev's own, and one that the others share, where one of them gives what dev gives in its own.
ELSEWHERE = {"operations_principal": "1" * 36, "plan_principal": "2" * 36}
APART = {"qa": ELSEWHERE, "production": {**ELSEWHERE, "shared_rights_given": True}}


@pytest.mark.parametrize("given, twice", [(True, False), (False, True)])
def test_no_right_is_given_twice_where_stages_share_another_subscription_than_devs(
    tmp_path: Path, given: bool, twice: bool
) -> None:
    infra = copied(tmp_path)
    for stage, values in APART.items():
        say(infra, stage, {**values, "shared_rights_given": given} if "shared_rights_given" in values else values)
    for language in LANGUAGES:
        counted = Counter(one for stage in APART for one in role_assignments(deployed(language, stage, infra)))
        assert any("1" * 36 in str(one) for one in counted)
        assert any(times > 1 for times in counted.values()) is twice
    both = (deployed(language, "production", infra) for language in LANGUAGES)
    assert differences(*both, prices()) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_pull_request_made_has_nothing_outside_its_group_but_what_expire_finds(
    tmp_path: Path, language: str
) -> None:
    files = {"terraform": "terraform/stage/dev.tfvars", "bicep": "bicep/dev.bicepparam"}
    given = {plain(name): str(value) for name, value in deployed(language, "dev").parameters.items()}
    infra = copied(tmp_path)
    change(infra, files[language], given.get("sharedresourcegroup", ""), "")
    path = infra / files[language]
    text = re.sub(r"(?m)^((?:param )?name\s*=\s*.)\w+", r"\1pr17", path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8")
    given_on = {(scope, role) for scope, role, _ in role_assignments(deployed(language, "dev", infra))}
    outside = {(scope, role) for scope, role in given_on if "pr17dev" not in scope and "pr17-dev" not in scope}
    assert outside == {
        ("/subscriptions/<subscription>", f"Plans deployments of {resource_name('workspace', 'pr17', 'dev', 'vl1')}")
    }


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_resource_has_a_price(language: str, stage: str) -> None:
    made = [Change(CREATE, one.kind, one.id, {}, one.attributes) for one in deployed(language, stage).resources]
    assert estimate(made, prices()).unknown == ()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_outputs_are_those_that_fill_knows(language: str) -> None:
    outputs = {plain(name) for name in deployed(language, "dev").outputs}
    assert outputs <= {plain(name) for name in (*STAGE_KEYS, *CI_VARIABLES, *OTHERS)}
    assert {plain(name) for name in (*STAGE_KEYS, *CI_VARIABLES)} <= outputs


@pytest.mark.parametrize("language", LANGUAGES)
def test_stage_files_are_told_how_the_online_endpoint_lets_callers_in(language: str) -> None:
    words = {"AADToken": "aad_token", "AMLToken": "aml_token", "Key": "key"}
    one = deployed(language, "dev")
    (modes,) = {one.values["auth"] for one in settings_of(one) if one.resource.kind.endswith("/onlineEndpoints")}
    assert {plain(name): value for name, value in one.outputs.items()}["onlineauth"] == words[modes]


@pytest.mark.parametrize(
    "name, old, new, says",
    [
        ("terraform/stage/main.tf", "module.storage.id", "module.storage.ids", "no output 'ids'"),
        ("terraform/stage/dev.tfvars", "lock ", "look ", "variable 'lock' is given no value"),
        ("terraform/modules/storage/main.tf", "var.place.tags", "var.place.tag", "there is no 'tag'"),
        ("bicep/stage.bicep", "storage.outputs.id", "storage.outputs.ids", "no output 'ids'"),
        ("terraform/stage/dev.tfvars", "lock ", "rocket = 1\nlock ", "no variable 'rocket'"),
        ("bicep/dev.bicepparam", "param lock ", "param look ", "no parameter 'look'"),
        ("bicep/modules/storage.bicep", "place.tags", "place.tag", "there is no 'tag'"),
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, name: str, old: str, new: str, says: str) -> None:
    infra = copied(tmp_path)
    change(infra, name, old, new)
    with pytest.raises(Unresolved, match=says):
        deployed(name.partition("/")[0], "dev", infra)
