"""What a Greengrass V1 core does with a group: functions, subscriptions, two connectors.

AWS closed the first generation on 7 October 2026; its guide still describes how a core behaves:
https://docs.aws.amazon.com/greengrass/v1/developerguide/what-is-gg.html
"""
