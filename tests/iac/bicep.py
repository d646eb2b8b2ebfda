"""Works out what a Bicep file deploys for the values of a bicepparam file: resources and outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from iac import functions
from iac.files import Declaration, read_bicep
from iac.resource import Deployment, Resource, short_id
from iac.values import Evaluator, Late, Scope, Symbol, Unresolved, attribute_of, bindings


class Template:
    """One deployment of a Bicep file: its parameters are given, everything else is worked out when somebody asks."""

    def __init__(self, path: Path, given: Mapping[str, Any], group: Callable[[], str]) -> None:
        self.path = path
        self.group = group
        self.statements = read_bicep(path.read_text(encoding="utf-8"), str(path))
        self.evaluator = Evaluator(functions.bicep(path.parent, group), str(path), False)
        unknown = sorted(set(given) - {one.name for one in self.of("param")})
        if unknown:
            raise Unresolved(f"{path}: no parameter '{unknown[0]}' is declared")
        self.scope = {one.name: self._late(one, given) for one in self.statements if one.kind not in ("output", "type")}

    @property
    def target(self) -> str:
        """Return where resources go that don't say: the subscription where the file says so, else the group."""
        is_whole = any(one.kind == "targetScope" for one in self.statements)
        return "/subscriptions/<subscription>" if is_whole else f"Microsoft.Resources/resourceGroups/{self.group()}"

    def of(self, kind: str) -> Iterator[Declaration]:
        """Yield the statements of a kind."""
        return (one for one in self.statements if one.kind == kind)

    def resources(self) -> Iterator[Resource]:
        """Yield all resources that are made, those of modules after this file's own. Raises Unresolved."""
        for one in self.of("resource"):
            if not one.existing:
                yield from (instance.resource() for instance in _listed(self.scope[one.name]()))
        for one in self.of("module"):
            for called in _listed(self.scope[one.name]()):
                yield from called.template().resources()

    def outputs(self) -> dict[str, Any]:
        """Return all outputs. Raises Unresolved."""
        return {one.name: self.output(one.name) for one in self.of("output")}

    def output(self, name: str) -> Any:
        """Return one output. Raises KeyError where there is none."""
        node = {one.name: one.value for one in self.of("output")}[name]
        assert node is not None
        return self.evaluator.value(node, self.scope)

    def _late(self, one: Declaration, given: Mapping[str, Any]) -> Late:
        if one.kind == "param":
            return self._parameter(one, given)
        if one.kind in ("resource", "module"):
            return Late(lambda: self._repeated(one))
        node = one.value
        assert node is not None
        return Late(lambda: self.evaluator.value(node, self.scope))

    def _parameter(self, one: Declaration, given: Mapping[str, Any]) -> Late:
        if one.name in given:
            value = given[one.name]
            return value if isinstance(value, Late) else Late(lambda: value)
        default = one.value
        if default is not None:
            return Late(lambda: self.evaluator.value(default, self.scope))
        if one.detail.endswith("?"):
            return Late(lambda: None)
        raise Unresolved(f"{self.path}: parameter '{one.name}' is given no value")

    def _repeated(self, one: Declaration) -> Any:
        make = Instance if one.kind == "resource" else Called
        if one.loop is None:
            found = make(self, one, self.scope)
            return found if self._wanted(one, self.scope) else None
        names, over = one.loop
        rounds = [{**self.scope, **bound} for bound in bindings(names, self.evaluator.value(over, self.scope), False)]
        return [make(self, one, scope) for scope in rounds if self._wanted(one, scope)]

    def _wanted(self, one: Declaration, scope: Scope) -> bool:
        return one.condition is None or bool(self.evaluator.value(one.condition, scope))


class Instance:
    """One instance of a resource statement."""

    def __init__(self, template: Template, one: Declaration, scope: Scope) -> None:
        self.template = template
        self.one = one
        self.scope = scope
        self.kind = one.detail.partition("@")[0]

    def get(self, name: str) -> Any:
        """Return id or name, or what only a deployment knows."""
        if name == "id":
            return self.id
        if name == "name":
            return self._value("name")
        return Symbol(self.id, name)

    @property
    def id(self) -> str:
        """Return what of Azure's id can be known."""
        name = str(self._value("name"))
        if self._node("parent") is not None:
            return f"{self._value('parent').id}/{self.kind.rpartition('/')[2]}/{name}"
        namespace, *kinds = self.kind.split("/")
        names = name.split("/")
        if len(kinds) == len(names):
            return "/".join([namespace, *(f"{kind}/{one}" for kind, one in zip(kinds, names, strict=True))])
        return f"{self.kind}/{name}"

    def resource(self) -> Resource:
        """Return the resource with all that it holds. Raises Unresolved."""
        assert self.one.value is not None
        pairs = {"".join(map(str, key.parts)): node for key, node in self.one.value.parts}
        values = {name: self._value(name) for name in pairs if name != "dependsOn"}
        for name in ("parent", "scope"):
            if name in values:
                values[name] = short_id(attribute_of(values[name], "id"))
        values.setdefault("scope", self.template.target)
        declared = f"{self.template.path.name}/{self.one.name}"
        return Resource(self.kind, str(self._value("name")), self.id, values, declared)

    def _node(self, name: str) -> Any:
        assert self.one.value is not None
        return next((node for key, node in self.one.value.parts if key.parts == (name,)), None)

    def _value(self, name: str) -> Any:
        return self.template.evaluator.value(self._node(name), self.scope)


class Called:
    """A called module; `outputs` are its outputs."""

    def __init__(self, template: Template, one: Declaration, scope: Scope) -> None:
        self.caller = template
        self.one = one
        self.scope = scope
        self._made = Late(self._make)

    def template(self) -> Template:
        """Return the module's own file, deployed."""
        found: Template = self._made()
        return found

    def get(self, name: str) -> Any:
        """Return the module's outputs, or its name. Raises Unresolved."""
        if name == "name":
            return Symbol("deployment", self.one.name)
        if name != "outputs":
            raise Unresolved(f"a module has no '{name}'")
        return Outputs(self)

    def _make(self) -> Template:
        parts = {key.parts[0]: node for key, node in self.one.value.parts} if self.one.value else {}
        pairs = parts["params"].parts if "params" in parts else ()
        value = self.caller.evaluator.value
        given = {"".join(key.parts): Late(lambda one=node: value(one, self.scope)) for key, node in pairs}

        def group() -> str:
            scope = value(parts["scope"], self.scope) if "scope" in parts else None
            return str(attribute_of(scope, "name")) if scope is not None else self.caller.group()

        return Template((self.caller.path.parent / self.one.detail).resolve(), given, group)


class Outputs:
    """The outputs of a called module."""

    def __init__(self, called: Called) -> None:
        self.called = called

    def get(self, name: str) -> Any:
        """Return one. Raises Unresolved."""
        try:
            return self.called.template().output(name)
        except KeyError:
            raise Unresolved(f"{self.called.one.detail} has no output '{name}'") from None


def deploy(values: Path) -> Deployment:
    """Return what a bicepparam file deploys. Raises Unresolved, Unreadable."""
    statements = read_bicep(values.read_text(encoding="utf-8"), str(values))
    evaluator = Evaluator(functions.bicep(values.parent, lambda: "<group>"), str(values), False)
    template = next(one.value for one in statements if one.kind == "using")
    given = {one.name: evaluator.value(one.value, {}) for one in statements if one.kind == "param" and one.value}
    assert template is not None
    found = Template(values.parent / evaluator.value(template, {}), given, lambda: "<group>")
    parameters = {one.name: found.scope[one.name]() for one in found.of("param")}
    return Deployment("bicep", tuple(found.resources()), found.outputs(), parameters)


def _listed(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [] if found is None else [found]
