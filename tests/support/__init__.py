"""What several folders of tests use: databases, users, servers, poolers, a clock."""
