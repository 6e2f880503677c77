# Where the tests' front door listens; any free port will do.
listener = "127.0.0.1:8098"
