"""The account's own AWS IoT endpoints, which no CloudFormation resource has as an attribute."""

from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.custom_resources.provider import CustomResourceProvider
from stacks.nag_acknowledgments import acknowledge_wildcards


class IotEndpoints(Construct):
    """Host names of the broker and of the credentials provider, known during deployment."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        policy = iam.Policy(
            self,
            "Policy",
            statements=[
                iam.PolicyStatement(
                    sid="DescribeEndpoint", actions=["iot:DescribeEndpoint"], resources=["*"]
                )
            ],
        )
        acknowledge_wildcards(
            policy,
            ["*"],
            "DescribeEndpoint takes no resource: an account has one endpoint of each kind.",
        )
        found = CustomResourceProvider.of(self).resource(
            self, "Resource", resource_type="Custom::IotEndpoints", properties={}, policy=policy
        )
        self.data = found.get_att_string("Data")
        """Host name of the broker, with a certificate of Amazon's own authority."""
        self.credentials = found.get_att_string("Credentials")
        """Host name of the credentials provider, which V2 cores need."""
