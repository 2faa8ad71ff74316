"""What the tests of the provisioning commands share."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.awsrequest import AWSResponse
from click.testing import CliRunner, Result

from inference import names as device_names
from inference.outgoing.telemetry import Report, Telemetry
from inference.sources.status import STREAMING
from local_core.cloud import LocalCloud
from mli.cli.main import main
from stacks import names
from stacks.core.nucleus_configuration import NucleusConfiguration
from tests.cloud.support import Stacks, publish_health, recipe, report_deployment
from tests.stacks import telemetry_table

CAMERA: Mapping[str, Any] = {"name": "static", "state": STREAMING, "reason": ""}
ACCOUNT = "arn:aws:iot:us-east-1:000000000000"


@dataclass(frozen=True)
class Commands:
    """``mli`` in a folder."""

    folder: Path

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command that ends with ``code``; return all that it says."""
        return self.result(*arguments, code=code).output

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Run a command with --json; return its result."""
        result = self.result(*arguments, "--json", code=code)
        found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
        return found

    def result(self, *arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, arguments)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result


@dataclass(frozen=True)
class DeployedCore:
    """A stack with the outputs, thing, policies and deployment that a core's stack has."""

    cloud: LocalCloud
    name: str
    group_id: str = ""

    @classmethod
    def deployed(
        cls, cloud: LocalCloud, *, generation: int, keeps_telemetry: bool = True
    ) -> DeployedCore:
        name = f"T{uuid.uuid4().hex[:8]}"
        group_id = _group(cloud, name) if generation == 1 else ""
        core = cls(cloud, name, group_id)
        outputs = core._v1_outputs() if generation == 1 else core._v2_outputs()
        resources = core._thing()
        if generation == 2 and keeps_telemetry:
            resources |= telemetry_table.of_core(name)
            outputs |= telemetry_table.output()
        Stacks(cloud).deploy(names.stack_name(name), resources, outputs)
        if generation == 2:
            core._add_policies()
            core._add_deployment()
        return core

    @property
    def thing(self) -> str:
        return names.thing_name(self.name)

    @property
    def thing_arn(self) -> str:
        return f"{ACCOUNT}:thing/{self.thing}"

    @property
    def component(self) -> str:
        return names.component_name(self.name)

    def attach(self, certificate_arn: str) -> None:
        iot = self.cloud.client("iot")
        iot.attach_thing_principal(thingName=self.thing, principal=certificate_arn)

    def attach_id(self, certificate_id: str) -> None:
        self.attach(f"{ACCOUNT}:cert/{certificate_id}")

    def latest_deployment(self) -> str:
        greengrass = self.cloud.client("greengrassv2")
        [found] = greengrass.list_deployments(targetArn=self.thing_arn)["deployments"]
        return str(found["deploymentId"])

    def report(
        self,
        status: str,
        reason: str = "",
        *,
        state: str = "RUNNING",
        runtime: str = "aws_nucleus_classic",
    ) -> None:
        """Say what the core would of its latest deployment, and of its component."""
        publish_health(
            self.cloud,
            self.thing,
            {
                "overallDeviceStatus": "HEALTHY" if state == "RUNNING" else "UNHEALTHY",
                "ggcVersion": "2.18.1",
                "runtime": runtime,
                "components": [
                    {"componentName": self.component, "version": "1.0.0", "status": state}
                ],
            },
        )
        report_deployment(self.cloud, self.thing, status, reason)

    def speak(self, **changes: Any) -> None:
        """Send telemetry as the core would, with these changes."""
        speak(self.cloud, self.name, self.component, **changes)

    def report_group(self, status: str, error: str | None = None) -> None:
        """Say what the core would of its group's latest deployment."""
        greengrass = self.cloud.client("greengrass")
        latest = greengrass.list_deployments(GroupId=self.group_id)["Deployments"]
        identity = max(latest, key=lambda item: item["CreatedAt"])["DeploymentId"]
        report = {"groupId": self.group_id, "deploymentId": identity, "status": status}
        _post(f"{self.cloud.endpoint}/_core/1/things/{self.thing}", {**report, "error": error})

    def add_group_version(self, *, to_stack: bool) -> None:
        """Add a version to the group, which is the stack's only if an update ended well."""
        greengrass = self.cloud.client("greengrass")
        group = greengrass.get_group(GroupId=self.group_id)
        version = greengrass.get_group_version(
            GroupId=self.group_id, GroupVersionId=group["LatestVersion"]
        )
        greengrass.create_group_version(GroupId=self.group_id, **version["Definition"])
        if to_stack:
            stack = names.stack_name(self.name)
            Stacks(self.cloud).deploy(stack, self._thing(), self._v1_outputs())

    def deployed_group_version(self) -> str:
        """Return the version of the group that is deployed to the core."""
        with urllib.request.urlopen(f"{self.cloud.endpoint}/_core/1/things/{self.thing}") as reply:
            return str(json.load(reply)["groupVersionId"])

    def table(self) -> str:
        """Return the table with its telemetry."""
        return Stacks(self.cloud).outputs(names.stack_name(self.name))[telemetry_table.OUTPUT]

    def _thing(self) -> dict[str, Any]:
        return {"Thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": self.thing}}}

    def _v2_outputs(self) -> dict[str, str]:
        configuration = nucleus_configurations(
            self.cloud, self.thing, names.role_alias_name(self.name)
        )
        return {"GreengrassConfig": configuration, "DeploymentTarget": self.thing_arn}

    def _v1_outputs(self) -> dict[str, str]:
        from stacks.v1.group_outputs import core_configuration, deploy_command

        configuration = core_configuration(
            thing_arn=self.thing_arn, iot_host="iot.example", greengrass_host="gg.example"
        )
        group = self.cloud.client("greengrass").get_group(GroupId=self.group_id)
        command = deploy_command(
            region="us-east-1", group_id=self.group_id, version_id=group["LatestVersion"]
        )
        return {
            "GreengrassConfig": json.dumps(configuration),
            "GreengrassGroupID": self.group_id,
            "CommandToDeployGroup": command,
        }

    def _add_policies(self) -> None:
        iot = self.cloud.client("iot")
        documents = policy_documents(self.name, names.role_alias_name(self.name))
        for kind, content in documents.items():
            iot.create_policy(policyName=f"{self.name}_{kind}", policyDocument=json.dumps(content))

    def _add_deployment(self) -> None:
        greengrass = self.cloud.client("greengrassv2")
        text = json.dumps(recipe(self.component, "1.0.0")).encode()
        greengrass.create_component_version(inlineRecipe=text)
        control = {
            "aws.greengrass.ipc.mqttproxy": {
                f"{self.component}:mqttproxy:1": {
                    "operations": ["aws.greengrass#PublishToIoTCore"],
                    "resources": list(names.published_topics(self.name)),
                }
            }
        }
        merge = {"coreName": self.name, "topK": 5, "accessControl": control}
        greengrass.create_deployment(
            targetArn=self.thing_arn,
            deploymentName=names.stack_name(self.name),
            components={
                self.component: {
                    "componentVersion": "1.0.0",
                    "configurationUpdate": {"reset": [""], "merge": json.dumps(merge)},
                }
            },
            deploymentPolicies={"failureHandlingPolicy": "ROLLBACK"},
        )


def speak(cloud: LocalCloud, core_name: str, component: str, /, **changes: Any) -> None:
    """Send what the telemetry of a component contains; ``changes`` replace its members."""
    report = Report([], {"read": 5, "predicted": 5, "failed": 0}, {"queued": 0}, {}, [CAMERA])
    telemetry = Telemetry(
        core_name=core_name,
        model={"name": "classifier", "sha256": "0" * 64},
        versions={"component": "1.0.0"},
        report=lambda: report,
        configuration="0123456789ab",
        component=component,
    )
    cloud.client("iot-data").publish(
        topic=device_names.telemetry_topic(core_name),
        qos=1,
        payload=json.dumps({**telemetry.message(), **changes}).encode(),
    )


def policy_documents(core_name: str, role_alias: str) -> dict[str, dict[str, Any]]:
    """Return the policies that a stack gives a core, by the last part of their names."""
    things = f"$aws/things/{names.thing_name(core_name)}*"
    topics = [f"{ACCOUNT}:topic/{topic}" for topic in names.published_topics(core_name)]
    statements = {
        "CorePolicy": [
            ("iot:Connect", [f"{ACCOUNT}:client/{names.thing_name(core_name)}*"]),
            ("iot:Publish", [f"{ACCOUNT}:topic/{things}/jobs/*"]),
            ("iot:Subscribe", [f"{ACCOUNT}:topicfilter/{things}/jobs/*"]),
            ("iot:AssumeRoleWithCertificate", [f"{ACCOUNT}:rolealias/{role_alias}"]),
            ("greengrass:ResolveComponentCandidates", ["*"]),
        ],
        "PublishPolicy": [("iot:Publish", topics)],
    }
    return {
        kind: {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": [action], "Resource": resources}
                for action, resources in found
            ],
        }
        for kind, found in statements.items()
    }


def nucleus_configurations(cloud: LocalCloud, thing: str, role_alias: str) -> str:
    """Return the output GreengrassConfig of a V2 stack."""
    configuration = NucleusConfiguration(
        thing_name=thing,
        role_alias=role_alias,
        region="us-east-1",
        data_endpoint=f"127.0.0.1:{cloud.mqtt_port}",
        credentials_endpoint=cloud.credential_endpoint,
    )
    return json.dumps({"classic": configuration.classic(), "lite": configuration.lite()})


def refusal(code: str, message: str, status: int = 400) -> Callable[..., AWSResponse]:
    """Return a handler of botocore's ``before-send`` by which AWS refuses a request.

    CloudFormation answers in XML, in which the codes have no "Exception" at their ends.
    """

    def answer(request: Any, **options: Any) -> AWSResponse:
        if b"urlencoded" in _bytes(request.headers.get("Content-Type", "")):
            error = f"<Code>{code.removesuffix('Exception')}</Code><Message>{message}</Message>"
            text = f"<ErrorResponse><Error>{error}</Error></ErrorResponse>"
            return AWSResponse(request.url, status, {}, _Raw(text))
        headers = {"x-amzn-errortype": code, "content-type": "application/json"}
        text = json.dumps({"__type": code, "message": message, "Message": message})
        return AWSResponse(request.url, status, headers, _Raw(text))

    return answer


class _Raw:
    """A body as urllib3 has it."""

    def __init__(self, text: str) -> None:
        self._content = text.encode()

    def stream(self, **options: Any) -> Iterator[bytes]:
        yield self._content


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _group(cloud: LocalCloud, name: str) -> str:
    greengrass = cloud.client("greengrass")
    thing = f"{ACCOUNT}:thing/{names.thing_name(name)}"
    cores = [
        {
            "Id": "core",
            "ThingArn": thing,
            "CertificateArn": f"{ACCOUNT}:cert/{'0' * 64}",
            "SyncShadow": False,
        }
    ]
    definition = greengrass.create_core_definition(Name="c", InitialVersion={"Cores": cores})
    arn = definition["LatestVersionArn"]
    group = greengrass.create_group(Name=name, InitialVersion={"CoreDefinitionVersionArn": arn})
    greengrass.associate_service_role_to_account(RoleArn="arn:aws:iam::000000000000:role/r")
    return str(group["Id"])


def _post(url: str, content: Mapping[str, Any]) -> None:
    request = urllib.request.Request(url, data=json.dumps(content).encode(), method="POST")
    urllib.request.urlopen(request).close()
