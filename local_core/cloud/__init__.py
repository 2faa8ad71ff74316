"""A cloud on this machine: ministack, and what a Greengrass core needs besides."""

from .local_cloud import LocalCloud, LocalCloudError
from .location import DEFAULT_REGION

__all__ = ["DEFAULT_REGION", "LocalCloud", "LocalCloudError"]
