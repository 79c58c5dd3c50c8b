-- What became of a part. Lives on the primary key.
UPDATE refund_parts
SET state = %(state)s, provider_id = %(provider_id)s, reason = %(reason)s, entry_id = %(entry_id)s, tries = %(tries)s
WHERE refund_id = %(refund_id)s AND payment_id = %(payment_id)s
