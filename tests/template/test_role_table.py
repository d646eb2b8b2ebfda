"""infra/roles.yaml is the one list of role assignments: README shows it, both languages assign all of it."""

from __future__ import annotations

import re

import pytest
import yaml
from infra_stages import needs

from mlops.config import REPOSITORY

INFRA = REPOSITORY / "infra"
ROWS = yaml.safe_load((INFRA / "roles.yaml").read_text(encoding="utf-8"))
# Who would be able to give itself more, or to do everything.
TOO_MUCH = {"Owner", "Contributor", "User Access Administrator", "Role Based Access Control Administrator"}


def test_readme_shows_each_row_and_no_other() -> None:
    table = (INFRA / "README.md").read_text(encoding="utf-8").split("## Roles")[1].split("## ")[0]
    shown = re.findall(r"^\| (\w+) \| ([^|]+) \| `(\w+)`( \(private stages\))? \| (.+) \|$", table, re.M)
    wanted = [
        (row["identity"], row["role"], row["scope"], " (private stages)" if row.get("private") else "", row["step"])
        for row in ROWS
    ]
    assert shown == wanted


def test_a_role_is_given_once_and_always_by_the_same_id() -> None:
    given = [(row["identity"], row["role"], row["scope"]) for row in ROWS]
    assert len(set(given)) == len(given)
    assert len({(row["role"], row.get("id")) for row in ROWS}) == len({row["role"] for row in ROWS})
    assert all(("id" in row) != ("actions" in row) for row in ROWS)


@pytest.mark.parametrize(
    "identity, roles",
    [
        ("operations", {"Reader", "Storage Blob Data Reader", "AcrPull"}),
        # Anybody's who may push a branch: what resources are, and no frame, model or image.
        ("plan", {"Reader", "Azure Kubernetes Service Cluster User Role"}),
    ],
)
def test_who_only_reads_may_write_nothing(identity: str, roles: set[str]) -> None:
    rows = [row for row in ROWS if row["identity"] == identity]
    assert {row["role"] for row in rows if "id" in row} == roles
    may = {
        action.rpartition("/")[0].rpartition("/")[2] + "/" + action.rpartition("/")[2]
        for row in rows
        for action in row.get("actions", ())
    }
    assert not any(word in action for action in may for word in ("write", "delete", "*")), may


def test_who_plans_sees_what_a_plan_asks_for() -> None:
    actions = {action for row in ROWS if row["identity"] == "plan" for action in row.get("actions", ())}
    asked = {
        "Microsoft.Resources/deployments/whatIf/action",
        "Microsoft.Resources/subscriptions/providers/read",  # azurerm lists them at each start, whatever it registers
        "Microsoft.App/containerApps/listSecrets/action",  # azurerm's read of a container app, and of a cluster: below
        "Microsoft.Authorization/roleAssignments/read",  # what subscriptionroles has made, on the subscription itself
        "Microsoft.Authorization/roleDefinitions/read",
    }
    assert asked <= actions
    roles = {(row["role"], row["scope"]) for row in ROWS if row["identity"] == "plan"}
    assert ("Azure Kubernetes Service Cluster User Role", "kubernetes") in roles


def test_who_applies_infrastructure_gets_no_right_by_it() -> None:
    assert "infra" not in {row["identity"] for row in ROWS}


def test_no_identity_may_do_everything() -> None:
    assert not TOO_MUCH & {row["role"] for row in ROWS}


def test_bicep_assigns_on_each_scope() -> None:
    needs("bicep")
    modules = [INFRA / "bicep" / "modules" / f"{name}.bicep" for name in ("roles", "sharedroles", "subscriptionroles")]
    text = "".join(module.read_text(encoding="utf-8") for module in modules)
    assert set(re.findall(r"row\.scope == '(\w+)'", text)) == {row["scope"] for row in ROWS}


def test_terraform_knows_each_scope() -> None:
    needs("terraform")
    text = "".join(path.read_text(encoding="utf-8") for path in (INFRA / "terraform" / "stage").glob("*.tf"))
    for scope in {row["scope"] for row in ROWS}:
        assert re.search(rf"\b{scope}\s*= (module|azurerm|\"[/$])", text), f"no resource is given as scope {scope}"
