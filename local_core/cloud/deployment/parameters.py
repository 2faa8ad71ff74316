"""Values of SSM parameters in templates: those of public images, and who may read them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

_AMI_PREFIX = "/aws/service/ami-amazon-linux-latest/"


def add_image_parameters(ssm: Any) -> None:
    """Change ministack's module ``ssm``: it serves the parameter of every Amazon Linux image.

    ministack knows only two.
    """
    known = ssm._PUBLIC_AMI_PARAMETERS
    inner = ssm._public_parameter

    def public_parameter(name: str) -> Any:
        if name.startswith(_AMI_PREFIX) and name not in known:
            known[name] = "ami-" + hashlib.sha256(name.encode()).hexdigest()[:17]
        return inner(name)

    ssm._public_parameter = public_parameter


def check_parameters(ssm: Any, check: Callable[[str], None]) -> None:
    """Change ministack's module ``ssm``: ``check`` gets the name of each parameter of a template.

    It raises ValueError to refuse it.
    """
    resolve = ssm.resolve_parameter_value

    def checked_value(name: str) -> Any:
        check(name)
        return resolve(name)

    ssm.resolve_parameter_value = checked_value
