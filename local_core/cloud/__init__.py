"""A cloud on this machine: ministack, and what a Greengrass core needs besides."""

from .local_cloud import LocalCloud, LocalCloudError

__all__ = ["LocalCloud", "LocalCloudError"]
