-- 1 when a user and the other thing are the viewer's and of one account, so that the user sees it already. Primary keys.
SELECT count(*)
FROM users
WHERE users.id = %(user_id)s AND (%(everything)s OR users.account_id = %(account_id)s)
  AND (
      EXISTS (SELECT FROM devices WHERE id = %(device_id)s AND (%(everything)s AND users.administrator OR devices.account_id = users.account_id))
      OR EXISTS (SELECT FROM groups WHERE id = %(group_id)s AND (%(everything)s AND users.administrator OR groups.account_id = users.account_id))
      OR EXISTS (SELECT FROM zones WHERE id = %(geofence_id)s AND (%(everything)s AND users.administrator OR zones.account_id = users.account_id))
      OR EXISTS (SELECT FROM calendars WHERE id = %(calendar_id)s AND (%(everything)s AND users.administrator OR calendars.account_id = users.account_id))
      OR EXISTS (
          SELECT FROM users AS managed
          WHERE id = %(managed_user_id)s AND (%(everything)s AND users.administrator OR managed.account_id = users.account_id)
      )
  )
