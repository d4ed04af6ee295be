//! turnpike invoices.
