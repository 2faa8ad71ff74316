"""Which frames the three default configurations choose, and what is said of each request."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from inference.feedback.configuration import FeedbackConfigurations, default_configuration
from inference.feedback.limiter import RequestLimiter
from inference.feedback.metadata import SampleOrigin
from inference.feedback.rate_limit import RateLimiter
from inference.feedback.samples import Sample
from inference.feedback.sampling import FeedbackSink
from inference.feedback.spool import Spool
from inference.names import FEEDBACK_STATUS_TOPIC
from inference.pipeline.results import FrameResult
from inference.sources import Frame
from inference.vision.scores import Scores

IMAGE = np.zeros((4, 4, 3), np.uint8)
RANDOM = "RandomSamplingConfiguration"
ORIGIN = SampleOrigin("core1")


class Rig:
    """A sink with everything around it, the uploader left out."""

    def __init__(
        self,
        folder: Path,
        configurations: FeedbackConfigurations,
        limit: int = 0,
        size: int = 1 << 20,
        rate: int = 0,
        origin: SampleOrigin = ORIGIN,
        below: str = "",
    ) -> None:
        self.statuses: list[dict[str, Any]] = []
        self.spool = Spool(folder, size, memory=size)
        self.limiter = RequestLimiter(limit)
        self.sink = FeedbackSink(
            origin,
            configurations,
            self.spool,
            put=self._take,
            wake=lambda: None,
            limiter=self.limiter,
            rate=RateLimiter(rate, [one.id for one in configurations.all]),
            folder=below,
            random=random.Random("seed").random,
        )

    def offer(
        self, values: Sequence[float], data: bytes | None = b"file", mask: bytes | None = None
    ) -> None:
        frame = Frame(7, "x.jpg", IMAGE, data, 1_795_000_000.0, 1.0)
        labels = tuple(f"class {index}" for index in range(len(values)))
        scores = Scores(labels, tuple(values), True)
        result = FrameResult(7, "x.jpg", 4, 4, 0.0, [], {}, lambda: scores)
        if mask is not None:
            result = replace(result, mask=lambda: mask)
        self.sink(frame, result)

    def samples(self) -> list[Sample]:
        return [sample for name in self.spool.names() if (sample := self.spool.read(name))]

    def _take(self, topic: str, payload: bytes) -> None:
        assert topic == FEEDBACK_STATUS_TOPIC
        self.statuses.append(json.loads(payload))


def chosen(rig: Rig) -> Counter[str]:
    return Counter(
        str(request.message["config-id"]) for s in rig.samples() for request in s.requests
    )


def only(name: str, **strategy: object) -> FeedbackConfigurations:
    configuration = {
        "s3-bucket-name": "bucket",
        "s3-prefix": "p",
        "content-type": "image/jpeg",
        "file-ext": "jpg",
        "sampling-strategy": {"strategy-name": name, **strategy},
    }
    return FeedbackConfigurations.parse({"one": configuration})


def test_the_mask_of_a_segmentation_goes_with_its_sample(tmp_path: Path) -> None:
    rig = Rig(tmp_path, only("LEAST_CONFIDENCE", threshold=1.0))
    rig.offer([0.7, 0.3], mask=b"png")
    rig.offer([0.7, 0.3])
    with_mask, without = rig.samples()
    assert (with_mask.image, with_mask.mask, without.mask) == (b"file", b"png", b"")
    [request] = with_mask.requests
    assert request.message["metadata"]["mask-ref"] == (
        f"s3://bucket/{request.key[: -len('.jpg')]}.mask.png"
    )
    assert "mask-ref" not in without.requests[0].message["metadata"]


def test_each_default_strategy_chooses_by_its_own_rule(tmp_path: Path) -> None:
    rig = Rig(tmp_path, default_configuration("bucket"))
    expected: Counter[str] = Counter()
    generator = random.Random("seed")
    for values in ([0.5, 0.25, 0.25], [0.98, 0.01, 0.01], [0.51, 0.49, 0.0], [0.4, 0.3, 0.3]) * 5:
        rig.offer(values)
        expected[RANDOM] += generator.random() < 0.5
        expected["LC50"] += max(values) <= 0.5
        expected["Entropy"] += -sum(p * np.log(p) for p in values if p) > 1.0
    assert chosen(rig) == expected
    assert expected["LC50"] == expected["Entropy"] == 10
    requests = 3 * 20
    assert len(rig.statuses) == requests - sum(expected.values())
    assert {s["response"]["status"] for s in rig.statuses} == {"sample_dropped_by_strategy"}
    counters = rig.sink.counters
    assert (counters.chosen, counters.not_used) == (sum(expected.values()), len(rig.statuses))


def test_the_documented_entropy_is_between_its_neighbours(tmp_path: Path) -> None:
    for threshold, count in ((1.03972, 1), (1.03973, 0)):
        rig = Rig(tmp_path / str(threshold), only("ENTROPY", threshold=threshold))
        rig.offer([0.5, 0.25, 0.25])
        assert len(rig.samples()) == count


def test_a_frame_without_detections_is_of_least_confidence_and_no_entropy(tmp_path: Path) -> None:
    rig = Rig(tmp_path, default_configuration("bucket"))
    rig.offer([])
    assert chosen(rig) - Counter({RANDOM: 1}) == Counter({"LC50": 1})


def test_a_sample_is_the_file_s_own_bytes_or_a_jpeg(tmp_path: Path) -> None:
    rig = Rig(tmp_path, only("RANDOM_SAMPLING", rate=1))
    rig.offer([1.0], data=b"as it came")
    rig.offer([1.0], data=None)
    first, second = rig.samples()
    assert first.image == b"as it came"
    assert second.image.startswith(b"\xff\xd8")


def test_the_message_names_the_object_and_carries_the_scores(tmp_path: Path) -> None:
    rig = Rig(tmp_path, only("RANDOM_SAMPLING", rate=1))
    rig.offer([0.75, 0.25])
    [request] = rig.samples()[0].requests
    assert request.key == f"p/{request.id}.jpg"
    assert request.message["source-ref"] == f"s3://bucket/{request.key}"
    assert request.message["model-prediction"] == [0.75, 0.25]
    assert request.message["metadata"]["frame"] == "7"


def test_configurations_for_one_place_share_an_upload_and_have_a_message_each(
    tmp_path: Path,
) -> None:
    one = only("RANDOM_SAMPLING", rate=1).to_json()["one"]
    other = {**one, "s3-prefix": "other"}
    rig = Rig(tmp_path, FeedbackConfigurations.parse({"aa": one, "bb": one, "cc": other}))
    rig.offer([1.0])
    [sample] = rig.samples()
    keys = [request.key for request in sample.requests]
    assert keys[0] == keys[1] != keys[2]
    assert len({request.id for request in sample.requests}) == 3
    reasons = [json.loads(request.about["strategies"]) for request in sample.requests]
    chance = ["RANDOM_SAMPLING", None, 1.0]
    assert reasons[0] == reasons[1] == [["aa", *chance], ["bb", *chance]]
    assert reasons[2] == [["cc", *chance]]


def test_a_sample_says_what_its_strategy_measured(tmp_path: Path) -> None:
    rig = Rig(tmp_path, only("ENTROPY", threshold=0.5))
    rig.offer([0.5, 0.25, 0.25])
    [request] = rig.samples()[0].requests
    assert json.loads(request.about["strategies"]) == [["one", "ENTROPY", 1.0397, 0.5]]
    assert "strategies" not in request.message["metadata"], "the message is the connector's"


def test_samples_of_two_models_lie_in_folders_of_their_own(tmp_path: Path) -> None:
    origin = SampleOrigin("core1", "fruit", "ab" * 32)
    for folder, key in (("", "p/fruit-abababababab/"), ("T", "p/T/fruit-abababababab/")):
        rig = Rig(
            tmp_path / f"of{folder}",
            only("RANDOM_SAMPLING", rate=1),
            origin=origin,
            below=folder,
        )
        rig.offer([1.0])
        [request] = rig.samples()[0].requests
        assert request.key == f"{key}{request.id}.jpg"
        assert request.message["source-ref"] == f"s3://bucket/{request.key}"


def test_the_limit_per_hour_skips_what_comes_on_top_and_each_request_has_a_status(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path, only("RANDOM_SAMPLING", rate=1), rate=8)
    for _ in range(5):
        rig.offer([1.0])
    assert len(rig.samples()) == 2, "a quarter of an hour's samples may come at once"
    counters = rig.sink.counters
    assert (counters.chosen, counters.skipped_by_limit, counters.not_used) == (2, 3, 0)
    assert len(rig.statuses) == 3
    assert {s["response"]["status"] for s in rig.statuses} == {"sample_dropped_by_strategy"}


def test_the_request_limit_drops_what_comes_on_top_and_says_so(tmp_path: Path) -> None:
    rig = Rig(tmp_path, only("RANDOM_SAMPLING", rate=1), limit=2)
    for _ in range(3):
        rig.offer([1.0])
    assert len(rig.samples()) == 2
    [status] = rig.statuses
    assert status["response"]["error"] == "Queue.Full"
    assert rig.sink.counters.throttled == 1


def test_what_the_request_limit_drops_is_not_of_the_hour_s_samples(tmp_path: Path) -> None:
    rig = Rig(tmp_path, only("RANDOM_SAMPLING", rate=1), limit=1, rate=8)
    for _ in range(5):
        rig.offer([1.0])
    counters = rig.sink.counters
    assert (counters.chosen, counters.throttled, counters.skipped_by_limit) == (1, 4, 0)
    rig.limiter.limit = 0
    for _ in range(2):
        rig.offer([1.0])
    assert (counters.chosen, counters.skipped_by_limit) == (2, 1)
    rig.limiter.limit = 3
    in_time = [rig.limiter.enter(name) for name in ("third", "fourth")]
    assert in_time == [True, False], "what the hour's limit skips is not in progress"


def test_a_sample_that_made_room_is_reported_as_failed(tmp_path: Path) -> None:
    rig = Rig(tmp_path, only("RANDOM_SAMPLING", rate=1), size=1_500)
    for _ in range(4):
        rig.offer([1.0], data=bytes(500))
    assert len(rig.samples()) + len(rig.statuses) == 4
    assert {status["response"]["error"] for status in rig.statuses} == {"Spool.Full"}
    assert rig.sink.counters.failed == len(rig.statuses) > 0
