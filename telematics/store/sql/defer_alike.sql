-- Lets all that wait for the same rule and address, and weren't tried yet, wait longer.
-- Index of deliveries (channel, address, rule_id) WHERE state = 'waiting'.
UPDATE deliveries
SET due_at = greatest(due_at, now() + make_interval(secs => %(wait_s)s)), reason = %(reason)s
WHERE state = 'waiting' AND channel = %(channel)s AND address = %(address)s AND rule_id = %(rule_id)s AND attempts = 0
