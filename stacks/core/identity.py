"""Who a core is: its thing, its certificate, and what that certificate may do."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import aws_iot as iot
from constructs import Construct, IDependable

from stacks import names
from stacks.arns import regional_arn


class CoreIdentity(Construct):
    """A core's thing and policies, attached to its certificate; the same for both generations.

    The certificate exists already (``certificate``, an id or an ARN), or is created from a signing
    request (``certificate_signing_request``, PEM), so that its key never leaves the core.

    ``policies`` are documents by the last part of their names. There may be several, because one
    alone could exceed the 2,048 characters that AWS IoT accepts.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        core_name: str,
        certificate: str | None,
        certificate_signing_request: str | None,
        policies: Mapping[str, dict[str, Any]],
    ) -> None:
        super().__init__(scope, construct_id)
        self.certificate_arn = self._certificate(certificate, certificate_signing_request)
        thing = iot.CfnThing(self, "Thing", thing_name=names.thing_name(core_name))
        self.attachments: list[IDependable] = [
            iot.CfnThingPrincipalAttachment(
                self, "ThingAttachment", thing_name=thing.ref, principal=self.certificate_arn
            )
        ]
        """Whatever makes the core act must depend on these: they give it its permissions."""
        for kind, document in policies.items():
            policy = iot.CfnPolicy(
                self, kind, policy_name=f"{core_name}_{kind}", policy_document=document
            )
            self.attachments.append(
                iot.CfnPolicyPrincipalAttachment(
                    self,
                    f"{kind}Attachment",
                    policy_name=policy.ref,
                    principal=self.certificate_arn,
                )
            )
        self.thing_name = thing.ref
        self.thing_arn = thing.attr_arn

    def _certificate(self, certificate: str | None, request: str | None) -> str:
        self.created_certificate: iot.CfnCertificate | None = None
        if certificate is not None:
            if certificate.startswith("arn:"):
                return certificate
            return regional_arn("iot", f"cert/{certificate}")
        if request is None:
            raise ValueError("a core needs a certificate or a signing request")
        created = iot.CfnCertificate(
            self, "Certificate", status="ACTIVE", certificate_signing_request=request
        )
        self.created_certificate = created
        return created.attr_arn
