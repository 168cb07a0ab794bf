"""What OpenLineage is told, where its provider is installed. Nothing here needs it to be."""
