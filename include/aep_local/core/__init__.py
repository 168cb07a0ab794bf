"""What everything else stands on: settings, clock, store, accounts, errors."""
