"""Copies of a version's artifacts in the stack's own bucket, made during deployment."""

from datetime import UTC, datetime

from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.component.artifact_store import ArtifactStore
from stacks.component.recipe import ComponentContent
from stacks.custom_resources.provider import CustomResourceProvider
from stacks.nag_acknowledgments import acknowledge_wildcards


class ArtifactCopies(Construct):
    """The artifacts of ``content`` in ``store``, copied by Amazon S3 itself, and their number.

    A model in the user's own bucket may be replaced under its key, which no template shows. So the
    model is looked up at every deployment: its ETag is part of the version, and other bytes become
    another version. The time of the look-up is in the template, because CloudFormation asks again
    only when a property changes.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        store: ArtifactStore,
        content: ComponentContent,
    ) -> None:
        super().__init__(scope, construct_id)
        policy = iam.Policy(
            self,
            "Policy",
            statements=[
                iam.PolicyStatement(
                    sid="ReadSources",
                    actions=["s3:GetObject"],
                    resources=[part.object_arn for part in content.artifacts],
                ),
                *store.write_statements(),
            ],
        )
        acknowledge_wildcards(
            policy,
            [store.objects_arn],
            "Each version adds copies under keys of its own; all lie under the component's prefix.",
        )
        properties: dict[str, object] = {
            "Bucket": store.bucket_name,
            "Prefix": store.prefix,
            "ContentDigest": content.digest,
            "Assets": [part.source for part in content.artifacts if not part.is_replaceable],
        }
        if store.kms_key_arn is not None:
            properties["KmsKey"] = store.kms_key_arn
        models = [part.source for part in content.artifacts if part.is_replaceable]
        if models:
            properties |= {"Model": models[0], "AskedAt": synthesis_time()}
        copies = CustomResourceProvider.of(self).resource(
            self,
            "Resource",
            resource_type="Custom::ArtifactCopies",
            properties=properties,
            policy=policy,
            sees_rollback=bool(models),
        )
        self.content_version = copies.get_att_string("ContentVersion")
        """Two numbers that the content alone determines, such as ``254711.28104``."""
        folder = copies.get_att_string("ModelFolder")
        self.uris = tuple(
            store.uri(f"{folder}/{part.file_name}" if part.is_replaceable else part.file_name)
            for part in content.artifacts
        )
        """The addresses of the copies, in the order of ``content.artifacts``."""


def synthesis_time() -> str:
    """Return the present time, to the second: a value that is another one at each synthesis."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
