"""What a V1 group consists of, read from the cloud's API.

https://docs.aws.amazon.com/greengrass/v1/apireference/api-actions.html
"""

from __future__ import annotations

from typing import Any

from ...v1.group import GroupDocuments

_KINDS = {
    "functions": "Function",
    "resources": "Resource",
    "connectors": "Connector",
    "subscriptions": "Subscription",
    "loggers": "Logger",
}


def read_group(client: Any, group_id: str, version_id: str) -> GroupDocuments:
    """Read a version of a group; ``client`` is one of greengrass.

    Raises:
        GroupError: if no core can run the group.
        botocore.exceptions.ClientError: if the service refuses.
    """
    definition = client.get_group_version(GroupId=group_id, GroupVersionId=version_id)["Definition"]
    documents = {}
    for key, kind in _KINDS.items():
        arn = definition.get(f"{kind}DefinitionVersionArn")
        if arn:
            # …:/greengrass/definition/functions/<definition>/versions/<version>
            *_, identity, _, version = arn.split("/")
            read = getattr(client, f"get_{kind.lower()}_definition_version")
            identities = {
                f"{kind}DefinitionId": identity,
                f"{kind}DefinitionVersionId": version,
            }
            documents[key] = read(**identities)
    return GroupDocuments.parse(**documents)


def download_link(client: Any, function_arn: str) -> str:
    """Return the signed link of a function's code; ``client`` is one of lambda."""
    link: str = client.get_function(FunctionName=function_arn)["Code"]["Location"]
    return link
