"""Classifiers with several labels at once, and outputs beside the scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inference.errors import ModelError
from inference.feedback.strategies import seen_by
from inference.vision.geometry import Fit
from inference.vision.postprocess import Postprocessor

from ..conftest import MakeProfile

WHOLE = Fit((8, 8), (0, 0), (8, 8), (8, 8), (0, 0))
LOGITS = np.array([[2.0, -2.0, 1.0]], np.float32)
EMBEDDING = np.ones((1, 512), np.float32)


def test_several_labels_go_through_a_sigmoid_each(make_profile: MakeProfile) -> None:
    output = {"kind": "classification", "activation": "logits", "multiLabel": True}
    postprocess = Postprocessor(make_profile(output=output))
    found = postprocess.decode([LOGITS])
    assert [(one.label, round(one.score, 4)) for one in postprocess.choose(found, WHOLE)] == [
        ("zero", 0.8808), ("two", 0.7311), ("one", 0.1192),
    ]  # fmt: skip
    scores = postprocess.scores(found, WHOLE)
    assert scores.labels == ("zero", "one", "two")
    assert not scores.sums_to_one
    assert sum(seen_by("ENTROPY", scores)) == pytest.approx(1)
    assert sum(seen_by("MARGIN", scores)) == pytest.approx(0.8808 + 0.1192 + 0.7311, abs=1e-4)


def test_one_label_of_several_is_no_binary_classifier(make_profile: MakeProfile) -> None:
    output = {"kind": "classification", "activation": "probabilities", "multiLabel": True}
    found = Postprocessor(make_profile("fire\n", output=output)).decode([np.array([[0.3]])])
    assert found.scores.tolist() == [pytest.approx(0.3)]


def test_an_embedding_beside_the_scores_is_left_out(make_profile: MakeProfile) -> None:
    profile = make_profile(output={"kind": "classification", "activation": "logits"})
    for outputs in ([LOGITS, EMBEDDING], [EMBEDDING, LOGITS]):
        assert Postprocessor(profile).decode(outputs).class_ids[0] == 0
    named = make_profile(
        output={"kind": "classification", "activation": "logits", "outputs": {"scores": "p"}},
        labels=None,
    )
    found = Postprocessor(named, output_names=("e", "p")).decode([EMBEDDING, LOGITS])
    assert found.class_ids.tolist() == [0, 2, 1]


def test_an_embedding_alone_is_no_classifier(make_profile: MakeProfile) -> None:
    profile = make_profile(output={"kind": "classification", "activation": "logits"})
    with pytest.raises(ModelError, match="has 512 classes, its labels have 3 entries"):
        Postprocessor(profile).decode([EMBEDDING])
    without = make_profile(output={"kind": "classification", "activation": "logits"}, labels=None)
    with pytest.raises(ModelError, match="not clear: scores 0 or scores 1; say it in output"):
        Postprocessor(without).decode([EMBEDDING, LOGITS])


@pytest.mark.parametrize("changes", [{}, {"labels": None}])
def test_the_number_of_the_best_class_is_no_score(
    make_profile: MakeProfile, changes: dict[str, Any]
) -> None:
    output = {"kind": "classification", "activation": "logits"}
    profile, best = make_profile(output=output, **changes), np.array([0], np.int64)
    for outputs in ([LOGITS, best], [best, LOGITS], [LOGITS, best.astype(np.int32)[None]]):
        assert Postprocessor(profile).decode(outputs).class_ids.tolist() == [0, 2, 1]


def test_the_highest_score_beside_the_scores_is_left_out(make_profile: MakeProfile) -> None:
    profile = make_profile(output={"kind": "classification", "activation": "logits"})
    highest = LOGITS.max(axis=1)
    assert Postprocessor(profile).decode([highest, LOGITS]).class_ids.tolist() == [0, 2, 1]
