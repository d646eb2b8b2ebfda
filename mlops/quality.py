"""The rules on how good a model is: each compares what was measured with a threshold of the stage file.

Each takes a Case that mlops/soundness.py found sound and returns a Finding; a failure here is a rejection. Comparisons
are written so that NaN fails them, and 0.0 is a measured value like any other.
"""

from __future__ import annotations

from mlops.case import Case, Finding, reject_if
from mlops.evaluation import VariantReport

EXACTLY = 1e-9  # a loss of just the limit passes, whatever floating point makes of the difference
NO_CHAMPION = "no champion to compare with"
MIB = 1024 * 1024


def floor(case: Case) -> Finding:
    """Each variant reaches the stage's least accuracy, whoever the champion is."""
    least, variants = case.gates.min_accuracy, case.challenger.variants
    low = [
        f"{name} accuracy {report.accuracy:.4f} is below {least}"
        for name, report in variants.items()
        if not report.accuracy >= least
    ]
    found = ", ".join(f"{name} {report.accuracy:.4f}" for name, report in variants.items())
    return reject_if(low, f"accuracy {found}, at least {least}")


def regression(case: Case) -> Finding:
    """The served variant loses no more accuracy against the champion's than allowed."""
    if case.duel is None:
        return reject_if([], NO_CHAMPION)
    challenger, champion = case.duel
    limit, loss = case.gates.max_regression.overall, champion.accuracy - challenger.accuracy
    figures = f"accuracy {challenger.accuracy:.4f} against the champion's {champion.accuracy:.4f}"
    return reject_if([] if _within(loss, limit) else [f"{figures} loses {loss:.4f}, more than {limit}"], figures)


def class_regression(case: Case) -> Finding:
    """No class loses more than allowed: a better average can hide a class that the model gave up."""
    return _regression_by_part(case, "class", "per_class", case.gates.max_regression.per_class)


def slice_regression(case: Case) -> Finding:
    """No slice (blur, noise, dark, ...) loses more than allowed."""
    return _regression_by_part(case, "slice", "slices", case.gates.max_regression.per_slice)


def int8_loss(case: Case) -> Finding:
    """Quantization costs no more accuracy than allowed."""
    fp32, int8 = (case.challenger.variants.get(name) for name in ("fp32", "int8"))
    if not fp32 or not int8:
        return reject_if([], "not both of fp32 and int8 are asked for")
    limit, loss = case.gates.max_int8_loss, fp32.accuracy - int8.accuracy
    figures = f"int8 {int8.accuracy:.4f} against fp32 {fp32.accuracy:.4f}"
    return reject_if([] if _within(loss, limit) else [f"{figures} loses {loss:.4f}, more than {limit}"], figures)


def parity(case: Case) -> Finding:
    """Each variant answers as the original does: the PyTorch model, or the file that came in."""
    problems = []
    for name, limits in case.gates.parity.items():
        measured = case.challenger.parity[name]
        if not measured.max_abs_diff <= limits.max_abs_diff:
            problems.append(f"{name} logits differ by {measured.max_abs_diff:.3g}, more than {limits.max_abs_diff}")
        if not measured.agreement >= limits.min_agreement:
            problems.append(f"{name} decides alike in {measured.agreement:.4f}, less than {limits.min_agreement}")
    agreements = ", ".join(f"{name} {case.challenger.parity[name].agreement:.4f}" for name in case.gates.parity)
    return reject_if(problems, f"share of equal decisions with the original: {agreements}")


def latency(case: Case) -> Finding:
    """The served variant is not much slower than the champion's, nor int8 than fp32, on the device class measured."""
    limits, variants = case.gates.devices[case.evaluation.device_class], case.challenger.variants
    pairs = []
    if case.duel:
        pairs.append(("champion's", *case.duel, limits.max_latency_ratio))
    if "int8" in variants and "fp32" in variants:
        pairs.append(("fp32's", variants["int8"], variants["fp32"], limits.max_int8_latency_ratio))
    ratios = [(whose, one.latency_ms_p50 / other.latency_ms_p50, limit) for whose, one, other, limit in pairs]
    slow = [
        f"latency is {ratio:.2f} times the {whose}, more than {limit}"
        for whose, ratio, limit in ratios
        if not ratio <= limit
    ]
    return reject_if(slow, "; ".join(f"{ratio:.2f} times the {whose}" for whose, ratio, _ in ratios) or NO_CHAMPION)


def size(case: Case) -> Finding:
    """The package fits the device class."""
    limit, megabytes = case.gates.devices[case.evaluation.device_class].max_package_mb, case.package.bytes / MIB
    problem = f"the package takes {megabytes:.2f} MiB, more than {limit}"
    return reject_if([] if megabytes <= limit else [problem], f"the package takes {megabytes:.2f} MiB")


def not_revoked(case: Case) -> Finding:
    """The model is not one that this stage revoked before, under whatever version number it returns."""
    version = case.revoked.get(case.challenger.variants[case.served].sha256)
    problem = f"its {case.served} file is that of version {version}, which this stage revoked: train another model"
    return reject_if([problem] if version else [], "never revoked in this stage")


def _regression_by_part(case: Case, what: str, figures: str, limit: float) -> Finding:
    if case.duel is None:
        return reject_if([], NO_CHAMPION)
    losses = _losses(*case.duel, figures)
    worst = max(losses, key=lambda part: losses[part])
    return reject_if(
        (
            f"{what} '{part}' loses {loss:.4f}, more than {limit}"
            for part, loss in losses.items()
            if not _within(loss, limit)
        ),
        f"largest loss of a {what}: {losses[worst]:.4f} ('{worst}')" if losses[worst] > 0 else f"no {what} loses",
    )


def _losses(challenger: VariantReport, champion: VariantReport, figures: str) -> dict[str, float]:
    ours, theirs = getattr(challenger, figures), getattr(champion, figures)
    return {part: theirs[part] - ours[part] for part in theirs}


def _within(loss: float, limit: float) -> bool:
    return loss <= limit + EXACTLY
