"""The function that runs inference on the core."""

import shutil
import tempfile
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from edge_functions import CODE_FOLDER
from inference.model.profiles import profile
from stacks.component.artifacts import NOT_DEPLOYED, stage_profile

HANDLER = "lambda_function.function_handler"

RUNTIME = lambda_.Runtime.PYTHON_3_8
"""The newest that a V1 core runs. AWS deprecated it, and rejects new functions from 2027-02-01."""

ALIAS = "core"

_MANAGED_LOG_GROUP = "@aws-cdk/aws-lambda:useCdkManagedLogGroup"
_PROFILE_FOLDER = "model_profile"


class InferenceFunction(Construct):
    """A Lambda function that never runs in the cloud: a core downloads the version of its alias.

    So its role has no permission, and it has no log group. The SDK and the packages that it imports
    are installed on the core: OpenCV and DLR are too large and too platform-specific for the
    archive.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, core_name: str, model_profile: str
    ) -> None:
        super().__init__(scope, construct_id)
        self.node.set_context(_MANAGED_LOG_GROUP, False)
        role = iam.Role(
            self,
            "Role",
            description="Nothing: the function runs on Greengrass cores, by the group's role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )
        with tempfile.TemporaryDirectory() as folder:
            path = CODE_FOLDER
            if profile_on_core(model_profile) != model_profile:
                path = Path(folder) / "code"
                _stage(path, model_profile)
            function = lambda_.Function(
                self,
                "Resource",
                description=f"Image inference on the Greengrass core of {core_name}",
                runtime=RUNTIME,
                handler=HANDLER,
                role=role,
                code=lambda_.Code.from_asset(
                    str(path), exclude=list(NOT_DEPLOYED), ignore_mode=cdk.IgnoreMode.GIT
                ),
            )
        # CDK creates a version when the content changes, and never the same one twice.
        alias = lambda_.Alias(self, "Alias", alias_name=ALIAS, version=function.current_version)
        self.name = function.function_name
        self.alias_arn = alias.function_arn
        _acknowledge_runtime(function)


def profile_on_core(model_profile: str) -> str:
    """Return the profile as the function receives it: a built-in name, or a path in its folder."""
    if model_profile in profile.builtin_profiles():
        return model_profile
    return f"{_PROFILE_FOLDER}/profile.json"


def _stage(folder: Path, model_profile: str) -> None:
    """Copy the code into ``folder``, and beside it the profile, which is not built in."""
    ignored = shutil.ignore_patterns(*NOT_DEPLOYED)
    shutil.copytree(CODE_FOLDER, folder, ignore=ignored)
    (folder / _PROFILE_FOLDER).mkdir()
    stage_profile(model_profile, folder / _PROFILE_FOLDER)


def _acknowledge_runtime(function: lambda_.Function) -> None:
    reason = (
        "The function runs on Greengrass V1 cores only, whose last release knows Python 3.7 and "
        "3.8, and CloudFormation cannot set FunctionRuntimeOverride."
    )
    resource = function.node.default_child
    assert isinstance(resource, cdk.CfnResource)
    resource.add_metadata("cfn-lint", {"config": {"ignore_checks": ["W2531"]}})
    for rule in ("AwsSolutions-L1", "CloudFormation-Validate::W2531"):
        cdk.Validations.of(function).acknowledge(cdk.Acknowledgment(id=rule, reason=reason))
