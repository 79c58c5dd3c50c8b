-- Removes these pairs. Lives on the primary key of proximity_pairs.
DELETE FROM proximity_pairs
USING unnest(%(proximity_ids)s::int[], %(device_ids)s::int[], %(partner_ids)s::int[]) AS given (proximity_id, device_id, partner_id)
WHERE proximity_pairs.proximity_id = given.proximity_id
  AND proximity_pairs.device_id = given.device_id
  AND proximity_pairs.partner_id = given.partner_id
