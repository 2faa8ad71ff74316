"""AWS's Image Classification connector, which predicts in place of the function's DLR.

https://docs.aws.amazon.com/greengrass/v1/developerguide/image-classification-connector.html
"""

from stacks.context.model_source import TrainingJob
from stacks.v1.connector_definition import Connector, connector_arn, function_arn
from stacks.v1.resource_definition import DESTINATION_PATH, MODEL_RESOURCE_ID

SERVICE_NAME = "image-classification"
"""Name of the local inference service: one core has one."""

TIMEOUT_SECONDS = 15
"""Time limit of one prediction."""

MEMORY_LIMIT_KB = 512_000
"""Memory for the connector, with MXNet and the model; AWS's example has 500,000."""

_VERSION = 2
_PLATFORMS = {"x86_64": "x86-64", "armv7l": "ARMv7", "aarch64": "Aarch64JTX2"}
"""The connectors' own names of processors. That for aarch64 is for NVIDIA's Jetson TX2."""


def image_classification_connector(
    job: TrainingJob, architecture: str, accelerator: str, feedback_id: str | None
) -> Connector:
    """Return the connector for a processor, which loads the model of a training job.

    It offers each frame to the feedback configuration ``feedback_id``, if that is given.
    """
    parameters = {
        "MLModelDestinationPath": DESTINATION_PATH,
        "MLModelResourceId": MODEL_RESOURCE_ID,
        "MLModelSageMakerJobArn": job.arn,
        "LocalInferenceServiceName": SERVICE_NAME,
        "LocalInferenceServiceTimeoutSeconds": str(TIMEOUT_SECONDS),
        "LocalInferenceServiceMemoryLimitKB": str(MEMORY_LIMIT_KB),
    }
    if architecture == "aarch64":
        parameters["GPUAcceleration"] = "GPU" if accelerator == "gpu" else "CPU"
    if feedback_id is not None:
        parameters["MLFeedbackConnectorConfigId"] = feedback_id
    return Connector(
        id="ImageClassification",
        arn=connector_arn(f"ImageClassification{_PLATFORMS[architecture]}", _VERSION),
        function_arn=function_arn(f"GG-ML-INF-image-classification-{SERVICE_NAME}"),
        parameters=parameters,
        log_name=f"{SERVICE_NAME}*",  # AWS's guide says that its logs have this prefix
    )
