"""`make build`: the folder that Lambda runs, with the backend, the packages it imports, and bytecode."""
