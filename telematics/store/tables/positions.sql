CREATE TABLE positions (
    id bigint NOT NULL,
    device_id int NOT NULL,
    time timestamptz NOT NULL,
    received timestamptz NOT NULL,
    valid boolean NOT NULL,
    outlier boolean NOT NULL,
    late boolean NOT NULL,
    distance_m float8 NOT NULL,
    latitude float8, -- null: telemetry alone
    longitude float8,
    altitude_m real,
    speed_kmh real,
    course_deg real,
    accuracy_m real,
    satellites real,
    ignition boolean,
    motion boolean,
    power_v real,
    battery_v real,
    battery_percent real,
    odometer_m float8,
    engine_hours_s float8,
    fuel_l real,
    gsm real,
    alarms bigint, -- null: none; otherwise one bit per name, see protocols/columns.py
    attributes jsonb,
    PRIMARY KEY (device_id, time)
)
