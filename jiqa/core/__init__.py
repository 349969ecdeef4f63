"""The pieces that metrics are made of; nothing here knows a metric, a file or a device."""
