"""Bicep without its compiler: another's parser reads it, each name leads somewhere, each API version is known."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from azurefake.message import Request
from azurefake.schemas import FOLDER, violations
from iac.symbols import problems
from infra_stages import INFRA, LANGUAGES, change, copied, deployed, needs
from pycep import BicepParser

from mlops.names import STAGES

FILES = sorted(path.relative_to(INFRA).as_posix() for path in (INFRA / "bicep").rglob("*.bicep"))
TYPED = re.compile(r"""['"](Microsoft\.[A-Za-z.]+(?:/[A-Za-z]+)+)@([0-9][0-9a-z-]+)['"]""")
TABLE = yaml.safe_load((Path(__file__).resolve().parent.parent / "iac" / "apiversions.yaml").read_text("utf-8"))
VERSIONS = {kind: [one for listed in found.values() for one in listed] for kind, found in TABLE["versions"].items()}
# A file, what is changed in it, and what has to be said.
BROKEN = [
    (
        "stage.bicep",
        "output workspace string = workspace.outputs",
        "output workspace string = workspice.outputs",
        "workspice is not",
    ),
    ("stage.bicep", "keyvault.outputs.name", "keyvault.outputs.nome", "module 'keyvault' has no output 'nome'"),
    ("stage.bicep", "    amount: budgetAmount\n", "", "module 'budget' is not given 'amount'"),
    (
        "stage.bicep",
        "    amount: budgetAmount\n",
        "    amount: budgetAmount\n    colour: 1\n",
        "has no parameter 'colour'",
    ),
    ("stage.bicep", "modules/budget.bicep", "modules/rocket.bicep", "modules/rocket.bicep is not there"),
    ("stage.bicep", "var production =", "var colour = 1\nvar production =", "var 'colour' is never used"),
    ("stage.bicep", "var production =", "param name int\nvar production =", "'name' is declared twice"),
    ("modules/budget.bicep", "@description('The budget\\'s name.')\n", "", "param 'name' has no description"),
    ("modules/budget.bicep", "toObject(alerts", "toRocket(alerts", "toRocket() is no function"),
    ("modules/budget.bicep", "alert => alert.name", "alert => alarm.name", "alarm is not declared"),
]


def unknown_versions(text: str) -> Iterator[str]:
    """Yield the types, with their API versions, that the table of known ones lacks."""
    yield from (f"{kind}@{version}" for kind, version in TYPED.findall(text) if version not in VERSIONS.get(kind, ()))


@pytest.mark.parametrize("name", FILES)
def test_anothers_parser_reads_it(name: str) -> None:
    assert BicepParser().parse(text=(INFRA / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", FILES)
def test_each_name_parameter_and_output_leads_somewhere(name: str) -> None:
    assert problems(INFRA / name) == []


def test_each_module_is_called() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (INFRA / "bicep").rglob("*.bicep")]
    modules = {path.name for path in (INFRA / "bicep" / "modules").glob("*.bicep")}
    assert {name for name in modules if not any(f"{name}'" in text for text in texts)} == set()


def test_each_type_and_api_version_is_a_known_one() -> None:
    files = [*(INFRA / "bicep").rglob("*.bicep"), *(INFRA / "terraform").rglob("*.tf")]
    assert {one for path in files for one in unknown_versions(path.read_text(encoding="utf-8"))} == set()


def test_each_api_version_was_looked_up_somewhere_and_is_used() -> None:
    needs(*LANGUAGES)
    assert {source for found in TABLE["versions"].values() for source in found} == set(TABLE["sources"])
    assert all(re.match(r"\d{4}-\d{2}-\d{2}, ", where) for where in TABLE["sources"].values())
    files = [*(INFRA / "bicep").rglob("*.bicep"), *(INFRA / "terraform").rglob("*.tf")]
    used = {pair for path in files for pair in TYPED.findall(path.read_text(encoding="utf-8"))}
    assert used == {(kind, version) for kind, versions in VERSIONS.items() for version in versions}


@pytest.mark.parametrize("name, old, new, says", BROKEN, ids=lambda value: str(value)[:40])
def test_a_name_that_leads_nowhere_is_found(tmp_path: Path, name: str, old: str, new: str, says: str) -> None:
    infra = copied(tmp_path)
    change(infra, f"bicep/{name}", old, new)
    assert any(says in line for line in problems(infra / "bicep" / name)), problems(infra / "bicep" / name)


@pytest.mark.parametrize(
    "text",
    [
        "resource a 'Microsoft.Storage/storageAccounts@2024-01-32' = {}",
        "resource a 'Microsoft.Storage/storageAccount@2024-01-01' = {}",
        'type = "Microsoft.Rocket/engines@2024-01-01"',
    ],
)
def test_an_unknown_type_or_version_is_found(text: str) -> None:
    assert len(list(unknown_versions(text))) == 1


def azure_ml_violations(stage: str, language: str, infra: Path = INFRA) -> list[str]:
    """Return what the newest ARM schema that is there objects to in the Azure ML resources of a stage."""
    version = max(path.stem for path in FOLDER.glob("*.json"))
    found: list[str] = []
    for one in deployed(language, stage, infra).resources:
        if one.kind.startswith("Microsoft.MachineLearningServices/") and "properties" in one.attributes:
            names = one.id.split("/")[1:]
            path = f"/providers/Microsoft.MachineLearningServices/{'/'.join(names)}"
            body = json.dumps(_sent(one.attributes)).encode()
            found += violations(Request("PUT", "management.azure.com", path, {"api-version": version}, {}, body))
    return found


def _sent(attributes: dict[str, Any]) -> dict[str, Any]:
    kept = ("location", "tags", "identity", "kind", "sku", "properties")
    body = {key: value for key, value in attributes.items() if key in kept}
    if isinstance(body.get("identity"), list):  # azapi's block
        body["identity"] = {"type": body["identity"][0]["type"]}
    return dict(_without_nulls(body))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


needs_schemas = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="no ARM schemas: VISIONLINE_ARM_SCHEMAS names their folder"
)


@needs_schemas
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("language", ["bicep", "terraform"])
def test_azure_mls_own_schema_allows_what_it_is_sent(language: str, stage: str) -> None:
    assert azure_ml_violations(stage, language) == []


@needs_schemas
@pytest.mark.parametrize(
    "name, old, new",
    [
        ("bicep/modules/compute.bicep", "vmPriority: one.priority", "vmPriority: 'Cheap'"),
        ("bicep/modules/compute.bicep", "minNodeCount: 0", "minNodeCount: 'none'"),
        ("bicep/modules/endpoints.bicep", "'AADToken'", "'Password'"),
    ],
)
def test_what_azure_ml_would_refuse_is_found(tmp_path: Path, name: str, old: str, new: str) -> None:
    infra = copied(tmp_path)
    change(infra, name, old, new)
    assert azure_ml_violations("dev", "bicep", infra)
