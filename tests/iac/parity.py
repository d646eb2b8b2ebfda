"""Whether two deployments are one: the same resources, roles, network, settings, prices and outputs. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from iac.resource import Deployment
from iac.rules import DIAGNOSTICS, LOCK, ROLE, diagnostics, locks, private_endpoints, role_assignments, scoped
from iac.settings import price_of, settings_of
from iac.values import plain

from mlops.infra.change import first_at
from mlops.infra.costs import Prices

# One language has these as resources, the other as parts of what they belong to; or they are compared by what they do.
PARTS = (
    *("virtualnetworks/subnets", "blobservices", "fileservices", "privatednszonegroups", "networkinjections"),
    *("azurerm_nat_gateway_public_ip_association", "azurerm_subnet_nat_gateway_association"),
    *("azapi_update_resource", "maintenanceconfigurations"),
    *(kind.lower() for kind in (ROLE, LOCK, DIAGNOSTICS)),
)
# What of a resource only its deployment knows: each language has another word for it.
ATTRIBUTE = re.compile(r"<(.+)\.\w+>")
# There is one at most, whose name Azure gives, or nobody sees.
NAMELESS = ("roledefinitions", "managementpolicies", "trustedaccessrolebindings", "datacollectionruleassociations")


def differences(one: Deployment, other: Deployment, prices: Prices) -> list[str]:
    """Return what only one of two deployments has, naming the place."""
    sections = (
        ("resource", _resources(one), _resources(other)),
        ("role", _lines(role_assignments(one)), _lines(role_assignments(other))),
        ("private endpoint", _lines(private_endpoints(one)), _lines(private_endpoints(other))),
        ("part of a private link scope", scoped(one), scoped(other)),
        ("lock", _lines(locks(one)), _lines(locks(other))),
        ("diagnostic setting", diagnostics(one), diagnostics(other)),
        ("subnet", _lines(_subnets(one)), _lines(_subnets(other))),
        ("setting", _settings(one), _settings(other)),
        ("price", _lines(price_of(one, prices).items()), _lines(price_of(other, prices).items())),
        ("output", _outputs(one), _outputs(other)),
        ("parameter", _parameters(one), _parameters(other)),
    )
    return [line for what, first, second in sections for line in _apart(what, one, first, other, second)]


def _apart(what: str, one: Deployment, first: list[str], other: Deployment, second: list[str]) -> Iterator[str]:
    for deployment, mine, theirs in ((one, first, second), (other, second, first)):
        for line in sorted((Counter(mine) - Counter(theirs)).elements()):
            yield f"{deployment.language} alone: {what} {line}"


def _resources(deployment: Deployment) -> list[str]:
    found = ((one.kind.lower(), one.name) for one in deployment.resources)
    return [_called(kind, name) for kind, name in found if not kind.endswith(PARTS) and not kind.startswith(PARTS)]


def _called(kind: str, name: str) -> str:
    return kind if kind.endswith(NAMELESS) else f"{kind} {name}"


def _settings(deployment: Deployment) -> list[str]:
    return [
        f"{_called(one.resource.kind.lower(), one.resource.name)}: {name} = {value}"
        for one in settings_of(deployment)
        for name, value in _without_nothing(one.values)
    ]


def _without_nothing(values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        # Where Azure knows no false, leaving it out is how Bicep says so.
        said = bool(value) if name == "purge" else value
        yield name, (ATTRIBUTE.sub(r"<\1>", said) if isinstance(said, str) else said)


def _subnets(deployment: Deployment) -> Iterator[tuple[str, str]]:
    for one in deployment.of("Microsoft.Network/virtualNetworks/subnets"):
        if prefix := first_at(one.attributes, "address_prefixes.0", "properties.addressPrefix"):
            yield one.name, str(prefix)
    for network in deployment.of("Microsoft.Network/virtualNetworks"):
        for subnet in first_at(network.attributes, "properties.subnets") or ():
            yield subnet["name"], subnet["properties"]["addressPrefix"]


def _outputs(deployment: Deployment) -> list[str]:
    return [f"{plain(name)} = {_known(value)}" for name, value in deployment.outputs.items()]


def _known(value: Any) -> str:
    # What a deployment alone knows has other names in each language.
    return "known after deployment" if "<" in str(value) else str(value)


def _parameters(deployment: Deployment) -> list[str]:
    return [f"{plain(name)} = {value}" for name, value in deployment.parameters.items()]


def _lines(rows: Iterable[tuple[Any, ...]]) -> list[str]:
    return [" | ".join(map(str, row)) for row in rows]
