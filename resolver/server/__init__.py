"""The processes that carry queries in and answers out."""
