"""The training jobs of SageMaker, which a Greengrass V1 group can name as the source of a model.

A job is complete once it is created: nothing trains here. Whoever creates one puts its model where
a real job does, at ``<S3OutputPath>/<name>/output/model.tar.gz``.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from .. import location
from ..api.errors import ApiError
from ..api.rest_api import HttpReply, Reply, Request, RestApi

_TARGET = "SageMaker."
_SHOWN = ("AlgorithmSpecification", "OutputDataConfig", "ResourceConfig", "StoppingCondition")


class TrainingJobs(RestApi):
    """The two operations on training jobs. SageMaker's protocol names them in a header."""

    def __init__(self) -> None:
        self._jobs: dict[str, dict[str, Any]] = {}
        operations = {"CreateTrainingJob": self._create, "DescribeTrainingJob": self._describe}
        super().__init__("sagemaker", operations, fault_code="ValidationException")

    def serves(self, method: str, path: str) -> bool:
        """Return true: all requests to SageMaker are for this API."""
        return True

    def serve(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> HttpReply | None:
        """Answer one HTTP request."""
        name = headers.get("x-amz-target", "").removeprefix(_TARGET)
        try:
            if name not in self._operations:
                reason = f"the local cloud does not serve SageMaker's {name}"
                raise ApiError("UnknownOperationException", reason)
            return HttpReply.of_json(self.call(name, json.loads(body)))
        except ApiError as error:
            fault = {"__type": error.code, "message": error.message}
            return HttpReply.of_json(fault, error.status)

    def _create(self, request: Request) -> Reply:
        name = request["TrainingJobName"]
        if name in self._jobs:
            raise ApiError("ResourceInUse", f"Training job {name} exists")
        now = time.time()
        place = request["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        arn = location.arn("sagemaker", f"training-job/{name}")
        self._jobs[name] = {
            **{key: request[key] for key in _SHOWN},
            "TrainingJobName": name,
            "TrainingJobArn": arn,
            "ModelArtifacts": {"S3ModelArtifacts": f"{place}/{name}/output/model.tar.gz"},
            "TrainingJobStatus": "Completed",
            "SecondaryStatus": "Completed",
            "CreationTime": now,
            "TrainingEndTime": now,
        }
        return {"TrainingJobArn": arn}

    def _describe(self, request: Request) -> Reply:
        try:
            return self._jobs[request["TrainingJobName"]]
        except KeyError:
            reason = "Requested resource not found."
            raise ApiError("ValidationException", reason) from None
