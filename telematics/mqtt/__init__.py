"""MQTT: what trackers publish to a broker comes in, what accounts want to be told of goes out. The door is `service.Mqtt`."""
