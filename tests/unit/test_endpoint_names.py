"""A stage's endpoint has a name that Azure ML takes, and that no other model's has."""

from __future__ import annotations

import pytest

from mlops.names import STAGES, endpoint_name, is_endpoint_name

LONG = "detector-of-scratches-on-painted-panels"


def test_a_name_that_fits_stays_readable() -> None:
    assert endpoint_name("scratches", "qa", "batch") == "scratches-qa-batch"


@pytest.mark.parametrize("kind", ["", "batch"])
@pytest.mark.parametrize("stage", STAGES)
def test_long_models_that_begin_alike_get_names_of_their_own(stage: str, kind: str) -> None:
    names = {endpoint_name(LONG[:cut], stage, kind) for cut in range(1, len(LONG) + 1)}
    assert len(names) == len(LONG)
    assert {is_endpoint_name(name) for name in names if len(name) > 2} == {True}
    assert {name.endswith(stage + (f"-{kind}" if kind else "")) for name in names} == {True}
