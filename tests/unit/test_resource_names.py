"""Names of Azure resources keep Azure's limits for the longest and the shortest parts that are allowed."""

from __future__ import annotations

import re

import pytest

from mlops.names import SHARED_RESOURCES, STAGE_RESOURCES, STAGES, shared_resources, stage_resources

HYPHENS = r"[a-z](?!.*--)[a-z0-9-]{%d,%d}[a-z0-9]"
# learn.microsoft.com, "Naming rules and restrictions for Azure resources"; for endpoints "Manage and increase quotas".
LIMITS = {
    "resource_group": HYPHENS % (0, 88),
    "network": HYPHENS % (0, 62),
    "ci": HYPHENS % (1, 126),
    "jobs": HYPHENS % (1, 126),
    "serving": HYPHENS % (1, 126),
    "logs": HYPHENS % (2, 61),
    "insights": HYPHENS % (0, 258),
    "storage": "[a-z0-9]{3,24}",
    "captures": "[a-z0-9]{3,24}",
    "key_vault": HYPHENS % (1, 22),
    "images": "[a-z0-9]{5,50}",
    "workspace": HYPHENS % (1, 31),
    "online_endpoint": HYPHENS % (1, 30),
    "batch_endpoint": HYPHENS % (1, 30),
    "kubernetes": HYPHENS % (0, 61),
    "namespace": HYPHENS % (0, 61),
    "sandbox": HYPHENS % (0, 30),
    "sandbox_environment": HYPHENS % (0, 58),
    "budget": HYPHENS % (0, 61),
    "registry": HYPHENS % (1, 30),
    "metrics": HYPHENS % (2, 42),
    "dashboards": HYPHENS % (0, 21),
}
LONGEST, SHORTEST = ("a" * 12, "z" * 5), ("a00", "000")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("parts", [LONGEST, SHORTEST])
def test_names_of_a_stage_keep_azures_limits(stage: str, parts: tuple[str, str]) -> None:
    name, suffix = parts
    for key, value in stage_resources(name, stage, suffix).items():
        assert re.fullmatch(LIMITS[key], value), f"{key}: {value} ({len(value)} characters)"


@pytest.mark.parametrize("parts", [LONGEST, SHORTEST])
def test_shared_names_keep_azures_limits(parts: tuple[str, str]) -> None:
    for key, value in shared_resources(*parts).items():
        assert re.fullmatch(LIMITS[key], value), f"{key}: {value} ({len(value)} characters)"


def test_stages_never_share_a_name() -> None:
    every = [value for stage in STAGES for value in stage_resources("vision", stage, "x1y").values()]
    every += shared_resources("vision", "x1y").values()
    assert len(set(every)) == len(every) == len(STAGES) * len(STAGE_RESOURCES) + len(SHARED_RESOURCES)


def test_names_that_are_unique_in_all_of_azure_end_in_the_suffix() -> None:
    names = stage_resources("vision", "qa", "x1y")
    for key in ("storage", "captures", "key_vault", "images", "online_endpoint", "batch_endpoint"):
        assert names[key].endswith("x1y")


@pytest.mark.parametrize("name", ["", "ab", "Vision", "1vision", "vis-ion", "a" * 13])
def test_a_project_name_that_breaks_a_limit_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="3 to 12 lower-case letters and digits"):
        stage_resources(name, "dev", "x1y")


@pytest.mark.parametrize("suffix", ["", "ab", "abcdef", "A1b", "a-b"])
def test_a_suffix_that_breaks_a_limit_is_refused(suffix: str) -> None:
    with pytest.raises(ValueError, match="3 to 5 lower-case letters and digits"):
        shared_resources("vision", suffix)


def test_an_unknown_stage_has_no_names() -> None:
    with pytest.raises(ValueError, match="staging"):
        stage_resources("vision", "staging", "x1y")
