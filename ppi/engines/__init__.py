"""One way to run many tasks: here by threads, later on other machines."""
