-- Device and the metres it has gone in all its days. Reads device_days once, at the start of the server.
SELECT device_id, sum(distance_m) FROM device_days GROUP BY device_id
