"""HTTP, whatever the product: middleware, the route class, answers to errors, the OpenAPI document and its pages."""
