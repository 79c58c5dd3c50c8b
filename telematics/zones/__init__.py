"""Zones (Traccar's geofences): their shapes, the formats they come in, and all of them in memory for the pipeline."""
