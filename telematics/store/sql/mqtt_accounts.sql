-- Accounts that publish by MQTT, and whether Home Assistant is told of their devices. There are few enough to read them all.
SELECT id, mqtt_discovery FROM accounts WHERE mqtt_publish
