"""The model as an archive that the first generation can fetch."""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from stacks.context.model_source import S3Object, TrainingJob

SERVICE_ROLE_WORDS = ("greengrass", "sagemaker")
"""AWS's managed policy of the service role only reads buckets with one of these in their names."""


class ModelArchive(Construct):
    """A model in S3 or of a training job, or a local folder or zip, which is published as a zip.

    ``source`` is its S3 URI, or the training job.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, model: S3Object | Path | TrainingJob
    ) -> None:
        super().__init__(scope, construct_id)
        self.source: str | TrainingJob
        if isinstance(model, TrainingJob):
            self.source = model  # the bucket of its output is not known here
            return
        bucket = "the bootstrap bucket"
        if isinstance(model, S3Object):
            bucket = model.bucket
            self.source = f"s3://{model.bucket}/{model.key}"
        else:
            self.source = s3_assets.Asset(self, "Model", path=str(model)).s3_object_url
        if not any(word in bucket for word in SERVICE_ROLE_WORDS):
            # The CLI shows no note beside a warning, and each stack of V1 has one.
            cdk.Annotations.of(self).add_warning_v2(
                "mli-greengrass:serviceRole",
                f"The account's Greengrass service role must be able to read the model in {bucket}"
                ": AWS's managed policy covers only buckets with greengrass or sagemaker in their "
                "names. Give the role s3:GetObject there, as docs/v1.md shows",
            )
