-- Every pair that is near or was lately, and the marks of proximities that were looked at. Read whole, once at start.
SELECT proximity_id, device_id, partner_id, near, since
FROM proximity_pairs
