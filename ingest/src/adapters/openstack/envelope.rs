//! The oslo.messaging envelope. Version 2.0 carries the message as JSON text within JSON:
//! `{"oslo.version": "2.0", "oslo.message": "{...}"}`; version 1.0 is the bare message.

use crate::json::{Json, Value};

/// The key under which version 2.0 carries the message.
pub const MESSAGE_KEY: &str = "oslo.message";

/// The string that carries the message, where there is an envelope.
pub fn carrier<'j, 'a>(json: &'j Json<'a>) -> Option<&'j Json<'a>> {
    json.get(MESSAGE_KEY).filter(|message| matches!(message.value, Value::Text(_)))
}
