"""Images on disk: a package has one digest whatever its files' times and permissions; what is in them is read."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from registries import sealed

from mlops.adapters.images.cyclonedx import open_inventory
from mlops.errors import ConfigError
from mlops.images import Subject, digest_of, is_plain, repository_of
from mlops.oci import (
    blobs_of,
    drop_notes,
    files_in,
    layers_of,
    layout_digest,
    pulled_bytes,
    write_document,
    write_image,
)
from mlops.recipes import base_images, recipe_key, runtime_recipe
from modelpackage import digest_bytes

BOTH = ("amd64", "arm64")
SUBJECT = Subject("fashion-classifier", "7", "sha256:" + "0" * 64)
BASES = {"BASE": "python@sha256:0", "BUILDER": "python@sha256:1"}


def written(package: Path, layout: Path) -> str:
    return write_image(package, BOTH, {"title": "a model"}, layout)


def test_the_same_package_has_one_digest_whatever_its_times_and_permissions(tmp_path: Path) -> None:
    one, two = sealed(tmp_path / "one"), sealed(tmp_path / "two")
    for path in two.iterdir():
        os.utime(path, (1, 1))
        path.chmod(0o600)
    (two / ".hidden").write_text("a file of the system's")
    assert written(one, tmp_path / "a") == written(two, tmp_path / "b") == layout_digest(tmp_path / "a")
    assert written(sealed(tmp_path / "three", "other weights"), tmp_path / "c") != layout_digest(tmp_path / "a")


def test_the_image_holds_the_packages_files_at_its_root_for_each_architecture_once(tmp_path: Path) -> None:
    package, layout = sealed(tmp_path / "one"), tmp_path / "layout"
    (package / "more").mkdir()
    (package / "more" / "note.txt").write_text("deeper")
    read = blobs_of(layout)
    index = json.loads(read(written(package, layout)))
    assert [one["platform"]["architecture"] for one in index["manifests"]] == list(BOTH)
    layers = {json.loads(read(one["digest"]))["layers"][0]["digest"] for one in index["manifests"]}
    assert len(layers) == 1
    found = dict(files_in(layout, lambda name: True))
    assert found == {path.relative_to(package).as_posix(): path.read_bytes() for path in package.rglob("*.*")}
    with tarfile.open(fileobj=io.BytesIO(read(layers.pop()))) as tar:
        assert {(one.mode, one.uid, one.mtime) for one in tar if one.isfile()} == {(0o644, 0, 0)}


def test_the_digests_and_sizes_in_a_layout_are_those_of_its_blobs(tmp_path: Path) -> None:
    digest = written(sealed(tmp_path / "one"), tmp_path / "layout")
    read = blobs_of(tmp_path / "layout")
    for path in (tmp_path / "layout" / "blobs" / "sha256").iterdir():
        assert digest_bytes(path.read_bytes()) == f"sha256:{path.name}"
    (layer,) = layers_of(read(digest), read)
    total = sum(path.stat().st_size for path in (tmp_path / "layout" / "blobs" / "sha256").iterdir())
    assert layer["size"] < pulled_bytes(read(digest), read) < total  # one architecture of two


def test_a_layout_of_several_images_and_a_layer_of_zstd_are_refused(tmp_path: Path) -> None:
    written(sealed(tmp_path / "one"), tmp_path / "layout")
    index = json.loads((tmp_path / "layout/index.json").read_text())
    index["manifests"] *= 2
    (tmp_path / "layout/index.json").write_text(json.dumps(index))
    with pytest.raises(ConfigError, match="holds 2 images"):
        layout_digest(tmp_path / "layout")
    write_document(b"zstd", "application/vnd.oci.image.layer.v1.tar+zstd", tmp_path / "zstd")
    with pytest.raises(ConfigError, match="compressed by zstd"):
        list(files_in(tmp_path / "zstd", lambda name: True))


def test_what_a_builder_notes_of_itself_changes_no_digest(tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "two"):
        layout = tmp_path / name
        index = json.loads(blobs_of(layout)(written(sealed(tmp_path / f"package-{name}"), layout)))
        for one in index["manifests"]:
            annotate(layout, one, name)
        put(layout, index)
        noted = layout_digest(layout)
        digests.add(drop_notes(layout))
        assert noted not in digests and layout_digest(layout) in digests
        assert dict(files_in(layout, lambda file: file == "labels.json"))
    assert len(digests) == 1


def annotate(layout: Path, described: dict[str, object], base: str) -> None:
    manifest = json.loads(blobs_of(layout)(str(described["digest"])))
    manifest["annotations"] = {"org.opencontainers.image.base.digest": base}
    config = json.loads(blobs_of(layout)(manifest["config"]["digest"]))
    config["history"] = [{"created_by": "COPY dir in /app", "comment": f"FROM {base}"}]
    manifest["config"]["digest"] = digest_bytes(json.dumps(config).encode())
    (layout / "blobs" / manifest["config"]["digest"].replace(":", "/")).write_text(json.dumps(config))
    content = json.dumps(manifest).encode()
    described.update(digest=digest_bytes(content), size=len(content))
    (layout / "blobs" / digest_bytes(content).replace(":", "/")).write_bytes(content)


def put(layout: Path, index: dict[str, object]) -> None:
    content = json.dumps(index).encode()
    (layout / "blobs" / digest_bytes(content).replace(":", "/")).write_bytes(content)
    (layout / "index.json").write_text(json.dumps({"manifests": [{"digest": digest_bytes(content)}]}))


def test_layers_of_gzip_are_read_too(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    write_document(gzip.compress(layer({"a": b"1"})), "application/vnd.oci.image.layer.v1.tar+gzip", layout)
    assert dict(files_in(layout, lambda name: name == "a")) == {"a": b"1"}


def layer(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def test_pythons_and_the_systems_packages_are_listed_from_the_layers(tmp_path: Path) -> None:
    files = {
        "app/site/PyYAML-6.0.3.dist-info/METADATA": b"Name: PyYAML\nVersion: 6.0.3\nLicense-Expression: MIT\n\n",
        "var/lib/dpkg/status.d/libc6": b"Package: libc6\nVersion: 2.36-9+deb12u14\n",
        "var/lib/dpkg/status": b"Package: bash\nStatus: deinstall ok config-files\nVersion: 5\n\nnothing",
        "app/serving/METADATA": b"Name: no package\nVersion: 1\n",
    }
    write_document(layer(files), "application/vnd.oci.image.layer.v1.tar", tmp_path / "layout")
    text = open_inventory().runtime(tmp_path / "layout", SUBJECT)
    assert [one["purl"] for one in json.loads(text)["components"]] == [
        *("pkg:deb/debian/libc6@2.36-9%2Bdeb12u14", "pkg:pypi/pyyaml@6.0.3"),
    ]
    assert text == open_inventory().runtime(tmp_path / "layout", SUBJECT)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_a_models_list_names_each_file_by_the_digest_of_the_release(tmp_path: Path) -> None:
    package = sealed(tmp_path / "one")
    content = json.loads(open_inventory().model(package, SUBJECT))
    files = json.loads((package / "release.json").read_text())["files"]
    told = {one["name"]: f"sha256:{one['hashes'][0]['content']}" for one in content["components"]}
    assert told == files
    properties = {one["name"]: one["value"] for one in content["metadata"]["component"]["properties"]}
    assert properties["visionline:git_commit"] == "commit" and properties["visionline:data_version"] == "data"
    assert properties["visionline:variant.int8"] == "model_int8.onnx"


def test_the_runtimes_key_is_of_the_code_the_packages_the_base_and_the_architectures(tmp_path: Path) -> None:
    recipe = runtime_recipe(tmp_path / "one", BASES, BOTH)
    assert recipe_key(recipe) == recipe_key(runtime_recipe(tmp_path / "two", BASES, ("arm64", "amd64")))
    keys = {
        recipe_key(recipe),
        recipe_key(runtime_recipe(tmp_path / "three", {**BASES, "BASE": "python@sha256:2"}, BOTH)),
        recipe_key(runtime_recipe(tmp_path / "four", BASES, ("amd64",))),
    }
    changed = runtime_recipe(tmp_path / "five", BASES, BOTH)
    (changed.context / "src/serving/app.py").write_text("# changed")
    assert len({*keys, recipe_key(changed)}) == 4


def test_the_recipe_copies_code_and_requirements_and_nothing_that_was_compiled(tmp_path: Path) -> None:
    recipe = runtime_recipe(tmp_path / "context", BASES, BOTH)
    names = {path.relative_to(recipe.context).as_posix() for path in recipe.context.rglob("*") if path.is_file()}
    assert {"environments/serve/Dockerfile", "environments/serve/install.py", "src/serving/endpoint.py"} <= names
    assert not any("__pycache__" in name or name.startswith(("src/vision", "mlops")) for name in names)
    assert set(base_images()) == {"BASE", "BUILDER"}


@pytest.mark.parametrize("image, plain", [
    ("127.0.0.1:5000/a/b:c", True), ("localhost:5000/a@sha256:0", True), ("[::1]:5000/a:b", True),
    ("team.example/a:b", False), ("localhost.example/a:b", False), ("10.0.0.1:5000/a:b", False),
])  # fmt: skip
def test_only_a_registry_on_this_machine_is_spoken_to_without_tls(image: str, plain: bool) -> None:
    assert is_plain(image) is plain


def test_a_reference_has_a_repository_and_a_digest() -> None:
    assert repository_of("host:5000/a/b@sha256:0") == repository_of("host:5000/a/b:tag") == "host:5000/a/b"
    assert digest_of("host/a@sha256:0") == "sha256:0"
    with pytest.raises(ValueError, match="names no digest"):
        digest_of("host/a:tag")
