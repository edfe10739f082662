"""What the tests stand on: databases, people, servers, poolers."""
