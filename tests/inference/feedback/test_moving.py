"""Samples on disk whose place a deployment took away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from inference.feedback.configuration import FeedbackConfigurations
from inference.feedback.moving import moved
from inference.feedback.samples import SampleRequest
from inference.feedback.spool import Spool
from inference.feedback.uploader import Uploader
from inference.names import FEEDBACK_PREDICTION_TOPIC
from tests.waiting import eventually

from .support import MEGABYTE, Cloud

ABOUT = {"model": '"fruit"', "model-sha256": "ab" * 32}


def kept(prefix: str, bucket: str = "bucket", config_id: str = "LC50") -> FeedbackConfigurations:
    values: Mapping[str, object] = {
        "s3-bucket-name": bucket,
        "s3-prefix": prefix,
        "content-type": "image/jpeg",
    }
    return FeedbackConfigurations.parse({config_id: values})


def waiting(key: str, about: dict[str, str]) -> SampleRequest:
    mask = f"s3://bucket/{key.rpartition('.')[0]}.mask.png"
    message = {
        "source-ref": f"s3://bucket/{key}",
        "config-id": "LC50",
        "metadata": {"frame": "1", "mask-ref": mask},
    }
    return SampleRequest("id-1", "bucket", key, "image/jpeg", message, about)


def test_a_sample_moves_to_the_new_prefix_of_its_configuration() -> None:
    old = waiting("low/Demo_Core/fruit-abababababab/1.jpg", ABOUT)
    new = moved(old, kept("lowest", "other"), "Demo_Core")
    assert new is not None
    key = "lowest/Demo_Core/fruit-abababababab/1.jpg"
    assert (new.bucket, new.key, new.id, new.about) == ("other", key, old.id, ABOUT)
    assert new.message["source-ref"] == f"s3://other/{key}"
    mask = "s3://other/lowest/Demo_Core/fruit-abababababab/1.mask.png"
    assert new.message["metadata"] == {"frame": "1", "mask-ref": mask}
    assert old.message["source-ref"] == f"s3://bucket/{old.key}"


def test_a_sample_without_metadata_moves_too() -> None:
    new = moved(waiting("low/1.jpg", {}), kept("lowest"), "")
    assert new is not None
    assert new.key == "lowest/1.jpg"


def test_a_sample_of_a_renamed_configuration_goes_to_one_that_there_is() -> None:
    new = moved(waiting("low/1.jpg", {}), kept("lowest", config_id="LC40"), "")
    assert new is not None
    assert new.key == "lowest/1.jpg"


def test_a_sample_in_its_place_stays() -> None:
    assert moved(waiting("low/1.jpg", {}), kept("low"), "") is None
    assert moved(waiting("low/1.jpg", {}), None, "") is None


def test_a_changed_prefix_does_not_strand_what_waits_on_disk(tmp_path: Path, cloud: Cloud) -> None:
    cloud.refused = lambda bucket, key: key.startswith("low/")  # what the new policy says
    spool = Spool(tmp_path, MEGABYTE)
    request = waiting("low/fruit-abababababab/1.jpg", ABOUT)
    spool.add((request,), b"image", b"mask")
    uploader = _uploader(spool, cloud, lambda one: moved(one, kept("lowest"), ""))
    eventually(lambda: len(spool) == 0)
    uploader.close(1)
    key = "lowest/fruit-abababababab/1.jpg"
    assert cloud.metadata[key] == ABOUT
    assert cloud.bodies["lowest/fruit-abababababab/1.mask.png"] == (b"mask", "image/png")
    refs = [
        one["source-ref"] for topic, one in cloud.messages if topic == FEEDBACK_PREDICTION_TOPIC
    ]
    assert refs == [f"s3://bucket/{key}"]
    assert (uploader.counters.finished, uploader.counters.refused) == (1, 0)
    assert uploader.faults == {}


def test_not_every_sample_has_to_be_refused_before_it_moves(tmp_path: Path, cloud: Cloud) -> None:
    """After two refusals a folder is tried only now and then: thousands would take hours."""
    cloud.refused = lambda bucket, key: key.startswith("low/")
    spool = Spool(tmp_path, MEGABYTE)
    for number in range(20):
        spool.add((replace(waiting(f"low/{number}.jpg", ABOUT), id=f"id-{number}"),), b"image")
    uploader = _uploader(spool, cloud, lambda one: moved(one, kept("lowest"), ""))
    eventually(lambda: len(spool) == 0)
    uploader.close(1)
    assert len(cloud.objects) == 20
    assert len([key for key in cloud.tries if key.startswith("low/")]) == 2
    assert uploader.faults == {}


def test_a_place_that_still_accepts_keeps_its_samples(tmp_path: Path, cloud: Cloud) -> None:
    spool = Spool(tmp_path, MEGABYTE)
    spool.add((replace(waiting("low/1.jpg", ABOUT)),), b"image")
    uploader = _uploader(spool, cloud, lambda one: moved(one, kept("lowest"), ""))
    eventually(lambda: len(spool) == 0)
    uploader.close(1)
    assert cloud.objects == [("bucket", "low/1.jpg")]


def _uploader(
    spool: Spool, cloud: Cloud, move: Callable[[SampleRequest], SampleRequest | None]
) -> Uploader:
    return Uploader(
        spool, cloud.put_object, cloud.send, moved=move, first_wait=0.01, longest_wait=0.05
    )
