"""Selects frames for retraining by the rules of AWS's MLFeedback connector.

In the second generation the component follows these rules itself. In the first the connector does,
and its stand-in in the local core. The connector's guide:
https://docs.aws.amazon.com/greengrass/v1/developerguide/ml-feedback-connector.html
"""
