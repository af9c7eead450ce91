"""What a gateway answers over HTTP: identifiers, batches of them, DNS over HTTPS, its own state."""
