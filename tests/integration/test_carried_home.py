"""The local platform's state goes from one new machine to the next, and nobody's work is lost on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from submissions import MODEL, at, first_stage, options, registered

from mlops.carrying import PARTS
from mlops.context import Context
from mlops.errors import BusyError, ConfigError
from mlops.kept import Kept
from mlops.loading import write_text
from mlops.steps import home, package, promote


class Kepts:
    """What a code host knows; `found` is the newest."""

    found: Kept | None = None

    def newest(self, *asked: Any) -> Kept | None:
        return self.found


@pytest.fixture
def kepts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kepts:
    known = Kepts()
    monkeypatch.setattr(Context, "artifacts", lambda context, host: known)
    monkeypatch.setenv("GITHUB_REPOSITORY", "octo/camera")
    monkeypatch.setenv("GITHUB_SHA", "c0ffee")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "outputs"))
    monkeypatch.delenv("TF_BUILD", raising=False)
    return known


def on_a_new_machine(own_platform: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """Begin a job where nothing is but what was packed."""
    monkeypatch.setenv("VISIONLINE_HOME", str(own_platform / "elsewhere"))
    dev = at("dev", own_platform)
    assert home.run(dev, options(home, "--find")) == 0
    assert home.run(dev, options(home, "--unpack", str(file))) == 0
    return at("qa", own_platform)


def test_versions_tags_and_packages_arrive(
    own_platform: Path, kepts: Kepts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dev, file = first_stage(own_platform), tmp_path / "kept" / "home.tar.gz"
    assert home.run(dev, options(home, "--find")) == 0
    registered(dev, tmp_path)
    write_text(dev.stage.home / "steps" / "one" / "large", "x")
    write_text(dev.stage.home / "endpoints" / "dev" / "server.lock", "")
    assert home.run(dev, options(home, "--pack", str(file))) == 0
    kepts.found = Kept("7", "", "70")
    qa = on_a_new_machine(own_platform, file, monkeypatch)
    assert promote.promote(qa).verdict.outcome == "promote"
    assert qa.package(1).is_dir() and list(qa.registry.versions(MODEL)) == [1]
    assert not (qa.stage.home / "steps").exists() and not list(qa.stage.home.rglob("server.lock"))
    assert "run=7\n" in (tmp_path / "outputs").read_text()


def test_a_state_that_another_run_kept_meanwhile_is_not_written_over(
    own_platform: Path, kepts: Kepts, tmp_path: Path
) -> None:
    dev = first_stage(own_platform)
    home.run(dev, options(home, "--find"))
    kepts.found = Kept("8", "", "80")
    with pytest.raises(BusyError, match="run 8 kept another state meanwhile"):
        home.run(dev, options(home, "--pack", str(tmp_path / "home.tar.gz")))


def test_who_fetched_nothing_keeps_nothing(own_platform: Path, kepts: Kepts, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="fetch the state before a job's steps"):
        home.run(first_stage(own_platform), options(home, "--pack", str(tmp_path / "home.tar.gz")))


def test_who_could_not_fetch_what_was_found_keeps_nothing(own_platform: Path, kepts: Kepts, tmp_path: Path) -> None:
    dev, kepts.found = first_stage(own_platform), Kept("7", "", "70")
    home.run(dev, options(home, "--find"))
    with pytest.raises(ConfigError, match="fetch the state before a job's steps"):
        home.run(dev, options(home, "--pack", str(tmp_path / "home.tar.gz")))


def test_what_was_unpacked_is_gone_on_from_and_kept_anew(
    own_platform: Path, kepts: Kepts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dev, file = first_stage(own_platform), tmp_path / "home.tar.gz"
    home.run(dev, options(home, "--find"))
    home.run(dev, options(home, "--pack", str(file)))
    kepts.found = Kept("7", "", "70")
    qa = on_a_new_machine(own_platform, file, monkeypatch)
    assert home.run(qa, options(home, "--pack", str(file))) == 0


def test_a_state_is_unpacked_over_no_other_and_a_damaged_one_not_at_all(
    own_platform: Path, kepts: Kepts, tmp_path: Path
) -> None:
    dev, file = at("dev", own_platform), tmp_path / "home.tar.gz"
    file.write_bytes(b"no archive")
    with pytest.raises(ConfigError, match="is no packed state"):
        home.run(dev, options(home, "--unpack", str(file)))
    assert not [name for name in PARTS if (dev.stage.home / name).exists()]
    write_text(dev.stage.home / "mlflow.db", "")
    with pytest.raises(ConfigError, match="is there already"):
        home.run(dev, options(home, "--unpack", str(file)))


def test_on_azure_devops_the_build_says_by_its_tags_that_it_kept_one(
    own_platform: Path, kepts: Kepts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_BUILD", "True")
    monkeypatch.delenv("GITHUB_OUTPUT")
    said: list[str] = []
    dev = at("dev", own_platform, say=said.append)
    home.run(dev, options(home, "--find"))
    home.run(dev, options(home, "--pack", str(tmp_path / "home.tar.gz")))
    assert "##vso[build.addbuildtag]home" in said and said[-1].startswith("##vso[build.addbuildtag]home-20")


def test_outside_ci_it_says_that_nothing_needs_carrying(own_platform: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_REPOSITORY", "SYSTEM_COLLECTIONURI"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="the state stays where it is"):
        home.run(at("dev", own_platform), options(home, "--find"))


def test_a_stage_that_runs_no_images_has_nothing_to_package(own_platform: Path) -> None:
    said: list[str] = []
    assert package.run(at("qa", own_platform, say=said.append), options(package, "--version", "1")) == 0
    assert said == ["qa: target local runs no images, and images.registry names none: done"]
