//! [`check`]: proves an invoice against itself and its rated lines.

use turnpike_schemas::{Invoice, RatedLine};

/// Every violated invariant as a sentence that names the line and the figures; empty where the
/// invoice is right. `lines` may hold those of other accounts: they are passed over.
pub fn check(_invoice: &Invoice, _lines: &[RatedLine]) -> Vec<String> {
    unimplemented!()
}
