"""Answers Terraform's plugin protocol 5 for both providers. It keeps nothing: what is planned is what is there.

A value that Azure would choose is unknown in a plan, and after an apply a text that names the attribute. It runs in
the test's own process, on a socket in the test's own folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import msgpack

from providerstub.schemas import answer, schema_of, with_id
from providerstub.wire import fields, inner, message

SOURCES = {
    "azurerm": "registry.terraform.io/hashicorp/azurerm",
    "azapi": "registry.terraform.io/azure/azapi",
}
UNKNOWN = msgpack.ExtType(0, b"\0")
GUID = "00000000-0000-4000-8000-000000000000"

State = dict[str, Any]


@contextmanager
def running(folder: Path) -> Iterator[dict[str, str]]:
    """Run both providers; yield the environment by which Terraform finds them."""
    servers = {name: _serve(name, folder / f"{name}.sock") for name in SOURCES}
    for server in servers.values():
        server.start()
    try:
        yield {"TF_REATTACH_PROVIDERS": json.dumps({SOURCES[name]: _place(name, folder) for name in SOURCES})}
    finally:
        for server in servers.values():
            server.stop(None).wait()


def _place(name: str, folder: Path) -> dict[str, Any]:
    address = {"Network": "unix", "String": str(folder / f"{name}.sock")}
    return {"Protocol": "grpc", "ProtocolVersion": 5, "Pid": os.getpid(), "Test": True, "Addr": address}


def _serve(name: str, socket: Path) -> grpc.Server:
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(4), options=options)
    calls = {call: grpc.unary_unary_rpc_method_handler(_handler(name, call)) for call in ANSWERS}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tfplugin5.Provider", calls),))
    server.add_insecure_port(f"unix:{socket}")
    return server


def _handler(provider: str, call: str) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    return lambda request, _: ANSWERS[call](provider, request)


def _schema(provider: str, request: bytes) -> bytes:
    return answer(provider)


def _prepare(provider: str, request: bytes) -> bytes:
    return message((1, inner(fields(request), 1)))


def _nothing(provider: str, request: bytes) -> bytes:
    return b""


def _upgrade(provider: str, request: bytes) -> bytes:
    # A raw state is JSON; Terraform takes it back in that form.
    return message((1, message((2, inner(fields(inner(fields(request), 3)), 1)))))


def _read(provider: str, request: bytes) -> bytes:
    return message((1, inner(fields(request), 2)))


def _plan(provider: str, request: bytes) -> bytes:
    found = fields(request)
    prior, proposed = _value(inner(found, 2)), _value(inner(found, 3))
    if proposed is None:
        return message((1, _dynamic(None)))
    block = _block(provider, "resource", found)
    return message((1, _dynamic(_chosen(block, proposed, prior, UNKNOWN) if prior is None else proposed)))


def _apply(provider: str, request: bytes) -> bytes:
    found = fields(request)
    planned = _value(inner(found, 3))
    if planned is None:
        return message((1, _dynamic(None)))
    name = inner(found, 1).decode()
    attributes = _block(provider, "resource", found)["attributes"]
    settled = {
        key: _settled(value, f"{name}/{key}", attributes.get(key, ("", ""))[0]) for key, value in planned.items()
    }
    return message((1, _dynamic(settled)))


def _data(provider: str, request: bytes) -> bytes:
    found = fields(request)
    config = _value(inner(found, 2))
    block = with_id(schema_of(provider)["data"][inner(found, 1).decode()])
    known = {name: GUID for name, (kind, role) in block["attributes"].items() if role == "computed"}
    return message((1, _dynamic({**config, **known})))


def _block(provider: str, kind: str, found: Any) -> State:
    return with_id(schema_of(provider)[kind][inner(found, 1).decode()])


def _chosen(block: State, state: State, prior: State | None, value: Any) -> State:
    computed = {name for name, (_, role) in block["attributes"].items() if role == "computed"}
    chosen = {name: value if name in computed and one is None else one for name, one in state.items()}
    for name, nested in block["blocks"].items():
        items = state.get(name)
        # The items of a set are told apart by their values, so nothing is chosen within one.
        if isinstance(items, list) and nested["nesting"] == "list":
            chosen[name] = [_chosen(nested, item, None, value) for item in items]
    return chosen


def _settled(value: Any, name: str, kind: Any = "") -> Any:
    if isinstance(value, msgpack.ExtType):
        return _made_up(name, kind)
    if isinstance(value, dict):
        return {key: _settled(one, f"{name}/{key}") for key, one in value.items()}
    return [_settled(one, name) for one in value] if isinstance(value, list) else value


def _made_up(name: str, kind: Any) -> Any:
    text = GUID if name.endswith(("principal_id", "client_id", "tenant_id")) else f"/of/{name}"
    by_kind = {"number": 1, "bool": True, "dynamic": [b'"string"', text]}
    if isinstance(kind, list):
        return {} if kind[0] == "map" else []
    return by_kind.get(kind, text)


def _value(dynamic: bytes) -> Any:
    found = fields(dynamic)
    if 1 in found:
        return msgpack.unpackb(inner(found, 1), raw=False, strict_map_key=False)
    return json.loads(inner(found, 2)) if 2 in found else None


def _dynamic(value: Any) -> bytes:
    return message((1, msgpack.packb(value)))


ANSWERS: dict[str, Callable[[str, bytes], bytes]] = {
    "GetSchema": _schema,
    "PrepareProviderConfig": _prepare,
    "ValidateResourceTypeConfig": _nothing,
    "ValidateDataSourceConfig": _nothing,
    "UpgradeResourceState": _upgrade,
    "Configure": _nothing,
    "ReadResource": _read,
    "PlanResourceChange": _plan,
    "ApplyResourceChange": _apply,
    "ReadDataSource": _data,
    "Stop": _nothing,
}
