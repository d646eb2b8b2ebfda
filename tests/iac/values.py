"""Values that only a deployment knows, and the operators that both languages share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from iac.expressions import Node


class Unresolved(Exception):
    """A name, an attribute or a function that is not there: which, and where."""


class Symbol(str):
    """What a deployment gives a resource, as `<Microsoft.../name.principalid>`. Whatever is asked of it is one, too."""

    def __new__(cls, base: str, attribute: str = "") -> Symbol:
        """Return the attribute of a resource, or of whatever else `base` names."""
        one = super().__new__(cls, f"<{base}{'.' if attribute else ''}{plain(attribute)}>")
        one.base = base
        return one

    base: str

    def of(self, attribute: str) -> Symbol:
        """Return an attribute of this: only the last one of a chain is kept, since languages nest them differently."""
        return Symbol(self.base, attribute)


class Named(Protocol):
    """Something with attributes: a resource, a module, the words `var` and `local`."""

    def get(self, name: str) -> Any:
        """Return an attribute. Raises Unresolved."""


class Table:
    """A name whose attributes are worked out when they are asked for."""

    def __init__(self, what: str, look: Callable[[str], Any]) -> None:
        self.what = what
        self.look = look

    def get(self, name: str) -> Any:
        """Return what is there under a name. Raises Unresolved."""
        try:
            return self.look(name)
        except KeyError:
            raise Unresolved(f"{self.what}.{name} is not declared") from None


Scope = Mapping[str, Any]
Functions = Mapping[str, Callable[..., Any]]


def plain(name: str) -> str:
    """Return a name as both languages would have it: lower case, no underscores."""
    return name.replace("_", "").lower()


class Evaluator:
    """Works out expressions. `functions` are the language's; those that take lambdas get Python's."""

    def __init__(self, functions: Functions, where: str, key_first: bool) -> None:
        self.functions = functions
        self.where = where
        self.key_first = key_first  # Terraform's loops name the key first, Bicep's the index second

    def value(self, node: Node, scope: Scope) -> Any:
        """Return what an expression is. Raises Unresolved, with file and line."""
        try:
            return getattr(self, f"_{node.kind}")(scope, *node.parts)
        except Unresolved as error:
            text = str(error)
            raise Unresolved(text if ":" in text else f"{self.where}:{node.line}: {text}") from None

    def _value(self, scope: Scope, value: Any) -> Any:
        return value

    def _string(self, scope: Scope, *parts: Any) -> Any:
        values = [part if isinstance(part, str) else self.value(part, scope) for part in parts]
        return values[0] if len(values) == 1 and parts else "".join(text_of(value) for value in values)

    def _name(self, scope: Scope, name: str) -> Any:
        if name not in scope:
            raise Unresolved(f"{name} is not declared")
        found = scope[name]
        return found() if isinstance(found, Late) else found

    def _attribute(self, scope: Scope, node: Node, name: str, safe: bool) -> Any:
        return attribute_of(self.value(node, scope), name, safe)

    def _index(self, scope: Scope, node: Node, key: Node, safe: bool) -> Any:
        return attribute_of(self.value(node, scope), self.value(key, scope), safe)

    def _splat(self, scope: Scope, node: Node, names: tuple[str, ...]) -> list[Any]:
        over = self.value(node, scope)
        items = over if isinstance(over, list) else [] if over is None else [over]
        for name in names:
            items = [attribute_of(item, name, False) for item in items]
        return items

    def _call(self, scope: Scope, name: str, arguments: tuple[Node, ...]) -> Any:
        if name in ("try", "can"):
            return self._tried(scope, name, arguments)
        if name not in self.functions:
            raise Unresolved(f"{name}() is no function that is known here")
        return self.functions[name](*(self.value(argument, scope) for argument in arguments))

    def _tried(self, scope: Scope, name: str, arguments: tuple[Node, ...]) -> Any:
        for argument in arguments:
            try:
                found = self.value(argument, scope)
                return True if name == "can" else found
            except (Unresolved, ValueError):
                continue
        return False if name == "can" else None

    def _lambda(self, scope: Scope, names: tuple[str, ...], body: Node) -> Callable[..., Any]:
        return lambda *values: self.value(body, {**scope, **dict(zip(names, values, strict=False))})

    def _unary(self, scope: Scope, operator: str, node: Node) -> Any:
        value = self.value(node, scope)
        return not value if operator == "!" else -value

    def _binary(self, scope: Scope, operator: str, left: Node, right: Node) -> Any:
        first = self.value(left, scope)
        if operator in ("&&", "||"):
            return bool(first) if bool(first) == (operator == "||") else bool(self.value(right, scope))
        if operator == "??":
            return self.value(right, scope) if first is None else first
        return OPERATORS[operator](first, self.value(right, scope))

    def _if(self, scope: Scope, condition: Node, yes: Node, no: Node) -> Any:
        return self.value(yes if self.value(condition, scope) else no, scope)

    def _list(self, scope: Scope, *items: Node) -> list[Any]:
        return [self.value(item, scope) for item in items]

    def _object(self, scope: Scope, *pairs: tuple[Node, Node]) -> dict[str, Any]:
        return {text_of(self.value(key, scope)): self.value(value, scope) for key, value in pairs}

    def _for(self, scope: Scope, names: tuple[str, ...], over: Node, *rest: Any) -> Any:
        key, value, condition = rest
        inner = [{**scope, **bound} for bound in bindings(names, self.value(over, scope), self.key_first)]
        kept = [one for one in inner if condition is None or self.value(condition, one)]
        if key is None:
            return [self.value(value, one) for one in kept]
        return {text_of(self.value(key, one)): self.value(value, one) for one in kept}


class Late:
    """A value that is worked out once, when it is first asked for. Raises Unresolved where it asks for itself."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make
        self.state = "new"
        self.found: Any = None

    def __call__(self) -> Any:
        """Return the value."""
        if self.state == "busy":
            raise Unresolved("a value is made of itself")
        if self.state == "new":
            self.state = "busy"
            try:
                self.found = self.make()
                self.state = "done"
            finally:
                self.state = "new" if self.state == "busy" else self.state
        return self.found


def bindings(names: tuple[str, ...], over: Any, key_first: bool) -> list[dict[str, Any]]:
    """Return what each round of a loop calls its item. Terraform names the key first, Bicep the index second."""
    if isinstance(over, Mapping):
        pairs = list(over.items())
    elif isinstance(over, list | tuple | set | frozenset):
        pairs = list(enumerate(over))
    else:
        raise Unresolved(f"a loop runs over {over!r}")
    if len(names) == 1:
        return [{names[0]: value} for _, value in pairs]
    key, value = names if key_first else reversed(names)
    return [{key: first, value: second} for first, second in pairs]


def attribute_of(value: Any, name: Any, safe: bool = False) -> Any:
    """Return an attribute or an item. Raises Unresolved where there is none, but with `safe`: then None."""
    if isinstance(value, Symbol):
        return value if isinstance(name, int) else value.of(str(name))
    if isinstance(value, Mapping) and (name in value or safe):
        return value.get(name)
    if isinstance(value, list | tuple) and str(name).isdigit():
        if int(name) < len(value):
            return value[int(name)]
    elif hasattr(value, "get") and not isinstance(value, Mapping):
        return value.get(name)
    if safe and value is None:
        return None
    raise Unresolved(f"there is no '{name}' in {str(value)[:60]!r}")


def text_of(value: Any) -> str:
    """Return a value within a string."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "=~": lambda a, b: a.lower() == b.lower(),
    "!~": lambda a, b: a.lower() != b.lower(),
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": lambda a, b: a % b,
}
