"""The interprocess communication that a Greengrass V2 nucleus offers its components.

Event-stream RPC on a Unix socket, as the unmodified ``awsiotsdk`` client speaks it:
https://docs.aws.amazon.com/greengrass/v2/developerguide/interprocess-communication.html
"""
