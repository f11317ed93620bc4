"""A web server around one `Predictor`: a JSON interface and a page that uses it."""
