"""What README says of the edge runtime's image is what was measured, on the base that it was measured on."""

from __future__ import annotations

import json
import re

from sources import ROOT

README = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
MEASURED = json.loads((ROOT / "docs/benchmarks/images.json").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "environments/serve/Dockerfile").read_text(encoding="utf-8")


def megabytes(number: int) -> str:
    return f"{number / 1e6:.2g} MB" if number < 1e6 else f"{number / 1e6:.0f} MB"


def test_the_image_s_figures_are_those_that_were_measured() -> None:
    base, packages, _, code = MEASURED["layers"]
    assert f"{megabytes(packages)} to pull of it are ONNX Runtime" in README and f"{megabytes(code)} the code" in README
    assert f"({megabytes(base)}, {megabytes(MEASURED['bytes']['two images']['first'])} in all)" in README


def test_a_base_that_was_not_measured_is_said_to_be_none_that_was() -> None:
    default = re.search(r"^ARG BASE=docker.io/library/(\S+)$", DOCKERFILE, re.MULTILINE)
    assert default is not None
    was_measured = MEASURED["facts"]["bases"]["BASE"].endswith(default[1])
    assert (f"the default, `{default[1]}`, holds more, and was not measured" in README) != was_measured
    assert "debian-python3-minimal:bookworm" in MEASURED["facts"]["bases"]["BASE"]
