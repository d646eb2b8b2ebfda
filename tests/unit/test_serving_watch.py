"""A folder of packages becomes what desired.json declares: whole packages only, each model on its own."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_packages import make_package
from modelpackage import package_digest
from running_endpoint import wait_for
from serving import watch as watching
from serving.declare import declare, read_desired
from serving.desired import Declared, Desired, DesiredModel
from serving.policy import Policy
from serving.watch import Wanted, Watch, follow, merge

ELSEWHERE = DesiredModel({"7": Declared("/elsewhere/7", "sha256:0", "int8")}, {"7": 100})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two versions of model one."""
    for version, bias in (("2", 0.0), ("10", 0.5)):
        make_package(tmp_path / "models" / "one" / version, bias)
    return tmp_path / "models"


def versions(watch: Watch) -> dict[str, list[str]]:
    """Return the versions of each model that the folder asks for."""
    return {name: list(model.deployments) for name, model in watch.look().models.items()}


def policy(folder: Path, text: str) -> None:
    """Write a policy.yaml."""
    (folder / "policy.yaml").write_text(text, encoding="utf-8")


def test_the_highest_version_is_asked_for_with_its_digest(folder: Path) -> None:
    model = Watch(folder).look().models["one"]
    package = folder / "one" / "10"
    assert model == DesiredModel({"10": Declared(str(package), package_digest(package), "int8")}, {"10": 100})


def test_what_is_no_version_is_passed_over(folder: Path) -> None:
    make_package(folder / "one" / ".11")
    make_package(folder / "one" / "eleven")
    make_package(folder / ".hidden" / "1")
    (folder / "README.md").write_text("hello", encoding="utf-8")
    (folder / "empty").mkdir()
    assert versions(Watch(folder)) == {"one": ["10"]}


def test_a_package_that_is_still_copied_is_not_taken_up_and_the_others_are(folder: Path, tmp_path: Path) -> None:
    whole, copy = make_package(tmp_path / "whole", 0.9), folder / "one" / "11"
    watch = Watch(folder)
    copy.mkdir()
    names = sorted(path.name for path in whole.iterdir())
    for name in [*(name for name in names if name != "release.json"), "release.json"]:
        assert versions(watch) == {"one": ["10"]}
        (copy / name).write_bytes((whole / name).read_bytes()[:20])
        assert versions(watch) == {"one": ["10"]}, "half a file is no file"
        shutil.copy(whole / name, copy / name)
    assert versions(watch) == {"one": ["11"]}


def test_a_package_whose_release_comes_first_is_taken_up_once_the_rest_is_there(folder: Path, tmp_path: Path) -> None:
    whole, copy = make_package(tmp_path / "whole", 0.9), folder / "one" / "11"
    watch = Watch(folder)
    copy.mkdir()
    shutil.copy(whole / "release.json", copy)
    assert versions(watch) == versions(watch) == {"one": ["10"]}
    shutil.copytree(whole, copy, dirs_exist_ok=True)
    assert versions(watch) == {"one": ["11"]}


def test_a_damaged_package_is_told_once_and_not_read_again_until_it_changes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "one" / "10" / "labels.json").write_text("[]", encoding="utf-8")
    watch = Watch(folder)
    assert versions(watch) == versions(watch) == {"one": ["2"]}
    assert capsys.readouterr().err.count("labels.json") == 1


def test_a_whole_package_counts_until_its_release_goes(folder: Path) -> None:
    watch = Watch(folder)
    assert versions(watch) == {"one": ["10"]}
    (folder / "one" / "10" / "labels.json").unlink()
    assert versions(watch) == {"one": ["10"]}, "it is in memory: nothing is gained by unloading it"
    (folder / "one" / "10" / "release.json").unlink()
    assert versions(watch) == {"one": ["2"]}


def test_each_model_has_its_policy_and_the_folder_s_stands_for_the_others(folder: Path) -> None:
    make_package(folder / "two" / "1")
    policy(folder, "count: 2\n")
    policy(folder / "two", "policy: explicit\n")
    wanted = Watch(folder).look()
    assert (list(wanted.models["one"].deployments), wanted.kept) == (["2", "10"], {"two"})


def test_tags_approve_and_revoke(folder: Path) -> None:
    policy(folder / "one", "policy: approved\nstage: qa\n")
    watch = Watch(folder)
    assert versions(watch) == {}
    tags = folder / "one" / "tags.json"
    tags.write_text(json.dumps({"2": {"qa": "approved"}, "10": {"qa": "approved"}}), encoding="utf-8")
    assert versions(watch) == {"one": ["10"]}
    tags.write_text(json.dumps({"2": {"qa": "approved"}, "10": {"qa": "revoked"}}), encoding="utf-8")
    assert versions(watch) == {"one": ["2"]}


def test_a_model_whose_policy_is_malformed_stays_as_it_is_and_the_others_move(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_package(folder / "two" / "1")
    policy(folder / "one", "policy: latest\n")
    watch = Watch(folder)
    for _ in range(3):
        wanted = watch.look()
    assert (set(wanted.models), wanted.kept) == ({"two"}, {"one"})
    assert capsys.readouterr().err.count("is 'latest'") == 1
    policy(folder / "one", "policy: highest\n")
    assert set(versions(watch)) == {"one", "two"}


def test_a_model_that_cannot_even_be_looked_at_stays_as_it_is_and_the_others_move(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "lost+found").mkdir()  # of a volume, for root alone
    make_package(folder / "two" / "1")
    policy(folder / "two", "[" * 5000)
    own = watching.policy_of

    def policy_of(among: Path, model: str) -> Policy:
        if model == "lost+found":
            raise PermissionError(13, "Permission denied")
        return own(among, model)

    monkeypatch.setattr(watching, "policy_of", policy_of)
    wanted = Watch(folder).look()
    assert (set(wanted.models), wanted.kept) == ({"one"}, {"two", "lost+found"})
    assert "lost+found: PermissionError" in capsys.readouterr().err


def test_a_link_to_nowhere_in_a_package_keeps_no_other_one_from_being_served(folder: Path) -> None:
    damaged = make_package(folder / "one" / "11")
    (damaged / "labels.json").unlink()
    (damaged / "labels.json").symlink_to("/nowhere/labels.json")
    assert versions(Watch(folder)) == {"one": ["10"]}


def test_models_from_elsewhere_and_kept_ones_stay_as_declared_and_those_that_left_the_folder_go() -> None:
    def own(name: str) -> DesiredModel:
        return DesiredModel({"1": Declared(f"/models/{name}/1", "sha256:0", "int8")}, {"1": 100})

    before = {"elsewhere": ELSEWHERE, "kept": own("kept"), "gone": own("gone"), "new": own("old")}
    wanted = Wanted({"new": own("new")}, frozenset({"kept"}))
    after = {"elsewhere": ELSEWHERE, "kept": own("kept"), "new": own("new")}
    assert merge(before, wanted, Path("/models")) == after


@pytest.fixture
def following(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Follow the folder for the length of a test, and return the directory of desired.json."""
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.01)
    directory, stop = tmp_path / "endpoint", threading.Event()
    declare(directory, lambda models: {**models, "elsewhere": ELSEWHERE})
    thread = threading.Thread(target=follow, args=(folder, directory, stop))
    thread.start()
    yield directory
    stop.set()
    thread.join(30)


def declared(directory: Path, model: str) -> list[str]:
    """Return the versions that desired.json declares of a model."""
    return list(read_desired(directory).models.get(model, DesiredModel()).deployments)


def test_a_followed_folder_is_declared_as_it_changes(following: Path, folder: Path, tmp_path: Path) -> None:
    wait_for(lambda: declared(following, "one") == ["10"])
    assert declared(following, "elsewhere") == ["7"]
    make_package(tmp_path / "11", 0.9).rename(folder / "one" / "11")
    wait_for(lambda: declared(following, "one") == ["11"])
    (folder / "one").rename(
        tmp_path / "away"
    )  # at once: while rmtree(3) is at it, the older versions would be declared
    wait_for(lambda: declared(following, "one") == [])
    assert read_desired(following) == Desired(4, {"elsewhere": ELSEWHERE})


def test_following_outlives_a_folder_that_is_gone_and_a_broken_desired_json(
    following: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wait_for(lambda: declared(following, "one") == ["10"])
    content = (following / "desired.json").read_bytes()
    (following / "desired.json").write_text("{", encoding="utf-8")
    folder.rename(folder.with_name("away"))
    said = ""

    def says(words: str) -> bool:
        nonlocal said
        said += capsys.readouterr().err
        return words in said

    wait_for(lambda: says("No such file"))
    folder.with_name("away").rename(folder)
    wait_for(lambda: says("desired.json: it is not JSON"))
    mended = following / "mended"
    mended.write_bytes(content)
    mended.replace(following / "desired.json")
    shutil.rmtree(folder / "one" / "10")
    wait_for(lambda: declared(following, "one") == ["2"])
