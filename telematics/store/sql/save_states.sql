-- Takes the states in saved_state over into device_state, except for devices that were removed meanwhile. Lives on the primary keys of
-- devices and device_state. {{names}} and {{sets}} are filled in from the list of columns in snapshot.py.
INSERT INTO device_state ({names})
SELECT {names} FROM saved_state WHERE device_id IN (SELECT id FROM devices)
ORDER BY device_id
ON CONFLICT (device_id) DO UPDATE SET {sets}
