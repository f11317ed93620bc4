"""One way to run many tasks: here by threads, or by Ray in processes on one or many machines."""
