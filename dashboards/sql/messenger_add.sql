-- The new messenger's number; no row when the user has as many as they may. Index of messengers (user_id).
INSERT INTO messengers (user_id, name, url)
SELECT %(user_id)s, %(name)s, %(url)s
WHERE (SELECT count(*) FROM messengers WHERE user_id = %(user_id)s) < %(most)s
RETURNING id
