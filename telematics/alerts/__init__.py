"""Telling people what happened: rules, the feed, deliveries and the channels they go by."""
