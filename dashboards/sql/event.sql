-- One event, of a device that the viewer may see. Index of events (id).
SELECT events.id, device_id, time, type, subject, position_id, events.attributes
FROM events
JOIN devices ON devices.id = events.device_id
WHERE events.id = %(id)s AND (%(everything)s OR devices.account_id = %(account_id)s)
