"""The parts of a Lambda function's ARN."""

from __future__ import annotations

import re

_ARN = re.compile(
    r"(?P<unqualified>arn:[a-z-]+:lambda:(?P<region>[a-z0-9-]*):(?P<account>[a-z0-9]*)"
    r":function:(?P<name>[A-Za-z0-9_-]+))(?::(?P<qualifier>\$LATEST|[A-Za-z0-9_-]+))?"
)


class FunctionArnFields:
    """An ARN taken apart. The account of AWS's own functions is the word ``aws``."""

    def __init__(self, function_arn_string: str) -> None:
        match = _ARN.fullmatch(function_arn_string)
        if match is None:
            raise ValueError(f"{function_arn_string!r} is not the ARN of a function")
        self.unqualified_arn: str = match["unqualified"]
        self.region: str = match["region"]
        self.account_id: str = match["account"]
        self.name: str = match["name"]
        self.qualifier: str | None = match["qualifier"]

    @staticmethod
    def build_function_arn(unqualified_arn: str, qualifier: str | None) -> str:
        """Return the ARN with its qualifier, if it has one."""
        return f"{unqualified_arn}:{qualifier}" if qualifier else unqualified_arn
