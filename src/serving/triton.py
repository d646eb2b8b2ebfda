"""Writes a Triton model repository from a model package: the package's own file, served under the same names.

OUT/<model>/config.pbtxt, labels.txt and <version>/model.onnx, or model.plan of an engine that serving.tensorrt built.
Preprocessing is in the graph, so Triton takes the frames that the edge runtime takes (src/serving/v2). What differs:
Triton answers the output logits only; the edge runtime also answers probabilities and label. A client that asks for
logits, as numbers or with the parameter classification, is the same for both.

    python -m serving.triton --package DIR --out DIR --version 7 [--engine onnxruntime|openvino]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import onnxruntime

from modelpackage import PackageError, Release, open_package, package_digest
from serving.errors import ServingError, exit_code
from serving.model import Model, load_model
from serving.onnx_engine import options_for
from serving.policy import USUAL_VARIANT
from serving.tritonconfig import LABELS_FILE, TritonModel, config_text, model_file

KINDS = {"tensor(uint8)": "UINT8", "tensor(float)": "FP32"}


@dataclass(frozen=True)
class Wanted:
    """What to write: a package, its digest (None: whichever it has), a version and a variant (None: int8 or the first).

    `instances` of `kind` (KIND_CPU, KIND_GPU) score at once; `plan` is the engine's file where it is TensorRT's.
    """

    package: Path
    version: int
    digest: str | None = None
    variant: str | None = None
    engine: str = "onnxruntime"
    instances: int = 1
    kind: str = "KIND_CPU"
    plan: Path | None = None
    max_batch: int | None = None


def write_repository(wanted: Wanted, out: Path) -> Path:
    """Write the model's folder, in place of what is there under its name, and return it.

    Raises PackageError on a package that is damaged or can't be served, ServingError on an engine that Triton or this
    machine does not know, or where the file's inputs and outputs are not what the contract says.
    """
    file = model_file(wanted.engine)
    release = open_package(wanted.package, wanted.digest)
    variant = variant_of(release, wanted.variant)
    onnx = wanted.package / release.variants[variant]
    measured_by = "onnxruntime" if wanted.engine == "tensorrt" else wanted.engine
    model = load_model(wanted.package, package_digest(wanted.package), variant, measured_by)
    check_graph(onnx, model)
    source = onnx if wanted.engine != "tensorrt" else wanted.plan
    if source is None:
        raise ServingError("engine tensorrt: its engine is built where it runs: use python -m serving.tensorrt there")
    folder = out / release.model
    with tempfile.TemporaryDirectory(dir=_made(out), prefix=".triton.") as scratch:
        made = Path(scratch) / release.model
        (made / str(wanted.version)).mkdir(parents=True)
        shutil.copyfile(source, made / str(wanted.version) / file)
        (made / LABELS_FILE).write_text("".join(f"{label}\n" for label in model.labels), encoding="utf-8")
        (made / "config.pbtxt").write_text(config_text(_described(wanted, release, model)), encoding="utf-8")
        if folder.exists():
            folder.rename(Path(scratch) / "replaced")
        made.rename(folder)
    return folder


def variant_of(release: Release, wanted: str | None) -> str:
    """Return the variant to serve: the wanted one, else int8, else the first. Raises PackageError without it."""
    usual = USUAL_VARIANT if USUAL_VARIANT in release.variants else sorted(release.variants)[0]
    if wanted is not None and wanted not in release.variants:
        raise PackageError(f"{release.model}: holds no variant {wanted}: it has {', '.join(sorted(release.variants))}")
    return wanted or usual


def check_graph(onnx: Path, model: Model) -> None:
    """Raises ServingError where a file's own input or output is not what the contract, and so config.pbtxt, says."""
    session = onnxruntime.InferenceSession(str(onnx), options_for(1), providers=["CPUExecutionProvider"])
    contract = model.contract
    found = {one.name: (KINDS.get(one.type, one.type), list(one.shape)) for one in session.get_inputs()}
    if list(found) != [contract.input_name] or found[contract.input_name][0] != "UINT8":
        raise ServingError(f"{onnx}: takes {found}, the contract says UINT8 {contract.input_name}: export it again")
    shape = found[contract.input_name][1]
    if len(shape) != len(contract.input_shape) or isinstance(shape[0], int):
        raise ServingError(
            f"{onnx}: takes {shape}: Triton makes batches, so the first size must be free: export it again"
        )
    fixed = [own for own, said in zip(shape[1:], contract.input_shape[1:], strict=True) if _contradicts(own, said)]
    answers = {one.name: (KINDS.get(one.type, one.type), list(one.shape)) for one in session.get_outputs()}
    kind, answered = answers.get(contract.output_name, ("nothing", []))
    wrong = kind != "FP32" or len(answered) != 2 or _contradicts(answered[1], len(model.labels))
    if fixed or wrong:
        raise ServingError(f"{onnx}: takes {shape} and answers {answers}, against the contract: export it again")


def _contradicts(own: object, said: int) -> bool:
    return isinstance(own, int) and own != said


def _described(wanted: Wanted, release: Release, model: Model) -> TritonModel:
    curve, frame = model.curve, model.curve.frame_shape or ()
    if wanted.max_batch is not None:
        curve = type(curve)(curve.seconds, wanted.max_batch, curve.frame_shape)
    named = (release.model, wanted.version, wanted.engine, model.contract, len(model.labels), curve, frame)
    return TritonModel(*named, instances=wanted.instances, kind=wanted.kind)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write(options: argparse.Namespace) -> None:
    named = {
        name: getattr(options, name) for name in ("package", "version", "digest", "variant", "engine", "instances")
    }
    print(f"wrote {write_repository(Wanted(**named), options.out)}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Write a model repository and return the exit code: 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m serving.triton", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--package", type=Path, required=True, help="a sealed model package")
    parser.add_argument("--out", type=Path, required=True, help="the model repository that Triton is given")
    parser.add_argument("--version", type=int, required=True, help="the version's number in the registry")
    parser.add_argument("--digest", help="the package's digest, to be checked")
    parser.add_argument("--variant", help=f"default: {USUAL_VARIANT}, if the package has it; else its first by name")
    parser.add_argument("--engine", choices=("onnxruntime", "openvino"), default="onnxruntime")
    parser.add_argument("--instances", type=int, default=1, help="inferences at once, one thread each")
    return exit_code(lambda: _write(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
