//! turnpike ingest.
