//! KVM and everything else under libvirt, as an agent beside it reports it: life-cycle events, and
//! the statistics of domains. The agent's lines are described in `docs/systems/libvirt.md`.
//!
//! - libvirt's events have neither a time nor an id. The agent writes down when it heard of one
//!   (`observed_at`), and the id is a hash of host, domain, event and that time.
//! - No event says that a size has changed: sizes are polled, and hold from the poll on.
//! - A migration is `Stopped` on one host and `Started` on another, in any order: what says
//!   `migrated` changes no state, and neither does what the old host still says of the domain.
//! - `Defined` changes nothing: a domain is also defined while it runs. `Undefined` is the end,
//!   unless it was renamed or, which the agent knows, has moved away.
//! - A transient domain is never undefined: where the agent says `persistent: false`, its stop is the
//!   end.
//! - Counters start again at each boot and on each host: the incarnation is the host with the
//!   domain's id there. Each disk and each interface is a resource of its own, with counters of its
//!   own: in a sum, one that is taken out would look like a restart and be billed again.
//! - Disks are held by the domain, as the sum of their capacities (`volume`) and of what they take up
//!   on the host (`volume-physical`).

mod lifecycle;
mod report;
mod stats;

use turnpike_schemas::UsageEvent;

use super::{Adapter, Message};
use crate::decode::{DecodeContext, Reject};
use report::Report;

const NAMESPACE: &str = "libvirt";

/// Reads what the agent sends.
pub struct Libvirt;

impl Adapter for Libvirt {
    fn name(&self) -> &'static str {
        "libvirt"
    }

    fn reads(&self) -> &'static str {
        "libvirt life-cycle events and domstats, as JSON lines of an agent or text of virsh"
    }

    fn recognises(&self, message: &Message<'_>) -> bool {
        match message {
            Message::Object(json) => {
                let ours = matches!(json.text_of("kind"), Some("lifecycle" | "domstats" | "info"))
                    && json.get("uuid").is_some();
                // Statistics as the Go binding writes them, with or without the agent's envelope.
                ours || ["Cpu", "Vcpu", "Block", "Net"].iter().all(|name| json.get(name).is_some())
            }
            Message::Text(text) => text.trim_ascii_start().starts_with("Domain: '"),
            _ => false,
        }
    }

    fn adapt(
        &self,
        message: &Message<'_>,
        context: &DecodeContext,
    ) -> Result<Vec<UsageEvent>, Reject> {
        let report = match message {
            Message::Object(json) => Report::from_json(json)?,
            Message::Text(text) => Report::from_text(text)?,
            _ => return Ok(Vec::new()),
        };
        match &report.said {
            report::Said::Event { event, detail } => {
                lifecycle::event(&report, *event, *detail, context).map(|event| vec![event])
            }
            report::Said::Stats(values) => stats::events(&report, values, context),
        }
    }
}
