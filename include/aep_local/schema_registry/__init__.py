"""Schema Registry: classes, field groups and schemas."""
