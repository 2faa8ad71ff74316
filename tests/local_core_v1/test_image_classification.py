"""The stand-in for the Image Classification connector, called as AWS's SDK calls it.

A real function process, a real model in DLR, and the MLFeedback connector behind it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_functions import CODE_FOLDER
from inference.feedback.configuration import FeedbackConfigurations
from inference.settings import InferenceSettings
from inference.v1.environment import INFERENCE_CONNECTOR, MODEL_PROFILE, FunctionEnvironment
from local_core.v1.group import GroupDocuments, GroupError
from tests.e2e.expected import probabilities
from tests.local_core_v1.support import (
    CONNECTOR,
    FEEDBACK,
    FUNCTION,
    IDLE,
    SAYS,
    TALK,
    World,
    archive,
    connector_entry,
    feedback_map,
    function_entry,
    group,
)
from tests.local_core_v1.test_inference_function import (
    MODEL,
    TOPIC,
    code_archive,
    model_archive,
)
from tests.waiting import eventually

JOB = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/pets"
CLASSIFIER = "arn:aws:greengrass:eu-west-1::/connectors/ImageClassificationx86-64/versions/2"
SERVICE = "arn:aws:lambda:eu-west-1:aws:function:GG-ML-INF-image-classification-pets"
PARAMETERS = {
    "MLModelDestinationPath": "/model",
    "MLModelResourceId": "model",
    "MLModelSageMakerJobArn": JOB,
    "LocalInferenceServiceName": "pets",
    "LocalInferenceServiceTimeoutSeconds": "15",
    "LocalInferenceServiceMemoryLimitKB": "512000",
    "MLFeedbackConnectorConfigId": "All",
}
RESOURCE = {
    "Id": "model",
    "Name": "DlrModel",
    "ResourceDataContainer": {
        "SageMakerMachineLearningModelResourceData": {
            "DestinationPath": "/model",
            "SageMakerJobArn": JOB,
        }
    },
}
VARIABLES = {INFERENCE_CONNECTOR: SERVICE, MODEL_PROFILE: MODEL}
ASK = f"""
import base64
def infer(image, content_type='image/jpeg'):
    custom = {{'Content-Type': content_type}}
    context = base64.b64encode(json.dumps({{'custom': custom}}).encode())
    return attempt(functions.invoke, FunctionName={SERVICE!r}, InvocationType='RequestResponse',
                   ClientContext=context, Payload=image)
"""
WAYS = [SAYS, (FUNCTION, "mli/#", "cloud"), (CONNECTOR, "feedback/message/#", "cloud")]


def documents(
    variables: dict[str, str] = VARIABLES, *, feedback: bool = True, **parameters: str
) -> GroupDocuments:
    """A group whose function uses the connector; parameters are added to it."""
    classifier = {
        "Id": "Classifier",
        "ConnectorArn": CLASSIFIER,
        "Parameters": {**PARAMETERS, **parameters},
    }
    configurations = feedback_map(
        All=("RANDOM_SAMPLING", 1.0), LC50=("LEAST_CONFIDENCE", 0.5), Entropy=("ENTROPY", 1.0)
    )
    connectors: list[dict[str, Any]] = [classifier]
    if feedback:
        connectors.append(connector_entry(configurations))
    ways = WAYS if feedback else WAYS[:2]
    return group([function_entry(FUNCTION, Variables=variables)], ways, connectors, [RESOURCE])


@pytest.fixture
def trained(world: World) -> World:
    """A world whose training job has a model."""
    world.models[JOB] = model_archive()
    return world


def test_connector_answers_the_sdk_s_call_with_probabilities_as_text(
    trained: World, photographs: Path
) -> None:
    photo = sorted(photographs.glob("*.jpg"))[0]
    trained.code[FUNCTION] = (
        TALK + ASK + f"say(**infer(open({str(photo)!r}, 'rb').read()))\n" + IDLE
    )
    with trained.core(documents(feedback=False, MLFeedbackConnectorConfigId="")):
        answer = trained.said()
    assert answer["error"] == ""
    reply = json.loads(answer["payload"])
    assert reply["Body"][0] + reply["Body"][-1] == "[]"
    assert " " not in reply["Body"]
    assert json.loads(reply["Body"]) == pytest.approx(probabilities()[0], abs=1e-6)


def test_connector_offers_image_and_prediction_to_the_configuration_that_it_names(
    trained: World, photographs: Path
) -> None:
    photo = sorted(photographs.glob("*.jpg"))[0]
    trained.code[FUNCTION] = TALK + ASK + f"infer(open({str(photo)!r}, 'rb').read())\n" + IDLE
    with trained.core(documents()):
        received = dict(trained.next_message() for _ in range(2))
    sample = received["feedback/message/prediction"]
    assert sample["config-id"] == "All"
    assert sample["model-prediction"] == pytest.approx(probabilities()[0], abs=1e-6)
    assert received["feedback/message/status"]["response"]["status"] == "success"
    [(body, content_type)] = trained.objects.values()
    assert (body, content_type) == (photo.read_bytes(), "image/jpeg")


def test_what_is_no_jpeg_or_png_is_refused_and_the_next_image_is_classified(
    trained: World, photographs: Path
) -> None:
    photo = sorted(photographs.glob("*.jpg"))[0]
    trained.code[FUNCTION] = (
        TALK
        + ASK
        + (
            "say(**infer(b'GIF89a', 'image/gif'))\n"
            "say(**infer(b'no image'))\n"
            f"say(**infer(open({str(photo)!r}, 'rb').read()))\n" + IDLE
        )
    )
    with trained.core(documents(feedback=False, MLFeedbackConnectorConfigId="")):
        answers = [trained.said() for _ in range(3)]
    assert [one["error"] for one in answers] == ["Handled", "Handled", ""]
    assert "'image/gif' is not image/jpeg or image/png" in answers[0]["payload"]
    assert "is not an image" in answers[1]["payload"]


def environment(configurations: dict[str, Any]) -> dict[str, str]:
    """The variables of this app's function with the connector."""
    settings = InferenceSettings(
        core_name="Demo",
        inference_interval=0.02,
        confidence_threshold=0.1,
        feedback=FeedbackConfigurations.parse(configurations),
    )
    found = FunctionEnvironment(settings, "", MODEL, FEEDBACK, SERVICE)
    return found.to_variables()


def test_function_of_this_app_publishes_what_the_connector_predicts(trained: World) -> None:
    trained.code[FUNCTION] = code_archive()
    configurations = feedback_map(
        All=("RANDOM_SAMPLING", 1.0), LC50=("LEAST_CONFIDENCE", 0.5), Entropy=("ENTROPY", 1.0)
    )
    with trained.core(documents(environment(configurations))) as core:
        assert core.feedback is not None
        counters = core.feedback.counters
        eventually(lambda: counters.uploaded + counters.not_used >= 24)
    received = []
    while not trained.published.empty():
        received.append(trained.next_message())
    lists = [message for topic, message in received if topic == TOPIC]
    best = [max(vector) for vector in probabilities()]
    assert [float(found[0]["confidence"]) for found in lists[:4]] == pytest.approx(best, abs=1e-6)
    samples = [m for topic, m in received if topic == "feedback/message/prediction"]
    of_connector = [one["config-id"] for one in samples if not one["metadata"].get("core")]
    of_function = [one["config-id"] for one in samples if one["metadata"].get("core")]
    assert set(of_connector) == {"All"}
    assert abs(len(of_connector) - len(lists)) <= 1
    assert "All" not in of_function


def test_answers_of_the_service_are_probabilities_or_one_line_that_says_what_failed(
    world: World,
) -> None:
    """A function in the place of the connector gives the answers."""
    bodies = ["[0.25,0.75]", "[]", "[NaN]", "probably a cat", None]
    world.code[SERVICE] = (
        f"bodies = {bodies!r}\n"
        "def function_handler(event, context):\n"
        "    if not bodies: raise RuntimeError('out of memory')\n"
        "    return {'Body': bodies.pop(0)}\n"
    )
    world.code[FUNCTION] = TALK + (
        "from inference.v1.core import Core\n"
        "core = Core()\n"
        f"for arn in 6 * [{SERVICE!r}] + [{SERVICE.replace('pets', 'none')!r}]:\n"
        "    try: say(found=core.request_inference(arn, b'{}', 'image/jpeg'))\n"
        "    except OSError as error: say(error=str(error))\n" + IDLE
    )
    functions = [
        function_entry(FUNCTION, Variables={"PYTHONPATH": str(CODE_FOLDER)}),
        function_entry(SERVICE),
    ]
    with world.core(group(functions, [SAYS])):
        answers = [world.said() for _ in range(7)]
    assert answers[0] == {"found": [0.25, 0.75]}
    texts = [one["error"].removeprefix("the Image Classification connector") for one in answers[1:]]
    assert texts[:2] == [
        ' returned no probabilities: {"Body": "[]"}',
        ' returned no probabilities: {"Body": "[NaN]"}',
    ]
    assert all(text.startswith(" returned no probabilities: ") for text in texts[2:4])
    assert texts[4].startswith(" failed, Handled: ")
    assert "out of memory" in texts[4]
    assert "there is no function" in texts[5]


@pytest.mark.parametrize(
    ("group_documents", "reason"),
    [
        (documents(feedback=False), "the group has no MLFeedback connector"),
        (documents(MLModelResourceId="other"), "the group has no resource for its model"),
        (documents({MODEL_PROFILE: MODEL}), "no function uses it, whose profile it could take"),
        (documents(LocalInferenceServiceName=""), "has no LocalInferenceServiceName"),
    ],
)
def test_group_in_which_the_connector_cannot_work_is_refused_with_the_reason(
    trained: World, group_documents: GroupDocuments, reason: str
) -> None:
    trained.code[FUNCTION] = IDLE
    with pytest.raises(GroupError, match=reason), trained.core(group_documents):
        pass


def test_training_job_without_a_model_for_dlr_is_refused_with_the_reason(world: World) -> None:
    world.models[JOB] = archive(**{"image-classification-0010.params": b"MXNet"})
    world.code[FUNCTION] = IDLE
    with (
        pytest.raises(GroupError, match=r"cannot start: model .*there is no compiled model"),
        world.core(documents()),
    ):
        pass
