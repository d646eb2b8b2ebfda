"""What planned resources cost a month, by a price file. What the file doesn't know is said, never guessed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlops.infra.change import DELETE, DEPLOYMENT, UNCLEAR, Change, State, first_at

COMPUTES = "microsoft.machinelearningservices/workspaces/computes"
CLUSTER = "microsoft.containerservice/managedclusters"
POOL = "microsoft.containerservice/managedclusters/agentpools"
# Where a kind says its SKU: Azure's property, else Terraform's attribute.
SKUS = {
    "microsoft.containerregistry/registries": ("sku.name", "sku"),
    CLUSTER: ("sku.tier", "sku_tier"),
    # A managed network costs what the firewall costs that Azure puts into it.
    "microsoft.machinelearningservices/workspaces": (
        "properties.managedNetwork.firewallSku",
        "properties.managedNetwork.isolationMode",
        "managed_network.0.isolation_mode",
    ),
    "microsoft.dashboard/grafana": ("sku.name", "sku"),
    "microsoft.network/publicipaddresses": ("sku.name", "sku"),
    "microsoft.network/natgateways": ("sku.name", "sku_name"),
}
EACH = "each"  # the price of a kind that has no SKU, or where the plan says none


@dataclass(frozen=True)
class Machine:
    """A virtual machine's price a month, running all the time, regular and as low priority or spot."""

    regular: float
    low_priority: float


@dataclass(frozen=True)
class ByUse:
    """What a kind that is billed by use is taken to cost a month, and for how much use."""

    price: float
    assuming: str


@dataclass(frozen=True)
class Prices:
    """A price file: prices a month in `currency`, of `region`, as of `date`.

    `busy_share` is the share of a month that nodes above a cluster's minimum are taken to run. `skus` are by kind.
    """

    date: str
    currency: str
    region: str
    source: str
    busy_share: float
    machines: dict[str, Machine]
    skus: dict[str, dict[str, float]]
    by_use: dict[str, ByUse]
    free: tuple[str, ...]


@dataclass(frozen=True)
class Cost:
    """A resource's price a month: expected, and with all its nodes running. None: unknown, and `note` says why.

    `is_seen` is false of what the plan does not show, which no price in the file would make known.
    """

    place: str
    price: float | None
    most: float
    note: str = ""
    is_seen: bool = True


@dataclass(frozen=True)
class Estimate:
    """All costs after the plan, what they sum up to, and what the same resources cost before it."""

    costs: tuple[Cost, ...]
    price: float
    most: float
    before: float

    @property
    def unknown(self) -> tuple[Cost, ...]:
        """Return the resources whose price the file doesn't know, and what the plan doesn't show."""
        return tuple(cost for cost in self.costs if cost.price is None)


def estimate(changes: Iterable[Change], prices: Prices) -> Estimate:
    """Return what is there after the plan, priced."""
    listed = list(changes)
    costs = tuple(cost for one in listed if one.action != DELETE for cost in _costs(one, one.after, prices))
    before = [cost for one in listed if one.before for cost in _costs(one, one.before, prices)]
    return Estimate(costs, _sum(costs), sum(cost.most for cost in costs), _sum(before))


def _sum(costs: Iterable[Cost]) -> float:
    return sum(cost.price or 0.0 for cost in costs)


def _costs(change: Change, state: State, prices: Prices) -> Iterator[Cost]:
    kind = change.kind.lower()
    if kind == DEPLOYMENT.lower() and change.action == UNCLEAR:
        yield Cost(change.place, None, 0.0, change.cause, is_seen=False)
    elif kind in SKUS or _of_kind(prices.skus, kind) is not None:
        yield _by_sku(change, state, prices)
    elif kind in (use := {name.lower(): one for name, one in prices.by_use.items()}):
        yield Cost(change.place, use[kind].price, use[kind].price, f"by use: {use[kind].assuming}")
    elif kind != COMPUTES and kind != POOL and kind not in {name.lower() for name in prices.free}:
        yield Cost(change.place, None, 0.0, f"{change.kind} has no price")
    yield from (_of_pool(change.place, pool, prices) for pool in _pools(kind, state))


def _by_sku(change: Change, state: State, prices: Prices) -> Cost:
    by_sku = _of_kind(prices.skus, change.kind.lower()) or {}
    sku = str(first_at(state, *SKUS.get(change.kind.lower(), ())) or EACH)
    price = next((price for name, price in by_sku.items() if name.lower() == sku.lower()), None)
    if price is None:
        return Cost(change.place, None, 0.0, f"SKU {sku} of {change.kind} has no price")
    return Cost(change.place, price, price, "" if sku == EACH else sku)


def _of_kind(table: Mapping[str, dict[str, float]], kind: str) -> dict[str, float] | None:
    return next((value for name, value in table.items() if name.lower() == kind), None)


def _pools(kind: str, state: State) -> list[Any]:
    if kind == POOL:
        return [state.get("properties", state)]
    if kind == CLUSTER:
        return list(first_at(state, "default_node_pool", "properties.agentPoolProfiles") or ())
    if kind == COMPUTES and first_at(state, "properties.computeType") in (None, "AmlCompute"):
        inner = first_at(state, "properties.properties") or state
        scale = first_at(inner, "scale_settings.0", "scaleSettings") or {}
        return [{**inner, **scale}]
    return []


def _of_pool(place: str, pool: State, prices: Prices) -> Cost:
    size = first_at(pool, "vm_size", "vmSize")
    machine = next((one for name, one in prices.machines.items() if name.lower() == str(size).lower()), None)
    low = first_at(pool, "vm_priority", "vmPriority", "priority", "scaleSetPriority") in ("LowPriority", "Spot")
    least = first_at(pool, "min_node_count", "minNodeCount", "min_count", "minCount", "node_count", "count")
    most = first_at(pool, "max_node_count", "maxNodeCount", "max_count", "maxCount", "node_count", "count")
    if machine is None or least is None or most is None:
        said = f"{size} has no price" if size and machine is None else "size and nodes are known after deployment only"
        return Cost(place, None, 0.0, said)
    each = machine.low_priority if low else machine.regular
    nodes = int(least) + (int(most) - int(least)) * prices.busy_share
    words = f"{least} to {most} x {size}{', low priority' if low else ''}"
    return Cost(place, nodes * each, int(most) * each, words)
