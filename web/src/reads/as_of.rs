//! [`as_of`]: up to when usage has been rated.

use turnpike_schemas::{Instant, Scope};

use crate::error::WebError;
use crate::state::WebState;

/// From the running process, else from the newest run. Told to customers as well: the time says
/// nothing about anybody.
pub async fn as_of(state: &WebState) -> Result<Option<Instant>, WebError> {
    if let Some(instant) = state.status.look().rated_as_of {
        return Ok(Some(instant));
    }
    let run = state.books.latest_run(&Scope::Provider, None).await?;
    Ok(run.map(|run| run.record.as_of))
}
