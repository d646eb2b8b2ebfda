"""Names of resources: each within what Azure allows, for the longest name, stage and suffix; another is refused."""

from __future__ import annotations

import re

import pytest

from mlops.names import RESOURCE_NAMES, SHARED_NAMES, STAGES, resource_name, shared_name

# learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules, Azure ML's and Grafana's own pages.
ALLOWED = {
    "resource_group": r"[\w.()-]{1,90}(?<!\.)",
    "network": r"[a-zA-Z0-9][\w.-]{0,62}\w",
    "ci": r"[a-zA-Z0-9][\w-]{2,127}",
    "jobs": r"[a-zA-Z0-9][\w-]{2,127}",
    "serving": r"[a-zA-Z0-9][\w-]{2,127}",
    "infra": r"[a-zA-Z0-9][\w-]{2,127}",
    "operations": r"[a-zA-Z0-9][\w-]{2,127}",
    "plan": r"[a-zA-Z0-9][\w-]{2,127}",
    "logs": r"[a-zA-Z0-9][a-zA-Z0-9-]{2,61}[a-zA-Z0-9]",
    "monitor_scope": r"[\w.()-]{1,255}(?<!\.)",
    "insights": r"[\w.()-]{1,260}(?<!\.)",
    "storage": r"[a-z0-9]{3,24}",
    "captures": r"[a-z0-9]{3,24}",
    "key_vault": r"[a-zA-Z](?!.*--)[a-zA-Z0-9-]{1,22}[a-zA-Z0-9]",
    "images": r"[a-zA-Z0-9]{5,50}",
    "workspace": r"[a-zA-Z0-9][\w-]{2,32}",
    "online_endpoint": r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]",
    "batch_endpoint": r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]",
    "kubernetes": r"[a-zA-Z0-9][\w-]{0,61}[a-zA-Z0-9]",
    "namespace": r"[a-z][a-z0-9-]{0,61}[a-z0-9]",
    "sandbox": r"[a-z][a-z0-9-]{0,30}[a-z0-9]",
    "sandbox_environment": r"[a-z][a-z0-9-]{0,58}[a-z0-9]",
    "budget": r"[\w-]{1,63}",
}
ALLOWED_SHARED = {
    "resource_group": r"[\w.()-]{1,90}(?<!\.)",
    "registry": r"[a-zA-Z0-9][\w-]{2,32}",
    "images": r"[a-zA-Z0-9]{5,50}",
    "metrics": r"[a-zA-Z0-9][a-zA-Z0-9-]{2,61}[a-zA-Z0-9]",
    "logs": r"[a-zA-Z0-9][a-zA-Z0-9-]{2,61}[a-zA-Z0-9]",
    "dashboards": r"[a-zA-Z][a-zA-Z0-9-]{0,21}[a-zA-Z0-9]",
}


@pytest.mark.parametrize("name, suffix", [("abc", "a1b"), ("abcdefghijkl", "a1b2c")])
@pytest.mark.parametrize("kind", SHARED_NAMES)
def test_each_shared_name_is_one_that_azure_allows(kind: str, name: str, suffix: str) -> None:
    assert re.fullmatch(ALLOWED_SHARED[kind], shared_name(kind, name, suffix))


@pytest.mark.parametrize("name, suffix", [("abc", "a1b"), ("abcdefghijkl", "a1b2c")])
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("kind", RESOURCE_NAMES)
def test_each_name_is_one_that_azure_allows(kind: str, stage: str, name: str, suffix: str) -> None:
    assert re.fullmatch(ALLOWED[kind], resource_name(kind, name, stage, suffix))


def test_names_of_stages_differ_where_stages_own_them() -> None:
    own = [kind for kind, pattern in RESOURCE_NAMES.items() if "{stage}" in pattern or "{short}" in pattern]
    assert len({resource_name(kind, "vision", stage, "a1b") for kind in own for stage in STAGES}) == 3 * len(own)


@pytest.mark.parametrize("name, suffix", [("ab", "a1b"), ("a" * 13, "a1b"), ("Vision", "a1b"), ("1abc", "a1b")])
def test_a_name_that_azure_would_refuse_somewhere_is_refused(name: str, suffix: str) -> None:
    with pytest.raises(ValueError, match="lower-case"):
        resource_name("storage", name, "dev", suffix)


@pytest.mark.parametrize("suffix", ["a1", "a1b2c3", "A1B", "a-b"])
def test_a_suffix_that_does_not_fit_is_refused(suffix: str) -> None:
    with pytest.raises(ValueError, match="lower-case"):
        resource_name("key_vault", "vision", "dev", suffix)
