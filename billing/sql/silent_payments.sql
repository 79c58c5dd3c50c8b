-- Payments that nothing was heard of for a while and that aren't over, the oldest first. Lives on payments_open.
SELECT id, provider FROM payments
WHERE state IN ('created', 'pending') AND changed_at < %(before)s
ORDER BY changed_at
LIMIT %(limit)s
