"""The stages of infra/ in both languages, as tests have them: the repository's, or a copy with one thing changed.

A project that keeps one language has deleted the other's folder: what asks for that one is skipped.
"""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import pytest
from iac import bicep, terraform
from iac.resource import Deployment

from mlops.infra.costs import Prices
from mlops.loading import build, read_mapping

INFRA = Path(__file__).resolve().parent.parent / "infra"
PARTS = ("bicep", "terraform", "*.yaml", "monitoring")
LANGUAGES = ("terraform", "bicep")
KEPT = [language for language in LANGUAGES if (INFRA / language).exists()]


@cache
def prices() -> Prices:
    """Return the repository's price file."""
    return build(Prices, read_mapping(INFRA / "prices.yaml", "restore it"), "prices.yaml")


def needs(*languages: str) -> None:
    """Skip the test that calls this where one of the languages was deleted."""
    for language in languages:
        if language not in KEPT:
            pytest.skip(f"infra/{language} was deleted: nothing to compare")


def copied(folder: Path) -> Path:
    """Return a copy of what both languages read, to change something in it."""
    for pattern in PARTS:
        for path in INFRA.glob(pattern):
            if path.is_dir():
                shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns(".terraform*"))
            else:
                shutil.copy(path, folder / path.name)
    return folder


def change(folder: Path, name: str, old: str, new: str) -> None:
    """Replace a text wherever it stands in a file of the copy. Raises AssertionError where it stands nowhere."""
    needs(*(language for language in LANGUAGES if name.startswith(f"{language}/")))
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{name}: does not say {old!r} any more: change this test"
    path.write_text(text.replace(old, new), encoding="utf-8")


def deployed(language: str, stage: str, infra: Path = INFRA) -> Deployment:
    """Return what a stage deploys. Of the repository's own files the answer is kept."""
    needs(language)
    return _kept(language, stage) if infra == INFRA else _deployed(language, stage, infra)


@cache
def _kept(language: str, stage: str) -> Deployment:
    return _deployed(language, stage, INFRA)


def _deployed(language: str, stage: str, infra: Path) -> Deployment:
    if language == "bicep":
        return bicep.deploy(infra / "bicep" / f"{stage}.bicepparam")
    return terraform.deploy(infra / "terraform" / "stage", infra / "terraform" / "stage" / f"{stage}.tfvars")
