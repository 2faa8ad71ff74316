"""The model as the group's machine learning resource."""

from aws_cdk import aws_greengrass as greengrass
from constructs import Construct

MODEL_RESOURCE_ID = "DlrModel"

DESTINATION_PATH = "/dlr_model"
"""Where the function finds the model, below the prefix that the core sets."""

OWNER_GROUP = "ggc_group"
"""The Linux group that V1's set-up creates, in which functions run by default. Without a container,
a function can only read a resource that has an owner."""


class ResourceDefinition(Construct):
    """A definition with one resource: the model's archive, which the core unpacks, read-only."""

    def __init__(
        self, scope: Construct, construct_id: str, *, core_name: str, model_uri: str
    ) -> None:
        super().__init__(scope, construct_id)
        definition = greengrass.CfnResourceDefinition(
            self, "Resource", name=f"{core_name}_Resources"
        )
        kind = greengrass.CfnResourceDefinitionVersion
        version = kind(
            self,
            "Version",
            resource_definition_id=definition.attr_id,
            resources=[
                kind.ResourceInstanceProperty(
                    id=MODEL_RESOURCE_ID,
                    name=MODEL_RESOURCE_ID,
                    resource_data_container=kind.ResourceDataContainerProperty(
                        s3_machine_learning_model_resource_data=(
                            kind.S3MachineLearningModelResourceDataProperty(
                                destination_path=DESTINATION_PATH,
                                s3_uri=model_uri,
                                owner_setting=kind.ResourceDownloadOwnerSettingProperty(
                                    group_owner=OWNER_GROUP, group_permission="ro"
                                ),
                            )
                        )
                    ),
                )
            ],
        )
        self.version_arn = version.ref
