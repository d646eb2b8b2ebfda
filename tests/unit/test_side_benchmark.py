"""The benchmark of smaller decoding: what it makes of answers."""

from __future__ import annotations

import numpy as np

from benchmarks.side import Answer, figure, page


def test_a_way_of_decoding_is_judged_by_labels_and_by_what_the_whole_image_gave() -> None:
    whole = [Answer(label, 448, 0.004) for label in (1, 2, 3, 9)]
    small = [Answer(label, 56, 0.002) for label in (1, 2, 4, 9)]
    labels = np.array([1, 2, 3, 4])
    seen = {0: whole, 56: small}
    assert figure(0, seen, labels).accuracy == 0.75
    one = figure(56, seen, labels)
    assert (one.decoded, one.accuracy, one.agreement, one.decode_ms) == (56, 0.5, 0.75, 2.0)
    assert "| 56 | 56 | 0.5000 | 0.7500 | 2.00 |" in page(4, [one])
