"""The alerts in a process of their own, to be killed: `python -m tests.alerts.worker DATABASE_URL SMTP_PORT DATA_DIR`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from telematics.alerts import sender
from telematics.alerts.service import Alerts
from telematics.config import AlertSettings, MailSettings, Settings
from telematics.devices import Devices
from telematics.live import Bus
from telematics.store.database import open_database
from telematics.store.devices import load_devices
from telematics.zones.registry import Zones


async def main(database_url: str, smtp_port: int, data_dir: Path) -> None:
    sender.SPARE_S = 0.5
    settings = Settings(
        database_url=database_url,
        data_dir=data_dir,
        alerts=AlertSettings(timeout_s=1.5, private_webhooks=True, bundle_s=0),
        mail=MailSettings(host="127.0.0.1", port=smtp_port, security="none"),
    )
    async with open_database(settings) as database:
        devices = Devices()
        async with database.pool.connection() as connection:
            devices.put(await load_devices(connection, None))
        alerts = Alerts(database, settings, devices, Zones(database), Bus(devices))
        await alerts.rules.load(None)
        await alerts.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
