"""`make deploy`: deploys to AWS, and then checks the deployed API."""
