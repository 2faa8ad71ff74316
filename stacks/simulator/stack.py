"""A separate stack for the EC2 core, so that it is created and deleted without the core's own."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from stacks import names
from stacks.context.settings import Settings
from stacks.simulator.instance import SimulatorInstance
from stacks.simulator.network import SimulatorNetwork
from stacks.simulator.set_up import SetUpScript

SETUP_ZIP = "greengrass-setup.zip"

_USER = "ec2-user"
_OUTBOUND = {443: "Packages, AWS and the data plane", 8443: "The data plane", 8883: "MQTT"}


class SimulatorStack(cdk.Stack):
    """An instance that waits for the core's certificate, reached by Session Manager.

    It opens no port, except SSH for one network if the settings have one.
    """

    def __init__(self, scope: Construct, *, settings: Settings, set_up: SetUpScript) -> None:
        super().__init__(
            scope,
            names.simulator_stack_name(settings.core_name),
            description=f"EC2 instance that plays the Greengrass core {settings.core_name}",
        )
        network = SimulatorNetwork.of(self, settings)
        simulator = SimulatorInstance(
            self,
            "Simulator",
            settings=settings,
            set_up=set_up,
            network=network,
            security_group=self._security_group(network.vpc, settings.simulator_ssh_cidr),
        )
        instance = simulator.instance
        # In an existing network it may have no public address.
        host = instance.instance_public_dns_name if network.is_own else instance.instance_private_ip
        self._add_outputs(instance, settings.simulator_key_name, host)

    def _security_group(self, vpc: ec2.IVpc, ssh_cidr: str | None) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            self,
            "Ports",
            vpc=vpc,
            description="Outbound only, but for SSH where it was asked for",
            allow_all_outbound=False,
        )
        for port, description in _OUTBOUND.items():
            group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port), description)
        if ssh_cidr is not None:
            group.add_ingress_rule(ec2.Peer.ipv4(ssh_cidr), ec2.Port.tcp(22), "SSH, as asked for")
        return group

    def _add_outputs(self, instance: ec2.Instance, key_name: str | None, host: str) -> None:
        instance_id = instance.instance_id
        region = f"--region {self.region}"
        values = {
            "InstanceId": instance_id,
            "CommandToConnect": f"aws ssm start-session {region} --target {instance_id}",
            "CommandToCopySetup": (
                f"scp -i {key_name}.pem {SETUP_ZIP} {_USER}@{host}:"
                if key_name
                else _copy_through_session_manager(region, instance_id)
            ),
            "CommandToRestartCore": (
                f"aws ssm send-command {region} --instance-ids {instance_id}"
                " --document-name AWS-RunShellScript"
                f" --parameters 'commands=[\"greengrass-setup /home/{_USER}/{SETUP_ZIP}\"]'"
            ),
        }
        for name, value in values.items():
            cdk.CfnOutput(self, name, value=value)


def _copy_through_session_manager(region: str, instance_id: str) -> str:
    """Return the command that copies the zip without an open port and without a key pair.

    EC2 Instance Connect accepts the user's own public key for a minute. The private key in the zip
    appears in no log, as it would in a parameter of Systems Manager.
    """
    return (
        f"aws ec2-instance-connect send-ssh-public-key {region} --instance-id {instance_id}"
        f" --instance-os-user {_USER} --ssh-public-key file://$HOME/.ssh/id_ed25519.pub"
        f" && scp -i $HOME/.ssh/id_ed25519 -o ProxyCommand='aws ssm start-session {region}"
        " --target %h --document-name AWS-StartSSHSession --parameters portNumber=%p'"
        f" {SETUP_ZIP} {_USER}@{instance_id}:"
    )
