"""From files of dataflows to specifications: layers, checks, and messages that say where."""
