"""Works out what a Terraform folder deploys for the values of a tfvars file: resources and outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from iac import functions
from iac.files import Block, read_assignments, terraform_folder
from iac.resource import Deployment, Resource, short_id
from iac.values import Evaluator, Late, Scope, Symbol, Table, Unresolved, attribute_of, bindings

from mlops.infra.kinds import azure_kind

META = ("count", "for_each", "provider", "depends_on", "lifecycle", "provisioner", "timeouts")
# Which attribute names the resource that another one is part of.
PARENTS = ("parent_id", "storage_account_id", "kubernetes_cluster_id", "machine_learning_workspace_id", "parent")
CLIENT = {"subscription_id": "<subscription>", "tenant_id": Symbol("tenant"), "object_id": Symbol("deployer")}


class Module:
    """One call of a module: its variables are given, everything else is worked out when somebody asks."""

    def __init__(self, folder: Path, given: Mapping[str, Any], path: str = "") -> None:
        self.folder = folder
        self.path = path
        self.blocks = terraform_folder(folder)
        self.evaluator = Evaluator(functions.terraform(folder), str(folder), True)
        self.given = {
            name: Late(lambda one=value: one() if isinstance(one, Late) else one) for name, value in given.items()
        }
        self.scope = self._scope()

    def resources(self) -> Iterator[Resource]:
        """Yield all resources, those of called modules after this module's own. Raises Unresolved."""
        for block in self._of("resource"):
            for instance in _listed(self.scope[block.labels[0]].get(block.labels[1])):
                yield instance.resource()
        for block in self._of("module"):
            for inner in _listed(self._module(block.labels[0])):
                yield from inner.module.resources()

    def outputs(self) -> dict[str, Any]:
        """Return all outputs. Raises Unresolved."""
        return {block.labels[0]: self.output(block.labels[0]) for block in self._of("output")}

    def output(self, name: str) -> Any:
        """Return one output. Raises KeyError where there is none."""
        blocks = {block.labels[0]: block for block in self._of("output")}
        return self.evaluator.value(blocks[name].attributes["value"], self.scope)

    def _of(self, kind: str) -> Iterator[Block]:
        return (block for block in self.blocks if block.kind == kind)

    def _scope(self) -> dict[str, Any]:
        variables = {block.labels[0]: self._variable(block) for block in self._of("variable")}
        unknown = sorted(set(self.given) - set(variables))
        if unknown:
            raise Unresolved(f"{self.folder}: no variable '{unknown[0]}' is declared")
        nodes = {name: node for block in self._of("locals") for name, node in block.attributes.items()}
        values = {name: Late(lambda one=node: self.evaluator.value(one, self.scope)) for name, node in nodes.items()}
        types: dict[str, dict[str, Late]] = {}
        for block in self._of("resource"):
            kind, label = block.labels
            types.setdefault(kind, {})[label] = Late(lambda one=block: self._instances(one))
        modules = {block.labels[0]: Late(lambda one=block: self._called(one)) for block in self._of("module")}
        self._module = lambda name: modules[name]()
        return {
            "var": Table("var", lambda name: variables[name]()),
            "local": Table("local", lambda name: values[name]()),
            "module": Table("module", lambda name: modules[name]()),
            "data": self._data(),
            "path": {"module": str(self.folder), "root": str(self.folder)},
            **{kind: Table(kind, lambda name, one=labels: one[name]()) for kind, labels in types.items()},
        }

    def _variable(self, block: Block) -> Late:
        name = block.labels[0]
        if name in self.given:
            return self.given[name]
        if "default" not in block.attributes:
            raise Unresolved(f"{self.folder}: variable '{name}' is given no value")
        return Late(lambda: self.evaluator.value(block.attributes["default"], {}))

    def _data(self) -> Table:
        declared = {block.labels: block for block in self._of("data")}

        def look(kind: str) -> Table:
            def inner(label: str) -> Any:
                if (kind, label) not in declared:
                    raise KeyError(label)
                return CLIENT if kind == "azurerm_client_config" else self._known(declared[kind, label])

            return Table(f"data.{kind}", inner)

        return Table("data", look)

    def _known(self, block: Block) -> Symbol:
        """Return what another deployment made, by its kind and name."""
        name = self.evaluator.value(block.attributes["name"], self.scope)
        return Symbol(f"{azure_kind(block.labels[0], {})}/{name}")

    def _called(self, block: Block) -> Any:
        source = self.evaluator.value(block.attributes["source"], {})
        arguments = {
            name: node for name, node in block.attributes.items() if name not in (*META, "source", "providers")
        }

        def call(each: Scope) -> Called:
            scope = {**self.scope, **each}
            values = {name: Late(lambda one=node: self.evaluator.value(one, scope)) for name, node in arguments.items()}
            return Called(Module((self.folder / source).resolve(), values, f"{self.path}module.{block.labels[0]}."))

        return self._repeated(block, call)

    def _instances(self, block: Block) -> Any:
        return self._repeated(block, lambda each: Instance(self, block, {**self.scope, **each}))

    def _repeated(self, block: Block, make: Any) -> Any:
        if "count" in block.attributes:
            count = self.evaluator.value(block.attributes["count"], self.scope)
            return [make({"count": {"index": index}}) for index in range(int(count))]
        if "for_each" in block.attributes:
            over = self.evaluator.value(block.attributes["for_each"], self.scope)
            pairs = over.items() if isinstance(over, Mapping) else [(item, item) for item in over]
            return {key: make({"each": {"key": key, "value": value}}) for key, value in pairs}
        return make({})


class Called:
    """A called module, whose attributes are its outputs."""

    def __init__(self, module: Module) -> None:
        self.module = module

    def get(self, name: str) -> Any:
        """Return an output. Raises Unresolved."""
        try:
            return self.module.output(name)
        except KeyError:
            raise Unresolved(f"{self.module.folder} has no output '{name}'") from None


class Instance:
    """One instance of a resource block."""

    def __init__(self, module: Module, block: Block, scope: Scope) -> None:
        self.module = module
        self.block = block
        self.scope = scope

    def get(self, name: str) -> Any:
        """Return an argument as it is given, or what only a deployment knows."""
        if name == "id":
            return self.id
        if name in self.block.attributes:
            return self._value(name)
        return Symbol(self.id, name)

    @property
    def kind(self) -> str:
        """Return Azure's name of the kind."""
        state = {"type": self._value("type")} if "type" in self.block.attributes else {}
        return azure_kind(self.block.labels[0], state)

    @property
    def id(self) -> str:
        """Return what of Azure's id can be known."""
        namespace, *kinds = self.kind.split("/")
        name = self._value("name") if "name" in self.block.attributes else self.block.labels[1]
        parent = next((self._value(key) for key in PARENTS if key in self.block.attributes), None)
        if "virtual_network_name" in self.block.attributes:
            parent = f"{namespace}/virtualNetworks/{self._value('virtual_network_name')}"
        if len(kinds) > 1 and parent is not None:
            return f"{short_id(parent)}/{'/'.join(kinds[1:])}/{name}"
        return f"{self.kind}/{name}"

    def resource(self) -> Resource:
        """Return the resource with all its arguments. Raises Unresolved."""
        attributes = dict(self._filled(self.block, self.scope))
        if self.block.labels[0].startswith("azapi_"):
            attributes = {**attributes, **(attributes.pop("body", None) or {})}
        declared = f"{self.module.folder.name}/{'.'.join(self.block.labels)}"
        return Resource(self.kind, str(self.id.rpartition("/")[2]), self.id, attributes, declared)

    def _value(self, name: str) -> Any:
        return self.module.evaluator.value(self.block.attributes[name], self.scope)

    def _filled(self, block: Block, scope: Scope) -> Iterator[tuple[str, Any]]:
        for name, node in block.attributes.items():
            if name not in META:
                yield name, self.module.evaluator.value(node, scope)
        inner: dict[str, list[Any]] = {}
        for one in block.blocks:
            if one.kind == "dynamic":
                inner.setdefault(one.labels[0], []).extend(self._dynamic(one, scope))
            elif one.kind not in META:
                inner.setdefault(one.kind, []).append(dict(self._filled(one, scope)))
        yield from inner.items()

    def _dynamic(self, block: Block, scope: Scope) -> Iterator[dict[str, Any]]:
        over = self.module.evaluator.value(block.attributes["for_each"], scope)
        (content,) = block.of("content")
        for bound in bindings(("key", "value"), over, True):
            yield dict(self._filled(content, {**scope, block.labels[0]: bound}))


def deploy(folder: Path, values: Path) -> Deployment:
    """Return what a folder deploys with a tfvars file. Raises Unresolved, Unreadable."""
    given = read_assignments(values.read_text(encoding="utf-8"), str(values))
    evaluator = Evaluator({}, str(values), True)
    module = Module(folder.resolve(), {name: evaluator.value(node, {}) for name, node in given.items()})
    parameters = {
        block.labels[0]: attribute_of(module.scope["var"], block.labels[0]) for block in module._of("variable")
    }
    return Deployment("terraform", tuple(module.resources()), module.outputs(), parameters)


def _listed(found: Any) -> list[Any]:
    return list(found.values()) if isinstance(found, dict) else found if isinstance(found, list) else [found]
