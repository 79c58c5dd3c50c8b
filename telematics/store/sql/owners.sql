-- Id and unique id of every device that may report. Reads devices once, for a command.
SELECT id, unique_id FROM devices WHERE NOT disabled
