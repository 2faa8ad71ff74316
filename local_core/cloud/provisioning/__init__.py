"""AWS IoT's fleet provisioning by MQTT, as far as ministack lacks it."""
