-- A reservation is settled or returned; 0 rows when it was before. Primary key.
UPDATE sms_charges SET state = %(state)s, parts = %(parts)s, changed_at = %(now)s
WHERE delivery_id = %(delivery_id)s AND state = 'reserved'
