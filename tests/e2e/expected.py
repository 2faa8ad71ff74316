"""Which samples the three default strategies must choose, worked out beside the core.

The model's scores come from the device's own code; the rules are written a second time here.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from random import Random

from inference.model.profiles.profile import load_profile
from inference.serving.loading import load_model
from inference.sources import open_source
from inference.vision.postprocess import Postprocessor
from inference.vision.preprocess import Preprocessor
from models import store
from tests.e2e.rig import MODEL

PHOTOGRAPHS = 4


@cache
def probabilities() -> tuple[tuple[float, ...], ...]:
    """Return the classifier's probability vector of each photograph, in their order."""
    profile = load_profile(MODEL)
    folder = store.unpacked(MODEL)
    loaded = load_model(folder, folder, profile, "cpu")
    source = open_source("static", repeat=True)
    preprocess, postprocess = Preprocessor(profile.input), Postprocessor(profile)
    found = []
    for _ in range(PHOTOGRAPHS):
        frame = source.read()
        assert frame is not None
        tensor, fit = preprocess(frame.image)
        outputs = postprocess.decode(loaded.model.run(tensor))
        found.append(tuple(float(p) for p in postprocess.scores(outputs, fit).normalised()))
    source.close()
    return tuple(found)


def chosen(frames: int, random: Random) -> Counter[str]:
    """Return how often each configuration chooses one of so many frames, the first one first."""
    counts: Counter[str] = Counter()
    for number in range(frames):
        vector = probabilities()[number % PHOTOGRAPHS]
        counts["RandomSamplingConfiguration"] += random.random() < 0.5
        counts["LC50"] += max(vector) <= 0.5
        counts["Entropy"] += -sum(p * math.log(p) for p in vector if p > 0) > 1.0
    return counts
