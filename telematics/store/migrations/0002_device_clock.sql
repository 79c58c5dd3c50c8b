-- The newest time of a device by its own clock: what is older is late. `time` is also that of heartbeats, which get their arrival's.

ALTER TABLE device_state ADD COLUMN clock timestamptz;
UPDATE device_state SET clock = time;
