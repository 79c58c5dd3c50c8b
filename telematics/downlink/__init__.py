"""From us to the trackers: commands wait in a queue until they are sent and answered. The door is `Downlink`."""

from telematics.downlink.service import Downlink

__all__ = ["Downlink"]
