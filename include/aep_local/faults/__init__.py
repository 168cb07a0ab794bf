"""What goes wrong on purpose: rules that break some of the requests, each in one way, so that a caller can be tested."""
