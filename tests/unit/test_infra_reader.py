"""The reader of both languages that tests of infra/ stand on: words, expressions, values, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from iac import bicep, functions, terraform
from iac.expressions import read_expression
from iac.files import read_bicep, read_terraform
from iac.tokens import Unreadable
from iac.values import Evaluator, Late, Symbol, Unresolved

HERE = Path(__file__).parent
SCOPE = {"a": 1, "on": True, "off": False, "names": ["x", "y"], "map": {"k": "v", "n": None}, "one": Symbol("kv/one")}
Write = Callable[..., Path]


def terraform_value(text: str) -> Any:
    """Return what a Terraform expression is."""
    return Evaluator(functions.terraform(HERE), "a.tf", True).value(read_expression(text, True), SCOPE)


def bicep_value(text: str) -> Any:
    """Return what a Bicep expression is."""
    return Evaluator(functions.bicep(HERE, lambda: "rg"), "a.bicep", False).value(read_expression(text, False), SCOPE)


@pytest.mark.parametrize(
    "text, value",
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3 - -1", 10),
        ("on && !off || off", True),
        ('a == 1 ? "yes" : "no"', "yes"),
        ('"x-${a}-${on ? "b" : "c"}"', "x-1-b"),
        ('"say \\"hi\\""', 'say "hi"'),
        ("map.k", "v"),
        ('map["k"]', "v"),
        ("names[1]", "y"),
        ("names[*]", ["x", "y"]),
        ("[for n in names : upper(n)]", ["X", "Y"]),
        ('[for i, n in names : i if n == "y"]', [1]),
        ("{ for i, n in names : n => i }", {"x": 0, "y": 1}),
        ('{ a = 1, "b c" = 2 }', {"a": 1, "b c": 2}),
        ("merge(map, { k = 2 })", {"k": 2, "n": None}),
        ("one([]) == null", True),
        ("one.principal_id", "<kv/one.principalid>"),
        ("one.identity[0].principal_id", "<kv/one.principalid>"),
        ('try(map.rocket, "else")', "else"),
        ("can(map.rocket)", False),
        ('cidrsubnet("10.0.0.0/16", 8, 3)', "10.0.3.0/24"),
        ("<<-EOT\n  two\n  lines\n  EOT", "  two\n  lines"),
    ],
)
def test_an_expression_of_terraform_is_worked_out(text: str, value: object) -> None:
    assert terraform_value(text) == value


@pytest.mark.parametrize(
    "text, value",
    [
        ("a == 1 ? 'yes' : 'no'", "yes"),
        ("on\n  ? 'yes'\n  : 'no'", "yes"),
        ("'x-${a}-${empty(names) ? 'b' : 'c'}'", "x-1-c"),
        ("'it\\'s'", "it's"),
        ("'''\nraw ${a}'''", "raw ${a}"),
        ("[\n  'x'\n  'y'\n]", ["x", "y"]),
        ("{\n  a: 1\n  'b-${a}': 2\n}", {"a": 1, "b-1": 2}),
        ("[for n in names: toUpper(n)]", ["X", "Y"]),
        ("[for (n, i) in names: '${n}${i}']", ["x0", "y1"]),
        ("filter(names, n => n != 'x')", ["y"]),
        ("toObject(names, n => n, n => 1)", {"x": 1, "y": 1}),
        ("map.?rocket ?? 'else'", "else"),
        ("union(map, { k: 2 })", {"k": 2, "n": None}),
        ("one!.properties.principalId", "<kv/one.principalid>"),
        ("resourceGroup().name", "rg"),
        ("cidrSubnet('10.0.0.0/16', 24, 3)", "10.0.3.0/24"),
        ("resourceId('Microsoft.X/a/b', 'one', 'two')", "Microsoft.X/a/one/b/two"),
    ],
)
def test_an_expression_of_bicep_is_worked_out(text: str, value: object) -> None:
    assert bicep_value(text) == value


@pytest.mark.parametrize("text", ['"open', "a +", "[1, 2", "{ a = }", "a ? b", '"${a"', "§", "a b", "names)"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        read_expression(text, True)


@pytest.mark.parametrize(
    "text, says",
    [
        ("rocket", "a.tf:1: rocket is not declared"),
        ("map.rocket", "there is no 'rocket'"),
        ("names[2]", "there is no '2'"),
        ("one(names)", "one() of 2 items"),
        ("rocket()", "no function that is known here"),
        ("[for n in a : n]", "a loop runs over 1"),
    ],
)
def test_what_is_not_there_is_named_with_its_place(text: str, says: str) -> None:
    with pytest.raises(Unresolved, match=says.replace("(", "\\(").replace(")", "\\)")):
        terraform_value(text)


def test_a_value_that_is_made_of_itself_is_refused() -> None:
    late = Late(lambda: late())
    with pytest.raises(Unresolved, match="made of itself"):
        late()


@pytest.mark.parametrize("text", ['resource "a" {', "resource 'a' {}", "a = 1\n}"])
def test_a_broken_terraform_file_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(Unreadable, match=r"^a\.tf: line"):
        read_terraform(text, "a.tf")


@pytest.mark.parametrize("text", ["param a string = ", "rocket a = 1", "resource a 'X@1' = {", "var a = [for b in c]"])
def test_a_broken_bicep_file_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(Unreadable, match=r"^a\.bicep: line"):
        read_bicep(text, "a.bicep")


def write(folder: Path, **files: str) -> Path:
    """Write files, whose names have _ for the dot."""
    for name, text in files.items():
        (folder / ".".join(name.rsplit("_", 1))).write_text(text, encoding="utf-8")
    return folder


def test_terraforms_counts_and_blocks_are_unfolded(tmp_path: Path) -> None:
    text = """
    variable "n" {}
    resource "azurerm_key_vault" "one" {
      count = var.n
      name  = "kv${count.index}"
      dynamic "network_acls" {
        for_each = var.n > 1 ? ["Deny"] : []
        content { default_action = network_acls.value }
      }
    }
    output "ids" { value = azurerm_key_vault.one[*].id }
    """
    write(tmp_path, main_tf=text, one_tfvars="n = 2\n")
    found = terraform.deploy(tmp_path, tmp_path / "one.tfvars")
    assert found.outputs == {"ids": ["Microsoft.KeyVault/vaults/kv0", "Microsoft.KeyVault/vaults/kv1"]}
    assert [one.attributes["network_acls"] for one in found.resources] == [[{"default_action": "Deny"}]] * 2


def test_biceps_loops_conditions_and_parents_are_unfolded(tmp_path: Path) -> None:
    text = """
    param n int
    resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = [for i in range(0, n): if (i > 0) { name: 'kv${i}' }]
    resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = if (n > 9) { name: 'st' }
    resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' existing = {
      parent: other
      name: 'default'
    }
    resource other 'Microsoft.Storage/storageAccounts@2024-01-01' existing = { name: 'st2' }
    output id string = blobs.id
    """
    write(tmp_path, a_bicep=text, a_bicepparam="using 'a.bicep'\nparam n = 3\n")
    found = bicep.deploy(tmp_path / "a.bicepparam")
    assert [one.id for one in found.resources] == ["Microsoft.KeyVault/vaults/kv1", "Microsoft.KeyVault/vaults/kv2"]
    assert found.outputs == {"id": "Microsoft.Storage/storageAccounts/st2/blobServices/default"}
