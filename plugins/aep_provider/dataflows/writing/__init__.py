"""From what a sandbox or a source system holds to files of dataflows."""
