-- Tell a user no more of a rule; as link_rule_user.sql otherwise, but for who is named already.
WITH pair AS (
    SELECT rules.id AS rule_id, users.id AS user_id
    FROM rules, users
    WHERE rules.id = %(notification_id)s AND users.id = %(user_id)s
      AND (%(everything)s OR rules.account_id = %(account_id)s)
      AND (
          users.account_id = rules.account_id OR %(everything)s
          OR EXISTS (SELECT FROM rule_recipients WHERE rule_id = rules.id AND user_id = users.id)
      )
), gone AS (
    DELETE FROM rule_recipients USING pair
    WHERE rule_recipients.rule_id = pair.rule_id AND rule_recipients.user_id = pair.user_id
)
SELECT count(*) FROM pair
