"""Each repair, by a model with that one defect; and each model that no repair may save, by its reason and way out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from foreign_models import LABELS, SIDE, Foreign, contract_of, make_foreign, write_contract
from onnx import TensorProto, helper, numpy_helper

from vision.errors import VisionError
from vision.intake import mending, original, repairs
from vision.intake.contract import Contract, read_contract
from vision.intake.making import whole_model
from vision.intake.original import open_original
from vision.intake.refusal import Refused
from vision.intake.signature import Signature

FRAMES = np.random.default_rng(1).integers(0, 256, (3, 20, 15, 3), np.uint8)
Notes = list[tuple[str, float | None]]


def contract(tmp_path: Path, made: Foreign = Foreign(), **changes: Any) -> Contract:
    return read_contract(write_contract(tmp_path / "contract.yaml", contract_of(made, **changes)))


def taken(path: Path, said: Contract, names: tuple[str, ...] = LABELS) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the original's logits on FRAMES, those of the whole model, and the repairs."""
    notes: Notes = []
    original, content = whole_model(
        path, said, names, FRAMES, lambda what, difference: notes.append((what, difference))
    )
    (logits,) = open_original(content).run(["logits"], {"frames": FRAMES})
    return original.logits(FRAMES), logits, [what for what, _ in notes]


def refusal(path: Path, said: Contract, names: tuple[str, ...] = LABELS) -> str:
    with pytest.raises(Refused) as refused:
        whole_model(path, said, names, FRAMES, lambda what, difference: None)
    assert "\n" not in str(refused.value) and ": " in str(refused.value)
    return str(refused.value)


def edited(path: Path, edit: Any) -> Path:
    model = onnx.load(path)
    edit(model)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    "made, said",
    [
        (Foreign(weights_are_inputs=True, opset=18), "2 weights taken out of the inputs"),
        (Foreign(opset=9), "opset 9 converted to 18"),
        (Foreign(opset=13), "opset 13 converted to 18"),
        (Foreign(batch=1), "batch of 1 made free"),
        (Foreign(batch=1, reshape="Reshape"), "batch of 1 made free"),
        (Foreign(batch=5, opset=11), "batch of 5 made free"),
        (Foreign(half=True), "float16 turned into float32"),
        (Foreign(half=True, opset=9, batch=2, weights_are_inputs=True), "float16 turned into float32"),
        (Foreign(), "softmax at the end made a logarithm of it, which are logits"),
    ],
)
def test_a_defect_is_repaired_said_and_the_answers_stay(tmp_path: Path, made: Foreign, said: str) -> None:
    expected, logits, done = taken(make_foreign(tmp_path / "m.onnx", made), contract(tmp_path, made))
    assert said in done
    assert np.abs(expected - logits).max() < (0.02 if made.half else 1e-4)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("channels", ["RGB", "BGR"])
@pytest.mark.parametrize("mean, std", [(0, 255), ([104, 117, 123], [58, 57, 57])])
def test_preprocessing_is_put_in_front_as_the_contract_says(
    tmp_path: Path, layout: str, channels: str, mean: Any, std: Any
) -> None:
    made = Foreign(layout=layout, channels=channels, ending="Identity")
    given = {**contract_of(made)["input"], "mean": mean, "std": std}
    expected, logits, done = taken(make_foreign(tmp_path / "m.onnx", made), contract(tmp_path, made, input=given))
    assert done == ["preprocessing put in front: uint8 RGB frames of any size"]
    assert np.abs(expected - logits).max() < 1e-4


def test_a_red_frame_is_red_whatever_order_of_channels_the_model_has(tmp_path: Path) -> None:
    for channels in ("RGB", "BGR"):
        made = Foreign(channels=channels)
        path = make_foreign(tmp_path / "m.onnx", made)
        _, content = whole_model(path, contract(tmp_path, made), LABELS, FRAMES, lambda what, difference: None)
        frames = np.zeros((2, 4, 4, 3), np.uint8)
        frames[0, ..., 0] = frames[1, ..., 2] = 255
        (logits,) = open_original(content).run(["logits"], {"frames": frames})
        assert [LABELS[index] for index in logits.argmax(axis=1)] == ["red", "blue"]


def test_probabilities_made_without_a_softmax_at_the_end_become_logarithms(tmp_path: Path) -> None:
    def behind_identity(model: onnx.ModelProto) -> None:
        model.graph.node[-1].output[0] = "inner"
        model.graph.node.append(helper.make_node("Identity", ["inner"], ["scores"]))

    path = edited(make_foreign(tmp_path / "m.onnx"), behind_identity)
    expected, logits, done = taken(path, contract(tmp_path))
    assert "logarithm taken of the probabilities, which are logits" in done
    assert np.abs(expected - logits).max() < 1e-4


def test_a_gray_model_is_given_luma(tmp_path: Path) -> None:
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["f"])]
    nodes += [helper.make_node("Concat", ["f", "n"], ["y"], axis=1)]
    nodes.insert(2, helper.make_node("Neg", ["f"], ["n"]))
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, SIDE, SIDE])
    answered = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])
    graph = helper.make_graph(nodes, "gray", [given], [answered])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), tmp_path / "m.onnx")
    said = contract(
        tmp_path,
        labels=["light", "dark"],
        input={**contract_of()["input"], "channels": "GRAY", "mean": 127, "std": 64},
        output={"kind": "logits"},
    )
    expected, logits, _ = taken(tmp_path / "m.onnx", said, ("light", "dark"))
    assert np.abs(expected - logits).max() < 1e-4


def test_an_image_of_bytes_is_rounded_as_bytes_are(tmp_path: Path) -> None:
    def take_bytes(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
        model.graph.node.insert(0, helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT))
        model.graph.node[1].input[0] = "floats"

    made = Foreign(ending="Identity")
    given = {**contract_of(made)["input"], "mean": 0, "std": 1}
    path = edited(make_foreign(tmp_path / "m.onnx", made), take_bytes)
    expected, logits, _ = taken(path, contract(tmp_path, made, input=given))
    assert np.abs(expected - logits).max() < 0.01


def test_other_names_and_another_order_are_mapped_to_the_datas(tmp_path: Path) -> None:
    expected, logits, _ = taken(make_foreign(tmp_path / "m.onnx"), contract(tmp_path), tuple(reversed(LABELS)))
    straight, _, _ = taken(make_foreign(tmp_path / "m.onnx"), contract(tmp_path))
    assert np.allclose(expected, straight[:, ::-1]) and np.abs(expected - logits).max() < 1e-4


def test_labels_that_mean_one_are_added_up_and_others_left_out(tmp_path: Path) -> None:
    made = Foreign(labels=("blue", "green", "red", "pink"))
    said = contract(tmp_path, made, mapping={"red": "warm", "pink": "warm", "blue": "cold"})
    path = make_foreign(tmp_path / "m.onnx", made)
    expected, logits, done = taken(path, said, ("cold", "warm"))
    assert "1 of 4 labels left out, which mean none of the data's" in done
    assert np.abs(expected - logits).max() < 1e-4
    fed = mending.prepared(said.input, FRAMES)  # type: ignore[arg-type]
    (shares,) = open_original(path).run(None, {"image": fed})
    assert np.allclose(np.exp(logits), np.stack([shares[:, 0], shares[:, 2] + shares[:, 3]], axis=1), atol=1e-4)


@pytest.mark.parametrize(
    "changes, names, said",
    [
        ({"mapping": {"red": "warm"}}, ("cold", "warm"), "the data's label 'cold' is none that the model answers"),
        (
            {"mapping": {"red": "hot", "blue": "cold"}},
            ("cold", "warm"),
            "label 'hot' is unknown to the data (cold, warm)",
        ),
        ({}, ("blue", "green"), "label 'red' is unknown to the data"),
    ],
)
def test_labels_that_do_not_meet_the_datas_are_refused(
    tmp_path: Path, changes: dict[str, Any], names: tuple[str, ...], said: str
) -> None:
    assert said in refusal(make_foreign(tmp_path / "m.onnx"), contract(tmp_path, **changes), names)


def test_a_mapping_of_a_label_that_is_none_is_a_mistake_of_the_contract(tmp_path: Path) -> None:
    with pytest.raises(VisionError, match="mapping: 'rad' is none of the labels") as error:
        taken(make_foreign(tmp_path / "m.onnx"), contract(tmp_path, mapping={"rad": "red"}))
    assert not isinstance(error.value, Refused)


GIVEN = contract_of()["input"]


@pytest.mark.parametrize(
    "made, changes, said",
    [
        (Foreign(), {"labels": ["a", "b"]}, "answers 3 numbers a frame, the contract has 2 labels"),
        (Foreign(), {"output": {"kind": "logits"}}, "each row is positive and sums to 1: say probabilities"),
        (
            Foreign(ending="Sigmoid"),
            {"output": {"kind": "probabilities"}},
            "the contract says probabilities, but a row",
        ),
        (
            Foreign(),
            {"input": {**GIVEN, "layout": "NHWC"}},
            "takes [3, 8, 8] after the batch, the contract says [8, 8, 3]",
        ),
        (Foreign(), {"input": {**GIVEN, "size": [16, 16]}}, "the contract says [3, 16, 16]"),
        (Foreign(), {"input": {**GIVEN, "channels": "GRAY"}}, "the contract says [1, 8, 8]"),
    ],
)
def test_a_contract_that_is_not_this_models_is_refused(
    tmp_path: Path, made: Foreign, changes: dict[str, Any], said: str
) -> None:
    assert said in refusal(make_foreign(tmp_path / "m.onnx", made), contract(tmp_path, made, **changes))


def test_several_inputs_are_refused_by_name(tmp_path: Path) -> None:
    def add_input(model: onnx.ModelProto) -> None:
        model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1]))

    path = edited(make_foreign(tmp_path / "m.onnx"), add_input)
    assert "has 2 inputs (image, mask), not one: export it with all inputs but the image as constants" in refusal(
        path, contract(tmp_path)
    )


def test_an_input_of_another_type_is_refused(tmp_path: Path) -> None:
    def of_integers(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT32
        model.graph.node.insert(0, helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT))
        model.graph.node[1].input[0] = "floats"

    assert "is of INT32" in refusal(edited(make_foreign(tmp_path / "m.onnx"), of_integers), contract(tmp_path))


def with_heads(model: onnx.ModelProto) -> None:
    """Give a model a second output, a map of each frame, as detectors have."""
    model.graph.output.append(helper.make_tensor_value_info("filtered", TensorProto.FLOAT, ["N", 3, SIDE, SIDE]))


def test_a_detectors_outputs_are_refused_as_no_classifiers(tmp_path: Path) -> None:
    path = edited(make_foreign(tmp_path / "m.onnx"), with_heads)
    said = refusal(path, contract(tmp_path))
    assert said.startswith("no classifier: it has 2 outputs (scores [3], filtered [3, 8, 8]), as detectors do")
    named = contract(tmp_path, output={"kind": "logits", "name": "filtered"})
    assert "output filtered is a map [3, 8, 8] of a frame" in refusal(path, named)


def test_one_of_several_outputs_is_taken_where_the_contract_names_it(tmp_path: Path) -> None:
    path = edited(make_foreign(tmp_path / "m.onnx"), with_heads)
    expected, logits, _ = taken(path, contract(tmp_path, output={"kind": "probabilities", "name": "scores"}))
    assert np.abs(expected - logits).max() < 1e-4


def test_an_output_of_another_name_is_a_mistake_of_the_contract(tmp_path: Path) -> None:
    with pytest.raises(VisionError, match="no output is called rocket: use one of scores"):
        taken(make_foreign(tmp_path / "m.onnx"), contract(tmp_path, output={"kind": "logits", "name": "rocket"}))


def test_answers_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    def spoil(model: onnx.ModelProto) -> None:
        head = next(one for one in model.graph.initializer if one.name == "head")
        head.CopyFrom(numpy_helper.from_array(np.full((3, 3), np.nan, np.float32), "head"))

    path = edited(make_foreign(tmp_path / "m.onnx", Foreign(ending="Identity")), spoil)
    assert "output scores is NaN or infinity" in refusal(path, contract(tmp_path, Foreign(ending="Identity")))


def test_a_batch_that_is_built_into_the_answers_is_refused(tmp_path: Path) -> None:
    def mix(model: onnx.ModelProto) -> None:
        """Take the mean over the batch out of each row: right for the one batch size, wrong for another."""
        model.graph.node[-1].output[0] = "inner"
        model.graph.initializer.append(numpy_helper.from_array(np.array([0]), "axes"))
        model.graph.node.append(helper.make_node("ReduceMean", ["inner", "axes"], ["mean"], keepdims=1))
        model.graph.node.append(helper.make_node("Sub", ["inner", "mean"], ["scores"]))

    made = Foreign(ending="Identity", batch=2)
    said = refusal(edited(make_foreign(tmp_path / "m.onnx", made), mix), contract(tmp_path, made))
    assert "batch of 2 made free: the answers then differ by" in said and "export it so that this repair" in said
    free = replace(made, batch=None)
    said = refusal(edited(make_foreign(tmp_path / "m.onnx", free), mix), contract(tmp_path, free))
    assert "1 frames at a time are answered otherwise" in said


def test_an_output_without_a_row_a_frame_is_refused(tmp_path: Path) -> None:
    def join(model: onnx.ModelProto) -> None:
        model.graph.node[-1].output[0] = "inner"
        model.graph.initializer.append(numpy_helper.from_array(np.array([-1]), "flat"))
        model.graph.node.append(helper.make_node("Reshape", ["inner", "flat"], ["scores"]))
        del model.graph.output[0].type.tensor_type.shape.dim[1]

    assert "not a row a frame" in refusal(edited(make_foreign(tmp_path / "m.onnx"), join), contract(tmp_path))


def test_a_repair_that_changes_the_answers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(model: onnx.ModelProto, signature: object) -> tuple[onnx.ModelProto, str]:
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        head = next(one for one in copy.graph.initializer if one.name == "head")
        head.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(head) * 1.1, "head"))
        return copy, "weights sharpened"

    monkeypatch.setattr(mending, "STRUCTURAL", (spoil,))
    said = refusal(make_foreign(tmp_path / "m.onnx"), contract(tmp_path))
    assert said.startswith("weights sharpened: the answers then differ by")


def before_all(model: onnx.ModelProto, node: onnx.NodeProto, *constants: onnx.TensorProto) -> None:
    """Put a node between the image and the network."""
    model.graph.initializer.extend(constants)
    model.graph.node.insert(0, node)
    model.graph.node[1].input[0] = node.output[0]


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_an_old_upsample_counts_pixels_as_before(tmp_path: Path, mode: str) -> None:
    scales = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales")
    node = helper.make_node("Upsample", ["image", "scales"], ["larger"], mode=mode)
    path = make_foreign(tmp_path / "m.onnx", Foreign(opset=9, ending="Identity"))
    path = edited(path, lambda model: before_all(model, node, scales))
    expected, logits, done = taken(path, contract(tmp_path, Foreign(ending="Identity")))
    assert "opset 9 converted to 18" in done and np.abs(expected - logits).max() < 1e-4


def test_an_opset_that_is_converted_wrongly_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repairs, "_keep_coordinates", lambda graph: None)
    scales = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales")
    node = helper.make_node("Upsample", ["image", "scales"], ["larger"], mode="linear")
    path = edited(make_foreign(tmp_path / "m.onnx", Foreign(opset=9)), lambda model: before_all(model, node, scales))
    assert refusal(path, contract(tmp_path)).startswith("opset 9 converted to 18: the answers then differ by")


def test_an_opset_that_the_converter_breaks_is_refused(tmp_path: Path) -> None:
    names = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [SIDE, SIDE]) for name in ("i", "o")]
    body = helper.make_graph([helper.make_node("Identity", ["i"], ["o"])], "body", names[:1], names[1:])
    node = helper.make_node("Scan", ["", "image"], ["larger"], num_scan_inputs=1, body=body)
    path = edited(make_foreign(tmp_path / "m.onnx", Foreign(opset=8)), lambda model: before_all(model, node))
    assert refusal(path, contract(tmp_path)).startswith("opset 8 converted to 18: then ")


def test_an_opset_that_the_runtime_never_took_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("Pad", ["image"], ["larger"], paddings=[0] * 8)
    path = edited(make_foreign(tmp_path / "m.onnx", Foreign(opset=1)), lambda model: before_all(model, node))
    assert "export it" in refusal(path, contract(tmp_path))


def test_an_opset_that_the_converter_knows_no_way_from_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("Pad", ["image"], ["larger"], paddings=[0] * 8)
    path = edited(make_foreign(tmp_path / "m.onnx", Foreign(opset=1)), lambda model: before_all(model, node))
    with pytest.raises(Refused, match="opset 1 can't be converted to 18 .*: export it with opset_version=18"):
        repairs.raise_opset(onnx.load(path), Signature("image", "FLOAT", None, ("scores",)))


def test_a_models_own_functions_are_inlined(tmp_path: Path) -> None:
    def wrap(model: onnx.ModelProto) -> None:
        body = [helper.make_node("Softmax", ["a"], ["b"], axis=1)]
        imports = [helper.make_opsetid("", 18)]
        model.functions.append(helper.make_function("own", "Last", ["a"], ["b"], body, imports))
        model.opset_import.append(helper.make_opsetid("own", 1))
        model.graph.node[-1].CopyFrom(helper.make_node("Last", ["logits"], ["scores"], domain="own"))

    expected, logits, done = taken(edited(make_foreign(tmp_path / "m.onnx"), wrap), contract(tmp_path))
    assert done[0] == "1 functions of its own put where they are called"
    assert np.abs(expected - logits).max() < 1e-4


def endless(model: onnx.ModelProto) -> None:
    """Put a Loop of 10 ** 12 turns before the last output."""
    last = model.graph.node[-1]
    scores, last.output[0] = last.output[0], "started"
    kinds = {"turn": TensorProto.INT64, "goes_on": TensorProto.BOOL, "stays_on": TensorProto.BOOL}
    turn, goes_on, stays_on = (helper.make_tensor_value_info(name, kind, []) for name, kind in kinds.items())
    value, raised = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("value", "raised"))
    nodes = [helper.make_node("Identity", ["goes_on"], ["stays_on"]), helper.make_node("Neg", ["value"], ["raised"])]
    body = helper.make_graph(nodes, "body", [turn, goes_on, value], [stays_on, raised])
    constants = {"turns": np.array(10**12, np.int64), "first": np.array(True)}
    model.graph.initializer.extend(numpy_helper.from_array(one, name) for name, one in constants.items())
    model.graph.node.append(helper.make_node("Loop", ["turns", "first", "started"], [scores], body=body))


def test_a_model_that_does_not_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(original, "SECONDS_A_FRAME", 0.05)
    path = edited(make_foreign(tmp_path / "model.onnx"), endless)
    assert "takes more than 0.15 seconds for one run" in refusal(path, contract(tmp_path))


def test_a_name_in_a_model_breaks_no_line(tmp_path: Path) -> None:
    def rename(model: onnx.ModelProto) -> None:
        model.graph.output[0].name = model.graph.node[-1].output[0] = "sco\nres\x1b[2J"
        model.graph.output.append(model.graph.output[0])

    assert "\x1b" not in refusal(edited(make_foreign(tmp_path / "model.onnx"), rename), contract(tmp_path))
