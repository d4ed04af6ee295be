//! HMAC-SHA-256 (RFC 2104) over parts that cannot run into each other.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const BLOCK: usize = 64;

/// Hex HMAC of parts. Each is preceded by its length, so `ab, c` and `a, bc` differ.
pub fn mac(key: &str, parts: &[&str]) -> String {
    let mut message = Vec::new();
    for part in parts {
        message.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        message.extend_from_slice(part.as_bytes());
    }
    hex::encode(hmac(key.as_bytes(), &message))
}

/// Whether two texts are equal, in a time that depends on their length alone.
pub fn equal(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_rfc_4231() {
        let check = |key: &[u8], message: &[u8], hex_start: &str| {
            assert!(hex::encode(hmac(key, message)).starts_with(hex_start), "{hex_start}");
        };
        // Test cases 1, 2 and 6: short keys, and one longer than a block.
        check(&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b");
        check(b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c7");
        check(
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f",
        );
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(mac("k", &["ab", "c"]), mac("k", &["a", "bc"]));
        assert_ne!(mac("k", &["a"]), mac("l", &["a"]));
        assert!(equal("a", "a") && !equal("a", "b") && !equal("a", "aa"));
    }
}
