-- One event, of a device that the viewer may see and that isn't blocked, if the account's tariffs show it (billing/allowances.py). Index of events (id).
SELECT events.id, device_id, time, type, subject, position_id, events.attributes
FROM events
JOIN devices ON devices.id = events.device_id
WHERE events.id = %(id)s AND (%(everything)s OR devices.account_id = %(account_id)s) AND devices.blocked IS NULL
  AND (%(received_from)s::timestamptz[] IS NULL
       OR time >= (%(not_before)s::timestamptz[])[1 + width_bucket(time, %(received_from)s::timestamptz[])])
