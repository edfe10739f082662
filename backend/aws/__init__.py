"""AWS Lambda: the handler, API Gateway's events, and a cheaper cold start."""
