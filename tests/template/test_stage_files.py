"""Stage files: each loads, each key has a documented dataclass and a line in README, and an unknown key is refused.

What a project has in mlops/stages is looked at here, and by `mlops lint`; all other tests go on with tests/stages.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from frozen_stages import FROZEN, based
from sources import ROOT

from mlops import config
from mlops.config import STAGES_FOLDER, Stage, load_stage
from mlops.errors import ConfigError
from mlops.names import STAGES
from mlops.preflight import stagefile

TABLE_KEY = re.compile(r"^\| `([a-z0-9_.*]+)` \|", re.MULTILINE)


def keys_of(cls: type, prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of a dataclass, as a stage file spells them; * stands for a name of the user's choice."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        yield from _keys(hints[field.name], f"{prefix}{field.name}")


def documented_keys(readme: str) -> set[str]:
    """Return the keys that README's table of stage files names."""
    section = readme.partition("## Stage files")[2].partition("\n## ")[0]
    return set(TABLE_KEY.findall(section))


def undocumented_classes(module: object) -> list[str]:
    """Return the dataclasses of a module that have no docstring of their own."""
    classes = [value for value in vars(module).values() if isinstance(value, type) and dataclasses.is_dataclass(value)]
    return [cls.__name__ for cls in classes if not cls.__doc__ or cls.__doc__.startswith(f"{cls.__name__}(")]


def _keys(hint: object, name: str) -> Iterator[str]:
    arguments = typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        yield from keys_of(typing.cast(type, hint), f"{name}.")
    elif typing.get_origin(hint) is dict:
        yield from _keys(arguments[1], f"{name}.*")
    else:
        yield name


def _own_stages(folder: Path) -> Path:
    return Path(shutil.copytree(FROZEN, folder / "stages"))


def _change(path: Path, dotted: str, value: object) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    *parents, last = dotted.split(".")
    inner = content
    for parent in parents:
        inner = inner.setdefault(parent, {})
    inner[last] = value
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_file_loads(name: str) -> None:
    assert load_stage(name, STAGES_FOLDER).name == name


WAYS = sorted(path for path in (ROOT / "docs/ways").iterdir() if path.is_dir())


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@pytest.mark.parametrize("name", STAGES)
def test_a_stage_file_to_copy_is_complete(way: Path, name: str, tmp_path: Path) -> None:
    stage = load_stage(name, Path(shutil.copytree(way, based(tmp_path), dirs_exist_ok=True)))
    assert [line.text for line in stagefile.lines(stage) if line.state != "ok"] == []
    assert stagefile.uses_azure(stage) is (way.name != "without-azure-ml")


def test_there_is_a_file_for_each_stage_and_no_other() -> None:
    assert {path.stem for path in STAGES_FOLDER.iterdir()} == {"base", *STAGES}


def test_gates_never_loosen_from_stage_to_stage() -> None:
    floors = [load_stage(name, STAGES_FOLDER).gates.min_accuracy for name in STAGES]
    assert floors == sorted(floors)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_a_small_delta(name: str) -> None:
    base = yaml.safe_load((STAGES_FOLDER / "base.yaml").read_text(encoding="utf-8"))
    delta = yaml.safe_load((STAGES_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    assert set(delta) <= set(base) and len(str(delta)) < len(str(base)) / 2


def test_each_key_is_documented_where_it_is_read() -> None:
    assert undocumented_classes(config) == []


def test_readme_names_each_key_and_no_other() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert documented_keys(readme) == set(keys_of(Stage)) - {"name"}


@pytest.mark.parametrize("key", ["colour", "gates.colour", "gates.max_regression.colour", "gates.parity.int8.colour"])
@pytest.mark.parametrize("file", ["base.yaml", "qa.yaml"])
def test_an_unknown_key_is_refused_with_file_and_key(tmp_path: Path, file: str, key: str) -> None:
    folder = _own_stages(tmp_path)
    _change(folder / file, key, 1)
    with pytest.raises(ConfigError, match=r"qa\.yaml.*'colour'"):
        load_stage("qa", folder)


@pytest.mark.parametrize("key", ["model", "gates.min_accuracy", "gates.max_regression.per_class", "release.variant"])
def test_a_missing_key_is_refused_with_its_name(tmp_path: Path, key: str) -> None:
    folder = _own_stages(tmp_path)
    for name in ("base.yaml", "dev.yaml"):
        content = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
        *parents, last = key.split(".")
        inner = content
        for parent in parents:
            inner = inner.get(parent, {})
        inner.pop(last, None)
        (folder / name).write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"dev\.yaml.*{key.split('.')[-1]} is missing"):
        load_stage("dev", folder)


@pytest.mark.parametrize("key, value", [("gates.min_accuracy", "high"), ("release.traffic_steps", 100), ("data", None)])
def test_a_value_of_another_type_is_refused(tmp_path: Path, key: str, value: object) -> None:
    folder = _own_stages(tmp_path)
    _change(folder / "dev.yaml", key, value)
    with pytest.raises(ConfigError, match=rf"dev\.yaml.*{key.split('.')[-1]}.*should be"):
        load_stage("dev", folder)


def test_an_undocumented_key_and_an_invented_one_are_found() -> None:
    readme = "## Stage files\n\n| key | meaning |\n|---|---|\n| `model` | name |\n| `colour` | red |\n\n## Next\n"
    assert documented_keys(readme) == {"model", "colour"} != set(keys_of(Stage)) - {"name"}


def test_an_undocumented_dataclass_is_found() -> None:
    @dataclasses.dataclass
    class Bare:
        key: int

    assert undocumented_classes(type("module", (), {"Bare": Bare})) == ["Bare"]
