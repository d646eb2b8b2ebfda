"""Rules of security over what both languages deploy; each rule is shown a file that breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest
from iac.rules import RULES, problems
from infra_stages import LANGUAGES, change, copied, deployed

from mlops.names import STAGES

TF, BICEP = "terraform/modules", "bicep/modules"
# A file, what is changed in it, and what production's rules have to say.
BROKEN = [
    (f"{TF}/storage/main.tf", "= !var.place.private", "= true", "is reached from the internet"),
    (f"{TF}/storage/main.tf", '"TLS1_2"', '"TLS1_0"', "speaks TLS from TLS1_0"),
    (f"{TF}/storage/main.tf", "https_traffic_only_enabled      = true", "", "plain HTTP"),
    (f"{TF}/storage/main.tf", "shared_access_key_enabled       = false", "", "lets in by keys"),
    (f"{TF}/storage/main.tf", "nested_items_to_be_public = false", "nested_items_to_be_public = true", "by anybody"),
    (f"{TF}/storage/main.tf", 'category_group = "audit"', "enabled = false", "sends no logs"),
    (f"{TF}/storage/main.tf", "tags                = var.place.tags", "", "has no tag owner, project, stage"),
    (f"{TF}/storage/main.tf", '? "Deny" : "Allow"', '? "Allow" : "Allow"', "lets every network in"),
    (f"{TF}/registry/main.tf", "admin_enabled                 = false", "admin_enabled = true", "an admin user"),
    (f"{TF}/registry/main.tf", "anonymous_pull_enabled        = false", "", "by anybody"),
    (f"{TF}/keyvault/main.tf", "= var.production\n", "= false\n", "has no purge protection"),
    (
        f"{TF}/keyvault/main.tf",
        "rbac_authorization_enabled    = true",
        "rbac_authorization_enabled = false",
        "policies",
    ),
    (f"{TF}/keyvault/main.tf", '["vault"] : []', "[] : []", "has no private endpoint"),
    (f"{TF}/compute/main.tf", "ssh_public_access_enabled     = false", "ssh_public_access_enabled = true", "by SSH"),
    (f"{TF}/monitor/main.tf", "local_authentication_enabled = false", "", "lets in by keys"),
    (f"{TF}/roles/main.tf", ": each.value.role\n", ': "Owner"\n', "gets Owner on"),
    ("terraform/stage/main.tf", "storage   = module.storage.id\n    key_vault", "key_vault", "has no lock"),
    (f"{TF}/budget/main.tf", "azurerm_consumption_budget_resource_group", "azurerm_cost_anomaly_alert", "no budget"),
    (f"{BICEP}/storage.bicep", "place.private ? 'Disabled' : 'Enabled'", "'Enabled'", "reached from the internet"),
    (f"{BICEP}/storage.bicep", "minimumTlsVersion: 'TLS1_2'", "", "speaks TLS from None"),
    (f"{BICEP}/storage.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAccess: true", "lets in by keys"),
    (f"{BICEP}/storage.bicep", "allowBlobPublicAccess: false", "", "by anybody"),
    (f"{BICEP}/storage.bicep", "enabled: true }]\n    metrics", "enabled: false }]\n    metrics", "sends no logs"),
    (f"{BICEP}/storage.bicep", "  tags: place.tags\n", "", "has no tag"),
    (f"{BICEP}/registry.bicep", "adminUserEnabled: false", "adminUserEnabled: true", "an admin user"),
    (f"{BICEP}/registry.bicep", "anonymousPullEnabled: false", "anonymousPullEnabled: true", "by anybody"),
    (f"{BICEP}/keyvault.bicep", "production ? true : null", "null", "has no purge protection"),
    (f"{BICEP}/keyvault.bicep", "enableRbacAuthorization: true", "enableRbacAuthorization: false", "access policies"),
    (f"{BICEP}/compute.bicep", "disableLocalAuth: true", "disableLocalAuth: false", "lets in by keys"),
    (f"{BICEP}/endpoints.bicep", "'AADToken'", "'Key'", "asked with a key"),
    (f"{BICEP}/roles.bicep", "row.id)\n", "'b24988ac-6180-42a0-ab88-20f7382dd24c')\n", "gets Contributor on"),
    (f"{TF}/monitor/main.tf", "internet_ingestion_enabled   = !var.private", "", "reached from the internet"),
    (f"{TF}/monitorscope/main.tf", "for_each = var.resources", "for_each = {}", "is in no private link scope"),
    (f"{BICEP}/monitor.bicep", "publicNetworkAccessForQuery: outside", "", "reached from the internet"),
    (f"{BICEP}/monitorscope.bicep", "target: named.id", "target: part[0].id", "has no private endpoint"),
    ("bicep/stage.bicep", ", insights: monitor.outputs.insights }, c", " }, c", "is in no private link scope"),
    (f"{BICEP}/locks.bicep", "scope: vault", "scope: workspace", "has no lock"),
]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_stage_keeps_all_rules(language: str, stage: str) -> None:
    assert problems(deployed(language, stage)) == []


@pytest.mark.parametrize("name, old, new, says", BROKEN, ids=lambda value: str(value)[:40])
def test_what_breaks_a_rule_is_found_and_named(tmp_path: Path, name: str, old: str, new: str, says: str) -> None:
    infra = copied(tmp_path)
    change(infra, name, old, new)
    found = problems(deployed(name.partition("/")[0], "production", infra))
    assert any(says in line for line in found), found


def test_each_rule_was_shown_a_file_that_breaks_it(tmp_path: Path) -> None:
    said = " ".join(says for *_, says in BROKEN)
    words = ("internet", "TLS", "keys", "anybody", "logs", "tag", "lock", "gets Owner", "no budget")
    assert len(words) == len(RULES) and all(word in said for word in words)
