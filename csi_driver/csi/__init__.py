"""The gRPC surface: requests to domain values, domain values to responses, errors to status codes."""
