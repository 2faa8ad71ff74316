"""Which frames are worth learning from, by the rules of AWS's MLFeedback connector.

The component of the second generation follows these rules itself; in the first the connector does,
and on this machine its stand-in. The connector's guide:
https://docs.aws.amazon.com/greengrass/v1/developerguide/ml-feedback-connector.html
"""
