"""The model as the group's machine learning resource."""

from aws_cdk import aws_greengrass as greengrass
from constructs import Construct

from stacks.context.model_source import TrainingJob

MODEL_RESOURCE_ID = "DlrModel"

DESTINATION_PATH = "/dlr_model"
"""Where the function finds the model, below the prefix that the core sets."""

OWNER_GROUP = "ggc_model"
"""The Linux group that may read the model, and that the core adds to the function's groups. Without
a container, a function can only read a resource that has an owner.

It is none that functions run in: a core refuses a group in which a function, such as a connector,
could read a model because of its own Linux group, without being given it.
https://docs.aws.amazon.com/greengrass/v1/developerguide/access-ml-resources.html#ml-resource-owner
"""

_KIND = greengrass.CfnResourceDefinitionVersion


class ResourceDefinition(Construct):
    """A definition with one resource: the model's archive, which the core unpacks, read-only.

    It is in S3 at ``model``, or is the output of that training job, for the connector. AWS runs its
    connector in a container, whose resource needs no owner.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, core_name: str, model: str | TrainingJob
    ) -> None:
        super().__init__(scope, construct_id)
        definition = greengrass.CfnResourceDefinition(
            self, "Resource", name=f"{core_name}_Resources"
        )
        version = _KIND(
            self,
            "Version",
            resource_definition_id=definition.attr_id,
            resources=[
                _KIND.ResourceInstanceProperty(
                    id=MODEL_RESOURCE_ID,
                    name=MODEL_RESOURCE_ID,
                    resource_data_container=_data(model),
                )
            ],
        )
        self.version_arn = version.ref


def _data(model: str | TrainingJob) -> _KIND.ResourceDataContainerProperty:
    if isinstance(model, TrainingJob):
        return _KIND.ResourceDataContainerProperty(
            sage_maker_machine_learning_model_resource_data=(
                _KIND.SageMakerMachineLearningModelResourceDataProperty(
                    destination_path=DESTINATION_PATH, sage_maker_job_arn=model.arn
                )
            )
        )
    return _KIND.ResourceDataContainerProperty(
        s3_machine_learning_model_resource_data=(
            _KIND.S3MachineLearningModelResourceDataProperty(
                destination_path=DESTINATION_PATH,
                s3_uri=model,
                owner_setting=_KIND.ResourceDownloadOwnerSettingProperty(
                    group_owner=OWNER_GROUP, group_permission="ro"
                ),
            )
        )
    )
