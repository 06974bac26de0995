"""The sweep: extract and verify models of the public libraries, and write the table."""
