"""`mlops cost`: plans of both languages become the same kind of comment, the worst first, priced and held to a cap."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mlops.cli import main
from mlops.errors import ConfigError
from mlops.infra.change import CREATE, DELETE, KEEP, REPLACE, UPDATE, Change
from mlops.infra.costs import ByUse, Machine, Prices, estimate
from mlops.infra.dangers import dangers
from mlops.infra.plans import read_plan
from mlops.loading import build, read_mapping
from mlops.steps.cost import PRICES

PLANS = Path(__file__).resolve().parent.parent / "plans"
SMALL = Prices(
    *("2026-01-01", "EUR", "westeurope", "a test", 0.5),
    machines={"Standard_D2s_v5": Machine(100.0, 20.0)},
    skus={"Microsoft.ContainerRegistry/registries": {"Premium": 50.0}},
    by_use={"Microsoft.Storage/storageAccounts": ByUse(5.0, "200 GB")},
    free=("Microsoft.Resources/resourceGroups",),
)
CLUSTER = "Microsoft.MachineLearningServices/workspaces/computes"


def cost(*arguments: object) -> tuple[int, str]:
    """Run the step; return its exit code and what it said."""
    said: list[str] = []
    return main(["cost", *map(str, arguments)], said.append), "\n".join(said)


def create(kind: str, **after: Any) -> Change:
    """Return a creation of one resource."""
    return Change(CREATE, kind, "it", {}, after)


def test_the_repositorys_prices_load() -> None:
    prices = build(Prices, read_mapping(PRICES, ""), str(PRICES))
    assert prices.currency and prices.date and prices.machines
    assert all(0 <= one.low_priority <= one.regular for one in prices.machines.values())


def test_a_terraform_plan_is_told_the_worst_first() -> None:
    code, text = cost("--plan", PLANS / "terraform.json")
    assert code == 0
    assert text.startswith("## Infrastructure: 1 to delete, 1 to replace, 2 to change, 4 to create")
    looks = text.partition("### Look at these first")[2].partition("###")[0].strip().splitlines()
    assert [line.partition(": ")[2] for line in looks] == [
        "deleted and made anew, with its frames, data sets and models",
        "deleted",
        "is reached from the internet",
        "gives Owner: with it one can do almost anything",
        "gives AcrPull",
    ]


def test_a_what_if_is_told_the_worst_first() -> None:
    code, text = cost("--plan", PLANS / "what-if.json", "--language", "bicep")
    assert code == 0
    assert text.startswith("## Infrastructure: 1 to delete, 1 to change, 3 to create, 1 unclear")
    looks = text.partition("### Look at these first")[2].partition("###")[0]
    assert looks.index("with its images") < looks.index("reached from the internet") < looks.index("gives AcrPull")
    assert "can't be told before it is deployed: The resource is an extension" in looks
    assert "by-hand" not in text and "`properties.publicNetworkAccess`" in text and "creationTime" not in text


def test_a_comment_says_date_currency_and_region_of_its_prices() -> None:
    prices = build(Prices, read_mapping(PRICES, ""), str(PRICES))
    for name in ("terraform.json", "what-if.json"):
        _, text = cost("--plan", PLANS / name)
        assert f"Prices of {prices.region}, {prices.date}" in text and f" {prices.currency} a month**" in text


@pytest.mark.parametrize("name", ["terraform.json", "what-if.json"])
def test_a_month_over_the_cap_is_a_reject(name: str) -> None:
    code, text = cost("--plan", PLANS / name, "--cap", 100)
    assert code == 2
    assert "over the cap of 100" in text


@pytest.mark.parametrize("name", ["terraform.json", "what-if.json"])
def test_a_month_within_the_cap_passes(name: str) -> None:
    assert cost("--plan", PLANS / name, "--cap", 100_000)[0] == 0


def test_a_teams_setting_is_the_cap_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISIONLINE_CAP", "100")
    code, text = cost("--plan", PLANS / "terraform.json")
    assert code == 2 and "over the cap of 100" in text
    assert cost("--plan", PLANS / "terraform.json", "--cap", 100_000)[0] == 0


def test_a_setting_that_is_no_amount_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VISIONLINE_CAP", "much")
    assert cost("--plan", PLANS / "terraform.json")[0] == 1
    assert "VISIONLINE_CAP: 'much' is no amount" in capsys.readouterr().err


def test_a_price_that_is_not_there_is_said_and_no_cap_passes_without_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = json.loads((PLANS / "terraform.json").read_text(encoding="utf-8"))
    cluster = next(one for one in plan["resource_changes"] if one["type"].endswith("compute_cluster"))
    cluster["change"]["after"]["vm_size"] = "Standard_Rocket"
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan), encoding="utf-8")
    code, text = cost("--plan", path)
    assert code == 0 and "Standard_Rocket has no price" in text and "Not in that sum" in text
    code, text = cost("--plan", path, "--cap", 100_000)
    assert code == 1 and "can't be told" in text
    assert "Standard_Rocket has no price: add it" in capsys.readouterr().err


@pytest.mark.parametrize("code", ["NestedDeploymentShortCircuited", "NestedDeploymentSkippedFromInternalExpansion"])
@pytest.mark.parametrize("is_inner", [False, True], ids=["as az has it", "as the service has it"])
def test_what_a_what_if_has_not_looked_into_is_said_and_no_cap_passes_without_it(
    code: str, is_inner: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = diagnosed(tmp_path, code, is_inner)
    ended, text = cost("--plan", path)
    assert ended == 0 and "2 unclear" in text
    said = f"what-if has not looked into it ({code})"
    assert f"- `Microsoft.Resources/deployments/vault`: can't be told before it is deployed: {said}" in text
    assert f"- `Microsoft.Resources/deployments/vault`: {said}" in text.partition("Not in that sum")[2]
    ended, text = cost("--plan", path, "--cap", 100_000)
    assert ended == 1 and "can't be told" in text
    (line,) = capsys.readouterr().err.splitlines()
    assert f"deployments/vault: {said}, so --cap can't be judged: give it parameters" in line


def test_what_a_what_if_says_may_happen_is_said_and_priced(tmp_path: Path) -> None:
    plan = json.loads((PLANS / "what-if.json").read_text(encoding="utf-8"))
    created = next(one for one in plan["changes"] if one["resourceId"].endswith("/cpu-cluster"))
    plan["changes"].remove(created)
    unnamed = {"resourceId": None, "symbolicName": "attach", "changeType": "Create", "after": None}
    plan["potentialChanges"] = [created, unnamed]
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan), encoding="utf-8")
    _, before = cost("--plan", PLANS / "what-if.json")
    ended, text = cost("--plan", path)
    assert ended == 0 and "2 to create, 3 unclear" in text
    assert "can't be told before it is deployed: what-if says Create, and only perhaps" in text
    assert sums(text) == sums(before) and "- `attach`: what-if says Create" in text.partition("Not in that sum")[2]
    assert cost("--plan", path, "--cap", 100_000)[0] == 1


def sums(text: str) -> str:
    """Return what a comment says that a month costs."""
    return text.partition("About **")[2].partition("**")[0]


def test_what_else_a_what_if_warns_of_hides_no_cost(tmp_path: Path) -> None:
    ended, text = cost("--plan", diagnosed(tmp_path, "ReservedName", False), "--cap", 100_000)
    assert ended == 0 and "1 unclear" in text


def diagnosed(folder: Path, code: str, is_inner: bool) -> Path:
    """Write a what-if with a diagnostic of a nested deployment, in `properties` where it is inner; return its path."""
    plan = json.loads((PLANS / "what-if.json").read_text(encoding="utf-8"))
    group = plan["changes"][0]["resourceId"].partition("/providers/")[0]
    target = f"{group}/providers/Microsoft.Resources/deployments/vault"
    told = {"additionalInfo": None, "code": code, "level": "Warning", "message": "It was left out.", "target": target}
    plan["diagnostics"] = [told]
    path = folder / "plan.json"
    path.write_text(json.dumps({"status": "Succeeded", "properties": plan} if is_inner else plan), encoding="utf-8")
    return path


def test_the_comment_can_be_a_file(tmp_path: Path) -> None:
    code, said = cost("--plan", PLANS / "terraform.json", "--out", tmp_path / "comment.md")
    assert code == 0 and said.startswith(f"{tmp_path / 'comment.md'}: written; ")
    assert (tmp_path / "comment.md").read_text(encoding="utf-8").startswith("## Infrastructure")


def test_a_comment_is_shown_on_the_page_of_a_pipelines_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    assert cost("--plan", PLANS / "terraform.json", "--out", tmp_path / "comment.md", "--show")[0] == 0
    assert (tmp_path / "summary.md").read_text("utf-8") == (tmp_path / "comment.md").read_text("utf-8")


@pytest.mark.parametrize("name, other", [("terraform.json", "bicep"), ("what-if.json", "terraform")])
def test_a_plan_of_the_other_language_is_refused(name: str, other: str) -> None:
    with pytest.raises(ConfigError, match=f"no plan of {other}"):
        read_plan(PLANS / name, other)


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{}", '{"resource_changes": [{}]}', '{"changes": [{}]}', '{"resource_changes": null}'),
        '{"resource_changes": [], "errored": true}',
        '{"changes": null, "error": {"code": "InvalidTemplate", "message": "no\\nresource"}}',
    ],
)
def test_what_is_no_whole_plan_is_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"plan\.json: [^\n]*$"):
        read_plan(path)


def test_values_of_attributes_are_never_shown() -> None:
    _, text = cost("--plan", PLANS / "terraform.json")
    assert "northeurope" not in text and "`location`" in text


def test_a_name_cannot_break_the_table_or_call_somebody(tmp_path: Path) -> None:
    plan = json.loads((PLANS / "terraform.json").read_text(encoding="utf-8"))
    plan["resource_changes"][0]["address"] = "a`|\n# @team <img>"
    plan["resource_changes"][0]["change"]["actions"] = ["delete"]
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan), encoding="utf-8")
    _, text = cost("--plan", path)
    assert "`a\\| # @\u200bteam &lt;img>`" in text


def test_nodes_above_the_minimum_cost_their_share_of_the_month() -> None:
    of_terraform = create(
        CLUSTER, vm_size="Standard_D2s_v5", vm_priority="LowPriority", scale_settings=[_nodes("node_count")]
    )
    inner = {"vmSize": "STANDARD_D2S_V5", "vmPriority": "LowPriority", "scaleSettings": _nodes("NodeCount")}
    of_bicep = create(CLUSTER, properties={"computeType": "AmlCompute", "properties": inner})
    for one in (of_terraform, of_bicep):
        costs = estimate([one], SMALL)
        assert (costs.price, costs.most, costs.unknown) == (20 * (1 + 0.5 * 2), 60, ())


def _nodes(name: str) -> dict[str, int]:
    joint = "_" if name.islower() else ""
    return {f"min{joint}{name}": 1, f"max{joint}{name}": 3}


@pytest.mark.parametrize("sku", ["Premium", {"name": "Premium"}, {"name": "premium", "tier": "Premium"}])
def test_a_sku_is_found_in_either_language(sku: object) -> None:
    costs = estimate([create("Microsoft.ContainerRegistry/registries", sku=sku)], SMALL)
    assert (costs.price, costs.unknown) == (50, ())


def test_what_goes_is_priced_before_and_not_after() -> None:
    gone = Change(DELETE, "Microsoft.ContainerRegistry/registries", "it", {"sku": "Premium"}, {})
    costs = estimate([gone], SMALL)
    assert (costs.price, costs.before) == (0, 50)


@pytest.mark.parametrize(
    "change, says",
    [
        (create("Microsoft.ContainerRegistry/registries", sku="Rocket"), "SKU Rocket of"),
        (create("Microsoft.Rocket/engines"), "Microsoft.Rocket/engines has no price"),
        (create(CLUSTER, vm_priority="Dedicated"), "known after deployment only"),
    ],
)
def test_what_has_no_price_is_said_not_guessed(change: Change, says: str) -> None:
    costs = estimate([change], SMALL)
    assert [cost.price for cost in costs.costs] == [None] and says in costs.costs[0].note


@pytest.mark.parametrize(
    "before, after, words",
    [
        ({"public_network_access_enabled": False}, {"public_network_access_enabled": True}, "from the internet"),
        ({"admin_enabled": False}, {"admin_enabled": True}, "admin user"),
        ({"properties": {"allowSharedKeyAccess": False}}, {"properties": {"allowSharedKeyAccess": True}}, "a key"),
        ({"properties": {}}, {"properties": {"anonymousPullEnabled": True}}, "anybody pull"),
        ({"network_rules": []}, {"network_rules": [{"default_action": "Allow"}]}, "every network"),
        ({}, {"network_rule_set": [{"default_action": "Allow"}]}, "every network"),
        ({}, {"properties": {"networkRuleSet": {"defaultAction": "Allow"}}}, "every network"),
    ],
)
@pytest.mark.parametrize("action", [UPDATE, REPLACE])
def test_a_door_that_opens_is_seen(before: dict[str, Any], after: dict[str, Any], words: str, action: str) -> None:
    found = dangers([Change(action, "Microsoft.App/containerApps", "it", before, after)])
    assert any(words in danger.words for danger in found)
    assert not any(words in one.words for one in dangers([Change(action, "x", "it", after, after)]))


TRUST = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"
ROLE = "Microsoft.Authorization/roleDefinitions"
# Before and after of what says who may act as an identity, or what a role may do, in each language's words.
RIGHTS = [
    (TRUST, {"issuer": "i", "subject": "ours"}, {"issuer": "i", "subject": "stranger"}, "trusts `stranger` of `i`"),
    (TRUST, {"issuer": "i", "subject": "ours"}, {"issuer": "j", "subject": "ours"}, "trusts `ours` of `j`"),
    (TRUST, {"issuer": "i", "subject": "ours"}, {"issuer": "i"}, "trusts `what is not known yet` of `i`"),
    (ROLE, {"permissions": [{"actions": ["a/read"]}]}, {"permissions": [{"actions": ["a/*/x", "*"]}]}, "`a/*/x, *`"),
    (ROLE, {"permissions": []}, {"permissions": [{"actions": ["a"]}, {"data_actions": ["b"]}]}, "may do `a, b`"),
    (
        ROLE,
        {"permissions": [{"actions": ["*"], "not_actions": ["a", "b"]}]},
        {"permissions": [{"actions": ["*"], "not_actions": ["b"]}]},
        "may do `*`, and not `b`",
    ),
]


@pytest.mark.parametrize("kind, before, after, words", RIGHTS)
@pytest.mark.parametrize("is_azures", [False, True], ids=["terraform", "bicep"])
def test_a_right_that_moves_or_widens_is_seen(
    kind: str, before: dict[str, Any], after: dict[str, Any], words: str, is_azures: bool
) -> None:
    states = [as_azure_says(state) if is_azures else state for state in (before, after)]
    for action, first in ((UPDATE, states[0]), (REPLACE, states[0]), (CREATE, {})):
        found = dangers([Change(action, kind, "it", first, states[1])])
        assert any(words in one.words for one in found)
    assert dangers([Change(UPDATE, kind, "it", states[1], {**states[1], "description": "another"})]) == []
    assert dangers([Change(KEEP, kind, "it", *states)]) == []


def as_azure_says(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state in Azure's words: in camelCase, in `properties`."""
    text = re.sub("_(.)", lambda found: found[1].upper(), json.dumps(state))
    return {"properties": json.loads(text)}


def test_a_door_that_closes_is_no_danger() -> None:
    closing = Change(UPDATE, "x", "it", {"admin_enabled": True}, {"admin_enabled": False})
    assert dangers([closing]) == []


def unmarked(text: str) -> list[str]:
    """Return the lines with a price that don't say what they were compared with."""
    priced = [line for line in text.splitlines() if re.search(r"\{.*\d", line) and not line.lstrip().startswith("#")]
    return [line for line in priced if not line.endswith(("  # tables", "  # list"))]


def test_each_price_says_what_it_was_compared_with() -> None:
    text = PRICES.read_text(encoding="utf-8")
    assert unmarked(text) == [] and all(word in text for word in ("`tables`", "`list`"))
    assert len(unmarked(text.replace("  # tables", ""))) > 10
