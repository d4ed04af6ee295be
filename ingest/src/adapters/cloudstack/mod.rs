//! Apache CloudStack: the events of its bus, and the records that its usage server aggregates.
//!
//! The two tell of the same machines. The bus says when something began and ended, but no size; the
//! records say sizes and hours, but not when within their window. An installation bills from one of
//! them: what both count (`instance`, addresses, rules, networks) would be counted twice.

pub mod bus;
mod types;
pub mod usage;

/// Sets ids of CloudStack apart from those of other platforms.
pub const NAMESPACE: &str = "cloudstack";
