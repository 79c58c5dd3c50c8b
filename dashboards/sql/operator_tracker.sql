-- One tracker of an account, as it is billed. Lives on billed_trackers_device.
SELECT id, device_id, name, unique_id, blocked, test FROM billed_trackers
WHERE device_id = %(device_id)s AND account_id = %(account_id)s AND removed_at IS NULL
