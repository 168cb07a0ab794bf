"""What all services share of HTTP: who asks, bodies, documents, lists."""
