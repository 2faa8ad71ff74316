"""The first generation: a Greengrass group. AWS closed it on 7 October 2026; see docs/v1.md."""
