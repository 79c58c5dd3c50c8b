-- Name a user as a recipient of a rule: 1, or 0 when one of them isn't there, isn't the viewer's, or is another account's. An
-- administrator may name the provider's people anywhere. Primary keys.
WITH pair AS (
    SELECT rules.id AS rule_id, users.id AS user_id
    FROM rules JOIN users ON users.account_id = rules.account_id OR users.administrator AND %(everything)s
    WHERE rules.id = %(notification_id)s AND users.id = %(user_id)s
      AND (%(everything)s OR rules.account_id = %(account_id)s)
), added AS (
    INSERT INTO rule_recipients (rule_id, user_id) SELECT rule_id, user_id FROM pair ON CONFLICT DO NOTHING
)
SELECT count(*) FROM pair
