"""CloudFormation's intrinsic functions, as far as the Greengrass resources of a template use them.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

ACCOUNT = "000000000000"
REGION = "us-east-1"
PSEUDO_PARAMETERS: Mapping[str, str] = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
}

_PLACEHOLDER = re.compile(r"\$\{(!?)([^}]+)\}")


class UnresolvedError(ValueError):
    """A value that cannot be known without deploying; the message names it."""


class Resolver:
    """Replaces the intrinsic functions in values of one template."""

    def __init__(self, template: Mapping[str, Any]) -> None:
        self._resources: Mapping[str, Any] = template.get("Resources", {})
        self._parameters: Mapping[str, Any] = template.get("Parameters", {})
        self._functions: Mapping[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Join": self._join,
            "Fn::Sub": self._sub,
            "Fn::Select": lambda value: self.resolve(value[1])[int(value[0])],
            "Fn::Split": lambda value: self.resolve(value[1]).split(value[0]),
        }

    def resolve(self, value: Any) -> Any:
        """Return ``value`` with every function in it replaced by its result.

        Raises:
            UnresolvedError: naming the first reference that only a deployment could resolve.
        """
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name in self._functions:
                return self._functions[name](argument)
            if name.startswith("Fn::"):
                raise UnresolvedError(f"{name} is not supported")
        return {key: self.resolve(item) for key, item in value.items()}

    def _join(self, argument: Any) -> str:
        separator, parts = argument
        return str(separator).join(str(part) for part in self.resolve(parts))

    def _sub(self, argument: Any) -> str:
        text, own = (argument, {}) if isinstance(argument, str) else argument

        def replacement(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            if name in own:
                return str(self.resolve(own[name]))
            if "." in name:
                return str(self._get_att(name.split(".", 1)))
            return str(self._ref(name))

        return _PLACEHOLDER.sub(replacement, text)

    def _ref(self, name: str) -> Any:
        if name in PSEUDO_PARAMETERS:
            return PSEUDO_PARAMETERS[name]
        if "Default" in self._parameters.get(name, {}):
            return self._parameters[name]["Default"]
        attributes = self._attributes(name)
        if "Ref" not in attributes:
            raise UnresolvedError(f"Ref {name} is known only after a deployment")
        return attributes["Ref"]

    def _get_att(self, argument: Any) -> Any:
        name, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        attributes = self._attributes(name)
        if attribute not in attributes:
            raise UnresolvedError(f"GetAtt {name}.{attribute} is known only after a deployment")
        return attributes[attribute]

    def _attributes(self, name: str) -> Mapping[str, str]:
        """Return what is known of a resource before it exists: its ``Ref`` and its attributes."""
        resource = self._resources.get(name, {})
        if resource.get("Type") == "AWS::GreengrassV2::ComponentVersion":
            return self._component_attributes(resource)
        if resource.get("Type") == "AWS::IoT::Thing" and "ThingName" in resource["Properties"]:
            thing = self.resolve(resource["Properties"]["ThingName"])
            return {"Ref": thing, "Arn": f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/{thing}"}
        return {}

    def _component_attributes(self, resource: Mapping[str, Any]) -> Mapping[str, str]:
        recipe = json.loads(self.resolve(resource["Properties"]["InlineRecipe"]))
        name, version = recipe["ComponentName"], recipe["ComponentVersion"]
        arn = f"arn:aws:greengrass:{REGION}:{ACCOUNT}:components:{name}:versions:{version}"
        return {"Ref": arn, "Arn": arn, "ComponentName": name, "ComponentVersion": version}
