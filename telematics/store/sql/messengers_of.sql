-- The messengers of users. Index of messengers (user_id).
SELECT user_id, id FROM messengers WHERE user_id = ANY(%(user_ids)s::int[]) ORDER BY id
