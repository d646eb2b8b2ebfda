"""OCI image layouts on disk: writes an image of a folder's files, and reads what an image is and holds.

The same files give the same digest on any machine: no times, no owners, no compression, whose output differs between
zlib and its variants. One layer serves all architectures. It knows no registry and runs no tool.
Source: opencontainers/image-spec v1.1 (image-layout.md, manifest.md, image-index.md, config.md, layer.md).
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from mlops.errors import ConfigError
from modelpackage import digest_bytes

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
INDEXES = (INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
EPOCH = "1970-01-01T00:00:00Z"

Read = Callable[[str], bytes]  # from a digest to its bytes


def write_image(folder: Path, architectures: Sequence[str], labels: Mapping[str, str], layout: Path) -> str:
    """Write an image of a folder's files, hidden ones left out, into a new layout, and return its digest."""
    layer = _write_blob(layout, _layer(folder), LAYER)
    manifests = [_write_manifest(layout, architecture, labels, layer) for architecture in architectures]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
    return _close(layout, _write_blob(layout, _encoded(index), INDEX))


def write_document(content: bytes, media_type: str, layout: Path) -> str:
    """Write a manifest whose only layer is a document, as cosign attaches them, and return its digest."""
    layer = _write_blob(layout, content, media_type)
    config = _write_blob(layout, b"{}", CONFIG)
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    return _close(layout, _write_blob(layout, _encoded(manifest), MANIFEST))


def drop_notes(layout: Path) -> str:
    """Leave out of a layout's image what a builder notes of its own state, and return the image's new digest.

    buildah notes, as manifests' annotations and as comments of a config's history, the digest of each step's image and
    the name of the first base that it was given by: they differ from agent to agent where all layers are the same.
    """
    described = {"mediaType": INDEX, "digest": layout_digest(layout)}
    return _close(layout, _plain(layout, described))


def layout_digest(layout: Path) -> str:
    """Return the digest of the one image in a layout. Raises ConfigError where it holds another number of images."""
    found = json.loads((layout / "index.json").read_bytes())["manifests"]
    if len(found) != 1:
        raise ConfigError(f"{layout}: holds {len(found)} images instead of one: build again")
    return str(found[0]["digest"])


def blobs_of(layout: Path) -> Read:
    """Return what reads a layout's blobs by their digests."""
    return lambda digest: (layout / "blobs" / digest.replace(":", "/")).read_bytes()


def pulled_bytes(manifest: bytes, read: Read) -> int:
    """Return the bytes that a site pulls of an image for one architecture, the first: manifests, config and layers."""
    content = json.loads(manifest)
    if content.get("mediaType") in INDEXES:
        return len(manifest) + pulled_bytes(read(content["manifests"][0]["digest"]), read)
    return len(manifest) + content["config"]["size"] + sum(layer["size"] for layer in content["layers"])


def layers_of(manifest: bytes, read: Read) -> list[dict[str, Any]]:
    """Return the layers of an image for one architecture, the first: mediaType, digest and size of each."""
    content = json.loads(manifest)
    if content.get("mediaType") in INDEXES:
        return layers_of(read(content["manifests"][0]["digest"]), read)
    return list(content["layers"])


def files_in(layout: Path, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of an image's files, as its layers come. Raises ConfigError on a layer of zstd."""
    read = blobs_of(layout)
    for layer in layers_of(read(layout_digest(layout)), read):
        content = read(layer["digest"])
        if layer["mediaType"].endswith("zstd"):
            raise ConfigError(f"layer {layer['digest']} is compressed by zstd: build it with gzip")
        with tarfile.open(
            fileobj=io.BytesIO(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
        ) as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                if member.isfile() and is_wanted(name):
                    yield name, tar.extractfile(member).read()  # type: ignore[union-attr]


def _plain(layout: Path, described: Mapping[str, Any]) -> dict[str, Any]:
    content = json.loads(blobs_of(layout)(described["digest"]))
    content.pop("annotations", None)
    if "manifests" in content:
        content["manifests"] = [_plain(layout, one) for one in content["manifests"]]
    if "config" in content:
        content["config"] = _without_comments(layout, content["config"])
    written = _write_blob(layout, _encoded(content), content.get("mediaType", described["mediaType"]))
    return {**{key: value for key, value in described.items() if key != "annotations"}, **written}


def _without_comments(layout: Path, described: Mapping[str, Any]) -> dict[str, Any]:
    config = json.loads(blobs_of(layout)(described["digest"]))
    if "history" not in config:
        return dict(described)
    config["history"] = [{key: one[key] for key in one if key != "comment"} for one in config["history"]]
    return {**described, **_write_blob(layout, _encoded(config), described["mediaType"])}


def _layer(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        shown = sorted(name for name in files if not any(part.startswith(".") for part in PurePosixPath(name).parts))
        folders = {parent.as_posix() for name in shown for parent in PurePosixPath(name).parents} - {"."}
        for name in sorted({*shown, *folders}):
            tar.addfile(*_entry(name, None if name in folders else files[name].read_bytes()))
    return buffer.getvalue()


def _entry(name: str, content: bytes | None) -> tuple[tarfile.TarInfo, io.BytesIO | None]:
    entry = tarfile.TarInfo(name)
    if content is None:
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        return entry, None
    entry.mode, entry.size = 0o644, len(content)
    return entry, io.BytesIO(content)


def _write_manifest(
    layout: Path, architecture: str, labels: Mapping[str, str], layer: dict[str, Any]
) -> dict[str, Any]:
    config = {
        "created": EPOCH,
        "architecture": architecture,
        "os": "linux",
        "config": {"Labels": dict(labels)},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }
    described = _write_blob(layout, _encoded(config), CONFIG)
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": [layer]}
    written = _write_blob(layout, _encoded(manifest), MANIFEST)
    return {**written, "platform": {"architecture": architecture, "os": "linux"}}


def _write_blob(layout: Path, content: bytes, media_type: str) -> dict[str, Any]:
    digest = digest_bytes(content)
    path = layout / "blobs" / digest.replace(":", "/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _close(layout: Path, described: dict[str, Any]) -> str:
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}', encoding="utf-8")
    (layout / "index.json").write_bytes(_encoded({"schemaVersion": 2, "mediaType": INDEX, "manifests": [described]}))
    return str(described["digest"])


def _encoded(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
