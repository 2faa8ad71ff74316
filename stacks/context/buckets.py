"""Names of buckets, by Amazon S3's rules.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
"""

import re

RULE = "must be the name of a bucket, of 3 to 63 lowercase letters, digits, dots or hyphens"

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")
_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+){3}")
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def check_bucket(name: str) -> str:
    """Return the name of a bucket that can exist, and that takes objects by this name.

    Raises:
        ValueError: with the rule that the name breaks.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(RULE)
    if _ADDRESS.fullmatch(name):
        raise ValueError("is an IP address, which no bucket can be called")
    for reserved in _RESERVED_PREFIXES:
        if name.startswith(reserved):
            raise ValueError(f"begins with {reserved}, which Amazon S3 reserves for itself")
    for reserved in _RESERVED_SUFFIXES:
        if name.endswith(reserved):
            raise ValueError(
                f"ends in {reserved}, which Amazon S3 reserves for aliases and buckets of other "
                "kinds; give a general purpose bucket"
            )
    return name
