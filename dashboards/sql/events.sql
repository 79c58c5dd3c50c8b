-- Events of devices that the viewer may see and that aren't blocked, in order of time; without those that later data contradicted, and
-- those that the account's tariffs don't show (billing/allowances.py; an event is as old as its time). Primary key of events (device_id, time, …).
SELECT events.id, device_id, time, type, subject, position_id, events.attributes
FROM events
JOIN devices ON devices.id = events.device_id
WHERE (%(everything)s OR devices.account_id = %(account_id)s) AND devices.blocked IS NULL
  AND (%(device_ids)s::int[] IS NULL OR device_id = ANY(%(device_ids)s))
  AND (%(types)s::text[] IS NULL OR type = ANY(%(types)s))
  AND time >= %(since)s AND time <= %(until)s
  AND (%(received_from)s::timestamptz[] IS NULL
       OR time >= (%(not_before)s::timestamptz[])[1 + width_bucket(time, %(received_from)s::timestamptz[])])
  AND events.attributes -> 'superseded' IS DISTINCT FROM 'true'
ORDER BY time, events.id
LIMIT %(limit)s
