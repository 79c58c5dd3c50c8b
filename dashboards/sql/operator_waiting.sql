-- What waits for an operator: flagged payments, refunds to decide and to pay, lines of bank statements that are nobody's yet.
-- Lives on payments_flagged, refunds_open and bank_lines_open.
SELECT (SELECT count(*) FROM payments WHERE flagged IS NOT NULL) AS flagged,
    (SELECT count(*) FROM refunds WHERE state IN ('requested', 'paying')) AS refunds,
    (SELECT count(*) FROM bank_lines WHERE payment_id IS NULL) AS bank_lines
