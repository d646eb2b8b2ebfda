"""Writes schema.json: azurerm's schema of the resources that infra/terraform uses.

The source is HashiCorp's npm package @cdktf/provider-azurerm, which was generated from the provider's own schema:
index.js of a resource says types, blocks and what is computed, index.d.ts what is required. Run it where npm is:

    python -m providerstub.extract          (in tests/)
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGE = "@cdktf/provider-azurerm@14.23.1"
PROVIDER = "4.55.0"
SCHEMA = Path(__file__).with_name("schema.json")
TERRAFORM = Path(__file__).resolve().parents[2] / "infra" / "terraform"
USED = re.compile(r'^(resource|data) "azurerm_(\w+)"', re.MULTILINE)
ATTRIBUTE = re.compile(
    r"^            (\w+): \{\n\s+value: (.*),\n\s+isBlock: (true|false),\n\s+type: \"(\w+)\",\n"
    r"\s+storageClassType: \"(\w+)\",",
    re.MULTILINE,
)
NESTED_ATTRIBUTE = re.compile(ATTRIBUTE.pattern.replace("^            ", "^        "), re.MULTILINE)
COMPUTED = re.compile(
    r"// (\w+) - computed: true, optional: false, required: false\n\s+get \w+\(\) \{\n\s+return (.*);"
)
TYPES = {"string": "string", "number": "number", "boolean": "bool"}
GETTERS: dict[str, Any] = {
    "getStringAttribute": "string",
    "getNumberAttribute": "number",
    "getBooleanAttribute": "bool",
    "getListAttribute": ["list", "string"],
}

Block = dict[str, Any]


def extract(folder: Path, used: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the schema of the resources and data sources used, from the package's unpacked folder."""
    found: dict[str, Any] = {"provider": _block(folder, "provider", "AzurermProvider"), "resource": {}, "data": {}}
    for kind, name in used:
        dashed = name.replace("_", "-")
        path = dashed if kind == "resource" else f"data-azurerm-{dashed}"
        camel = "".join(part.capitalize() for part in path.split("-"))
        found[kind][f"azurerm_{name}"] = _block(folder, path, _class_of(folder, path, camel))
    return {"source": PACKAGE, "azurerm": PROVIDER, **found}


def used(terraform: Path = TERRAFORM) -> list[tuple[str, str]]:
    """Return kind and name of all azurerm resources and data sources that Terraform files mention, sorted."""
    texts = (path.read_text(encoding="utf-8") for path in terraform.rglob("*.tf") if ".terraform" not in path.parts)
    return sorted({match.groups() for text in texts for match in USED.finditer(text)})


def fetch(folder: Path) -> Path:
    """Unpack the package into a folder and return its lib. Raises OSError, CalledProcessError where npm has it not."""
    command = ["npm", "pack", PACKAGE, "--silent"]
    packed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=240).stdout
    with tarfile.open(folder / packed.split()[-1]) as archive:
        members = (one for one in archive if one.name.endswith(("/index.js", "/index.d.ts")))
        archive.extractall(folder, members=members, filter="data")
    return folder / "package" / "lib"


def text_of(schema: dict[str, Any]) -> str:
    """Return the file's text: a resource a line, so that a difference shows which one it is in."""
    lines = [f'"{key}": {json.dumps(schema[key])}' for key in ("source", "azurerm", "provider")]
    for kind in ("resource", "data"):
        inner = ",\n".join(f'"{name}": {json.dumps(one, sort_keys=True)}' for name, one in schema[kind].items())
        lines.append(f'"{kind}": {{\n{inner}\n}}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _class_of(folder: Path, path: str, camel: str) -> str:
    script = (folder / path / "index.js").read_text(encoding="utf-8")
    names = re.findall(r"^class (\w+) extends cdktf\.Terraform(?:Resource|DataSource)", script, re.MULTILINE)
    return str(names[-1]) if names else camel


def _block(folder: Path, path: str, name: str) -> Block:
    script = (folder / path / "index.js").read_text(encoding="utf-8")
    types = (folder / path / "index.d.ts").read_text(encoding="utf-8")
    classes = dict(_parts(script, r"^class (\w+) extends ", "^}"))
    body = classes[name]
    attributes = body.partition("synthesizeHclAttributes() {")[2]
    block = _filled(ATTRIBUTE.findall(attributes), f"{name}Config", script, types, classes)
    return _with_computed(block, body, "dynamic")


def _filled(rows: list[tuple[str, ...]], name: str, script: str, types: str, classes: dict[str, str]) -> Block:
    needed = _needed(types, name)
    block: Block = {"attributes": {}, "blocks": {}}
    for attribute, value, is_block, kind, storage in rows:
        if attribute == "timeouts":
            continue
        required = _camel(attribute) in needed
        if is_block == "true":
            single = not value.startswith("cdktf.listMapperHcl")
            struct = storage.removesuffix("List")
            inner = _struct(struct, script, types, classes)
            block["blocks"][attribute] = {**inner, "nesting": kind, "single": single, "required": required}
        else:
            block["attributes"][attribute] = [_type(kind, storage), "required" if required else "optional"]
    block["attributes"].pop("id", None)
    return block


def _struct(name: str, script: str, types: str, classes: dict[str, str]) -> Block:
    function = f"function {name[0].lower()}{name[1:]}ToHclTerraform(struct) {{"
    body = script.partition(function)[2].partition("\n}\n")[0]
    block = _filled(NESTED_ATTRIBUTE.findall(body), name, script, types, classes)
    # Within a block, what is more than a list of texts is left out: nothing here reads it.
    return _with_computed(block, classes.get(f"{name}OutputReference", ""), None)


def _with_computed(block: Block, body: str, other: str | None) -> Block:
    for attribute, value in COMPUTED.findall(body):
        kind = next((kind for call, kind in GETTERS.items() if call in value), other)
        if kind:
            block["attributes"].setdefault(attribute, [kind, "computed"])
    return block


def _needed(types: str, name: str) -> set[str]:
    body = types.partition(f"export interface {name} ")[2].partition("\n}")[0]
    return set(re.findall(r"^    readonly (\w+):", body, re.MULTILINE))


def _type(kind: str, storage: str) -> Any:
    if storage in TYPES:
        return TYPES[storage]
    inner = TYPES.get(storage.removesuffix("List").removesuffix("Map"), "string")
    return [kind if kind in ("list", "set", "map") else "list", inner]


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _parts(text: str, begin: str, end: str) -> Iterator[tuple[str, str]]:
    for match in re.finditer(begin, text, re.MULTILINE):
        stop = re.compile(end, re.MULTILINE).search(text, match.end())
        yield match[1], text[match.end() : stop.start() if stop else len(text)]


def main() -> int:
    """Fetch the package and write the file."""
    with tempfile.TemporaryDirectory() as folder:
        schema = extract(fetch(Path(folder)), used())
    SCHEMA.write_text(text_of(schema), encoding="utf-8")
    print(f"{SCHEMA}: {len(schema['resource'])} resources, {len(schema['data'])} data sources of azurerm {PROVIDER}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
