-- What an account's rules sent to an address lately, oldest first: which rule, and for how many seconds it has been. What others
-- send there doesn't count: nobody shall silence somebody else's alerts.
-- Index of deliveries (channel, address, sent_at) WHERE state = 'sent'.
SELECT rule_id, extract(epoch FROM now() - sent_at)::float8
FROM deliveries
WHERE state = 'sent' AND channel = %(channel)s AND address = %(address)s AND account_id = %(account_id)s
  AND sent_at > now() - make_interval(secs => %(within_s)s)
ORDER BY sent_at
