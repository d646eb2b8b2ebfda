"""The rules on whether an evaluation can be judged at all: is it whole, and is it about what it says?

Each takes a Case and returns a Finding; a failure here is an error, never a rejection: nothing was learnt of the model.
mlops/policy.py puts them in order. Comparisons are written so that NaN fails them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from mlops.case import MANDATORY_FILES, Case, Finding, error_if, variant_file
from mlops.evaluation import ModelReport, VariantReport

NO_CHAMPION = "no champion: only absolute rules apply"


def complete(case: Case) -> Finding:
    """Nothing is missing: each variant, its parity, each class, each slice. A missing metric is never a pass."""
    problems = [
        *_missing_parts(case),
        *(p for name, model, report in case.reports() for p in _gaps(case, name, model, report)),
    ]
    return error_if((f"{p}: evaluate again" for p in problems), "each variant, class and slice was evaluated")


def finite(case: Case) -> Finding:
    """Each number is one: no NaN, no infinity."""
    numbers = list(_numbers("", asdict(case.evaluation)))
    strange = (f"{path} is {value}: the evaluation is broken" for path, value in numbers if not math.isfinite(value))
    return error_if(strange, f"all {len(numbers)} numbers are finite")


def test_set(case: Case) -> Finding:
    """The test set holds enough images to say anything."""
    images, least = case.evaluation.test_set.images, case.gates.min_test_images
    problem = "the test set is empty" if images <= 0 else f"the test set holds {images} images, fewer than {least}"
    return error_if(
        [] if images >= max(least, 1) else [f"{problem}: evaluate on the whole frozen test set"], f"{images} images"
    )


def consistent(case: Case) -> Finding:
    """The figures of each variant agree with each other: a confusion matrix is the accuracy told at length."""
    images = case.evaluation.test_set.images
    problems = (
        f"{name}: {p}" for name, model, report in case.reports() for p in _contradictions(images, model, report)
    )
    return error_if(problems, "accuracy, classes and confusion matrix agree")


def data_version(case: Case) -> Finding:
    """The evaluation used the data version that the model claims to come from."""
    used, claimed = case.evaluation.test_set.data_version, case.data_version
    if claimed is None:
        return error_if([], f"evaluated on {used}; the package claims none yet")
    problem = f"evaluated on data version {used}, but the model claims {claimed}: evaluate on {claimed}"
    return error_if([] if used == claimed else [problem], f"evaluated on {used}")


def packaged(case: Case) -> Finding:
    """What was evaluated is what is in the package, byte for byte, and nothing in it was left unevaluated."""
    evaluated = {variant_file(name): report.sha256 for name, report in case.challenger.variants.items()}
    digests = case.package.digests
    missing = [name for name in (*MANDATORY_FILES, *evaluated) if name not in digests]
    changed = [name for name, digest in evaluated.items() if digests.get(name, digest) != digest]
    unseen = [name for name in digests if name.endswith(".onnx") and name not in evaluated]
    problems = [f"the package lacks {name}: export again" for name in missing]
    problems += [f"{name} is not the file that was evaluated: evaluate this package again" for name in changed]
    problems += [f"{name} was not evaluated: evaluate it or take it out" for name in unseen]
    return error_if(problems, "the evaluated files are the packaged ones")


def precision(case: Case) -> Finding:
    """The variant named int8 is int8 inside, and fp32 is fp32. Swapped files would pass every other rule."""
    wrong = [(name, report.precision) for name, report in case.challenger.variants.items() if report.precision != name]
    return error_if(
        (
            f"{variant_file(n)} is {p} inside: the variants are swapped or one was not converted: export again"
            for n, p in wrong
        ),
        "each variant is what its name says",
    )


def labels(case: Case) -> Finding:
    """Package, evaluation and champion name the same classes in the same order: index i means one thing everywhere."""
    order, champion = case.challenger.labels, case.evaluation.champion
    problems = [] if len(set(order)) == len(order) > 1 else [f"labels {list(order)} are too few or repeat"]
    if case.package.labels != order:
        problems.append(
            f"labels.json {_first_difference(case.package.labels, order, 'the evaluation')}: evaluate again"
        )
    if champion and champion.labels != order:
        problems.append(f"label order {_first_difference(order, champion.labels, 'the champion')}: restore the order")
    return error_if(problems, f"{len(order)} labels, in the same order everywhere")


def champion(case: Case) -> Finding:
    """The champion in the evaluation is the version that the stage serves now; or there is none, and that is said."""
    seen, serving = case.evaluation.champion, case.champion
    if seen is None and serving is None:
        return error_if([], NO_CHAMPION)
    compared = f"version {seen.version}" if seen else "no champion"
    now = f"version {serving.version}" if serving else "none"
    same = seen and serving and (seen.version, seen.release_digest) == (serving.version, serving.digest)
    stale = f"compared with {compared}, but the stage serves {now}: the champion's metrics are stale: evaluate again"
    if seen and serving and seen.version == serving.version:
        stale = f"{compared} in the evaluation has another digest than in the registry: evaluate again"
    return error_if([] if same else [stale], f"compared with {compared}, which the stage serves")


def not_itself(case: Case) -> Finding:
    """The champion is another model: compared with itself, any model passes."""
    champion = case.evaluation.champion
    if champion is None:
        return error_if([], "no champion to mistake for the challenger")
    same = case.challenger.variants[case.served].sha256 == champion.variants[case.served].sha256
    problem = f"the challenger's {case.served} file is that of champion version {champion.version}"
    return error_if([f"{problem}: it was compared with itself"] if same else [], "the champion is another model")


def device_class(case: Case) -> Finding:
    """The stage file has limits for the device class that was measured."""
    measured, known = case.evaluation.device_class, ", ".join(case.gates.devices)
    problem = f"no limits for device class '{measured}': add it under gates.devices or measure on one of {known}"
    return error_if([] if measured in case.gates.devices else [problem], f"measured on {measured}")


def _missing_parts(case: Case) -> Iterator[str]:
    wanted = dict.fromkeys((*case.gates.parity, case.served))
    for variant in wanted:
        if variant not in case.challenger.variants:
            yield f"challenger {variant} is missing"
        if variant not in case.challenger.parity:
            yield f"challenger {variant}: parity is missing"
    for variant in case.challenger.variants:
        if variant not in case.gates.parity:
            yield f"challenger {variant} has no limits under gates.parity in the stage file"
    if case.evaluation.champion and case.served not in case.evaluation.champion.variants:
        yield f"champion {case.served} is missing"


def _gaps(case: Case, name: str, model: ModelReport, report: VariantReport) -> Iterator[str]:
    yield from _difference(f"{name}: class", report.per_class, model.labels)
    yield from _difference(f"{name}: slice", report.slices, case.gates.slices)
    sides = [len(report.confusion), *(len(row) for row in report.confusion)]
    if set(sides) != {len(model.labels)}:
        yield f"{name}: the confusion matrix is not {len(model.labels)} x {len(model.labels)}"
    if len(report.accuracy_interval) != 2:
        yield f"{name}: the accuracy has no interval of two ends"


def _difference(what: str, present: Iterable[str], wanted: Iterable[str]) -> Iterator[str]:
    yield from (f"{what} '{key}' is missing" for key in wanted if key not in set(present))
    yield from (
        f"{what} '{key}' is unknown to the stage file or the labels" for key in present if key not in set(wanted)
    )


def _contradictions(images: int, model: ModelReport, report: VariantReport) -> Iterator[str]:
    total = sum(map(sum, report.confusion))
    right = sum(row[i] for i, row in enumerate(report.confusion))
    if total != images:
        yield f"the confusion matrix counts {total} images, the test set holds {images}"
    elif not _same_share(report.accuracy, right, total):
        yield f"accuracy is {report.accuracy}, the confusion matrix says {right / total:.4f}"
    for i, label in enumerate(model.labels):
        if not _same_share(report.per_class[label], report.confusion[i][i], sum(report.confusion[i])):
            yield f"class '{label}' is {report.per_class[label]}, its row counts {report.confusion[i][i]} right"
    yield from _out_of_range(report)


def _same_share(share: float, right: int, of: int) -> bool:
    return of > 0 and abs(share * of - right) < 0.5


def _out_of_range(report: VariantReport) -> Iterator[str]:
    shares = {"calibration_error": report.calibration_error, **report.slices}
    shares |= {f"accuracy_interval[{i}]": end for i, end in enumerate(report.accuracy_interval)}
    yield from (f"{name} is {value}, not a share" for name, value in shares.items() if not 0 <= value <= 1)
    if not min(report.latency_ms_p50, report.latency_ms_p95, report.bytes) > 0:
        yield "latency and size must be above 0"


def _numbers(path: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(f"{path}.{key}" if path else str(key), item)
    elif isinstance(value, (tuple, list)):
        for index, item in enumerate(value):
            yield from _numbers(f"{path}[{index}]", item)
    elif isinstance(value, (int, float)):
        yield path, value


def _first_difference(ours: tuple[str, ...], theirs: tuple[str, ...], whose: str) -> str:
    for index, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        if one != other:
            return f"differs from {whose}'s at index {index}: '{one}' instead of '{other}'"
    return f"has {len(ours)} labels, {whose} has {len(theirs)}"
