"""Terraform files against azurerm's schema, without Terraform: arguments, blocks, attributes; another's parser, too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import hcl2
import pytest
from iac.azurerm import problems
from iac.files import read_terraform
from infra_stages import INFRA, KEPT
from providerstub import extract

pytestmark = pytest.mark.skipif("terraform" not in KEPT, reason="infra/terraform was deleted: nothing to compare")
SCHEMA: dict[str, Any] = json.loads(extract.SCHEMA.read_text(encoding="utf-8"))
FILES = sorted(path.relative_to(INFRA).as_posix() for path in (INFRA / "terraform").rglob("*.tf"))
VARIABLE = re.compile(r'^variable "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
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


def variables_of(root: str, text: str) -> Iterator[tuple[str, str, str]]:
    """Yield each variable of a root module: its name, its type and checks without white space, and where it stands."""
    for name, body in VARIABLE.findall(text):
        checked = re.sub(r"\s+", " ", re.sub(r"(?m)^  (description|default) .*", "", body))
        yield name, checked.strip(), root


def unlike(found: list[tuple[str, str, str]]) -> list[str]:
    """Return the variables that two root modules declare in different ways."""
    ways: dict[str, set[str]] = {}
    for name, checked, _ in found:
        ways.setdefault(name, set()).add(checked)
    return sorted(name for name, checks in ways.items() if len(checks) > 1)


def roots() -> list[tuple[str, str, str]]:
    """Return the variables of all root modules. None can import another's, so each says them again."""
    paths = [path for path in FILES if path.endswith("variables.tf") and "modules/" not in path]
    return [one for path in paths for one in variables_of(path, (INFRA / path).read_text(encoding="utf-8"))]


def test_root_modules_check_what_they_both_ask_for_alike() -> None:
    found = roots()
    assert len({root for *_, root in found}) == 3 and unlike(found) == []


def test_a_check_that_only_one_root_module_has_is_found() -> None:
    found = [(name, text.replace("{2,11}", "{2,9}") if "stage" in root else text, root) for name, text, root in roots()]
    assert unlike(found) == ["name"]


def test_modules_that_are_told_their_place_are_told_the_same() -> None:
    paths = [path for path in FILES if path.endswith("variables.tf") and "modules/" in path]
    told = {
        body for path in paths for name, body in VARIABLE.findall((INFRA / path).read_text("utf-8")) if name == "place"
    }
    assert len(told) == 1


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
