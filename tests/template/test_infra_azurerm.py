"""Terraform files against azurerm's schema, without Terraform: arguments, blocks, attributes; another's parser, too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import hcl2
import pytest
from iac.azurerm import problems
from iac.files import read_terraform
from infra_stages import INFRA
from providerstub import extract

SCHEMA: dict[str, Any] = json.loads(extract.SCHEMA.read_text(encoding="utf-8"))
FILES = sorted(path.relative_to(INFRA).as_posix() for path in (INFRA / "terraform").rglob("*.tf"))
VAULT = """
resource "azurerm_key_vault" "one" {
  name                = "kv"
  location            = "westeurope"
  resource_group_name = azurerm_resource_group.one.name
  tenant_id           = "x"
  sku_name            = "standard"

  network_acls {
    bypass         = "None"
    default_action = "Deny"
  }
}
"""


def checked(text: str) -> list[str]:
    """Return what is wrong in a Terraform text."""
    return problems(read_terraform(text, "a.tf"), SCHEMA, "a.tf")


def without_description(blocks: tuple[Any, ...]) -> Iterator[str]:
    """Yield the variables and outputs that don't say what they are."""
    for block in blocks:
        if block.kind in ("variable", "output") and "description" not in block.attributes:
            yield f"{block.kind} {block.labels[0]}"


@pytest.mark.parametrize("name", FILES)
def test_azurerm_knows_each_argument_block_and_attribute(name: str) -> None:
    assert checked((INFRA / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", FILES)
def test_anothers_parser_reads_it(name: str) -> None:
    assert isinstance(hcl2.loads((INFRA / name).read_text(encoding="utf-8")), dict)


@pytest.mark.parametrize("name", FILES)
def test_each_variable_and_output_is_described(name: str) -> None:
    assert list(without_description(read_terraform((INFRA / name).read_text(encoding="utf-8"), name))) == []


def test_the_extract_holds_what_is_used_and_nothing_else() -> None:
    held = {(kind, name.removeprefix("azurerm_")) for kind in ("resource", "data") for name in SCHEMA[kind]}
    assert held == set(extract.used()), "run python -m providerstub.extract in tests/"
    assert (SCHEMA["source"], SCHEMA["azurerm"]) == (extract.PACKAGE, extract.PROVIDER)


def test_a_whole_resource_passes() -> None:
    assert checked(VAULT) == []


@pytest.mark.parametrize(
    "old, new, says",
    [
        ('sku_name            = "standard"', 'sku_nome = "standard"', "'sku_nome' is not known"),
        ('sku_name            = "standard"', "", "'sku_name' is missing"),
        ('bypass         = "None"', "", "network_acls: 'bypass' is missing"),
        ("network_acls {", "network_rules {", "block 'network_rules' is not known"),
        ('tenant_id           = "x"', 'tenant_id = "x"\n  vault_uri = "y"', "'vault_uri' can't be set"),
        ("azurerm_resource_group.one.name", "azurerm_resource_group.one.nome", "has no attribute 'nome'"),
        ("azurerm_resource_group.one.name", "azurerm_resource_group.one[0].nome", "has no attribute 'nome'"),
        ('"azurerm_key_vault"', '"azurerm_key_volt"', "azurerm_key_volt is not in schema.json"),
        (
            "  network_acls {\n",
            '  dynamic "rocket" {\n    for_each = []\n    content {}\n  }\n  network_acls {\n',
            "'rocket'",
        ),
    ],
)
def test_what_azurerm_does_not_know_is_found(old: str, new: str, says: str) -> None:
    assert old in VAULT
    assert any(says in line for line in checked(VAULT.replace(old, new))), checked(VAULT.replace(old, new))


def test_a_variable_without_a_description_is_found() -> None:
    assert list(without_description(read_terraform('variable "a" {\n  type = string\n}\n', "a.tf"))) == ["variable a"]
