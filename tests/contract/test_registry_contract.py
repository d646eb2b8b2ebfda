"""What every registry does, whatever stands behind it. Another adapter joins by a line in REGISTRIES."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from azurefake.stages import azure_stage
from mlops.adapters.azureml import registry as azure_registry
from mlops.adapters.azureml.registry import open_registry
from mlops.adapters.local.registry import LocalRegistry
from mlops.config import REPOSITORY
from mlops.errors import RegistryError
from mlops.ports import Registry
from mlops.records import highest_approved
from modelpackage import open_package, package_digest
from registries import give_database, sealed

MODEL = "fashion-classifier"


def local(home: Path) -> Registry:
    give_database(home)
    return LocalRegistry(home)


def azureml(home: Path) -> Registry:
    return open_registry(azure_stage("dev"))


REGISTRIES: dict[str, Callable[[Path], Registry]] = {"local": local, "azureml": azureml}


@pytest.fixture(params=sorted(REGISTRIES))
def registry(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    if request.param == "azureml":
        request.getfixturevalue("azure")
        monkeypatch.setattr(azure_registry, "SETTLE_SECONDS", 0.0)  # nobody else writes here
    return REGISTRIES[request.param](tmp_path / "home")


def test_an_unknown_model_has_no_versions(registry: Registry) -> None:
    assert registry.versions(MODEL) == {}


def test_versions_count_up_as_integers_and_carry_digest_and_tags(registry: Registry, tmp_path: Path) -> None:
    first = registry.register(MODEL, sealed(tmp_path / "a", "a"), {"data_version": "d"})
    second = registry.register(MODEL, sealed(tmp_path / "b", "b"), {})
    assert (first.version, second.version) == (1, 2)
    assert first.digest == package_digest(tmp_path / "a") == first.tags["digest"]
    assert registry.versions(MODEL) == {1: first, 2: second}
    assert first.tags["data_version"] == "d"


def test_the_same_package_again_gives_the_version_that_it_has(registry: Registry, tmp_path: Path) -> None:
    first = registry.register(MODEL, sealed(tmp_path / "a"), {"from": "once"})
    assert registry.register(MODEL, tmp_path / "a", {"from": "again"}) == first
    assert list(registry.versions(MODEL)) == [1]


def test_the_same_package_under_another_model_is_another_version(registry: Registry, tmp_path: Path) -> None:
    registry.register(MODEL, sealed(tmp_path / "a"), {})
    assert registry.register("other", tmp_path / "a", {}).version == 1
    assert registry.versions("other")[1].model == "other"


def test_version_10_is_higher_than_9(registry: Registry, tmp_path: Path) -> None:
    for number in range(1, 11):
        registry.register(MODEL, sealed(tmp_path / f"{number}", f"{number}"), {})
    for number in (9, 10):
        registry.set_tag(MODEL, number, "qa", "approved")
    versions = registry.versions(MODEL)
    assert list(versions) == list(range(1, 11))
    approved = highest_approved(versions, "qa")
    assert approved is not None and approved.version == 10


def test_a_tag_is_set_and_replaced(registry: Registry, tmp_path: Path) -> None:
    registry.register(MODEL, sealed(tmp_path / "a"), {})
    for value in ("approved", "revoked"):
        registry.set_tag(MODEL, 1, "production", value)
        assert registry.versions(MODEL)[1].tags["production"] == value


def test_a_tag_of_an_unknown_version_is_refused_in_one_line(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="no version 7") as caught:
        registry.set_tag(MODEL, 7, "qa", "approved")
    assert "\n" not in str(caught.value)


def test_a_download_is_the_package_and_may_be_repeated(registry: Registry, tmp_path: Path) -> None:
    version = registry.register(MODEL, sealed(tmp_path / "a"), {})
    for _ in range(2):
        folder = registry.download(MODEL, 1, tmp_path / "fetched" / "1")
        assert folder == tmp_path / "fetched" / "1"
        open_package(folder, version.digest)


def test_a_damaged_download_is_replaced(registry: Registry, tmp_path: Path) -> None:
    version = registry.register(MODEL, sealed(tmp_path / "a"), {})
    folder = registry.download(MODEL, 1, tmp_path / "fetched")
    (folder / "model_int8.onnx").write_text("tampered")
    open_package(registry.download(MODEL, 1, folder), version.digest)


def test_a_download_of_an_unknown_version_is_refused(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="no version 3"):
        registry.download(MODEL, 3, tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


def test_a_damaged_package_is_named_and_never_registered(registry: Registry, tmp_path: Path) -> None:
    package = sealed(tmp_path / "a")
    (package / "model_int8.onnx").write_text("tampered")
    with pytest.raises(RegistryError, match="model_int8.onnx"):
        registry.register(MODEL, package, {})
    assert registry.versions(MODEL) == {}


def test_a_package_without_a_release_is_refused(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(RegistryError, match="not a sealed model package"):
        registry.register(MODEL, tmp_path / "a", {})


def test_local_a_stored_package_that_was_changed_is_never_handed_out(tmp_path: Path) -> None:
    registry = local(tmp_path / "home")
    version = registry.register(MODEL, sealed(tmp_path / "a"), {})
    stored = tmp_path / "home" / "models" / MODEL / version.digest.removeprefix("sha256:")
    (stored / "labels.json").write_text('["b", "a"]')
    with pytest.raises(RegistryError, match="labels.json"):
        registry.download(MODEL, 1, tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()
    registry.register(MODEL, tmp_path / "a", {})
    open_package(registry.download(MODEL, 1, tmp_path / "fetched"), version.digest)


REGISTER = """
import sys
from pathlib import Path
from mlops.adapters.local.registry import LocalRegistry
print(LocalRegistry(Path(sys.argv[1])).register("m", Path(sys.argv[2]), {}).version)
"""


def test_local_processes_that_start_the_registry_at_once_all_get_their_version(tmp_path: Path) -> None:
    home, env = tmp_path / "fresh", {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'src'}", "PATH": "/usr/bin:/bin"}
    packages = [sealed(tmp_path / name, name) for name in ("a", "b")]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", REGISTER, str(home), str(package)],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for package in packages
    ]
    ended = [process.communicate(timeout=120) for process in started]
    assert sorted(out.strip() for out, _ in ended) == ["1", "2"], ended
    assert [err for _, err in ended] == ["", ""], "MLflow's chatter is kept to itself"


def test_a_tag_is_removed_and_removing_it_again_is_no_error(registry: Registry, tmp_path: Path) -> None:
    registry.register(MODEL, sealed(tmp_path / "a"), {"kept": "yes"})
    registry.set_tag(MODEL, 1, "qa", "approved")
    for _ in range(2):
        registry.remove_tag(MODEL, 1, "qa")
    assert {"qa", "kept"} & registry.versions(MODEL)[1].tags.keys() == {"kept"}


def test_an_archived_version_is_hidden_and_its_number_is_not_given_again(registry: Registry, tmp_path: Path) -> None:
    for number in (1, 2):
        registry.register(MODEL, sealed(tmp_path / f"{number}", f"{number}"), {})
    registry.archive(MODEL, 2)
    assert list(registry.versions(MODEL)) == [1]
    assert registry.register(MODEL, sealed(tmp_path / "3", "3"), {}).version == 3


@pytest.mark.parametrize("change", ["remove_tag", "archive"])
def test_an_unknown_version_is_neither_changed_nor_archived(registry: Registry, change: str) -> None:
    arguments = (MODEL, 7, "qa") if change == "remove_tag" else (MODEL, 7)
    with pytest.raises(RegistryError, match="has no version 7"):
        getattr(registry, change)(*arguments)


def test_copied_to_itself_nothing_happens(registry: Registry, tmp_path: Path) -> None:
    first = registry.register(MODEL, sealed(tmp_path / "a"), {})
    registry.copy_to(MODEL, 1, registry)
    assert registry.versions(MODEL) == {1: first}
