//! Kafka's requests as strace shows them: what a group is told.

/// The strings of a system call, one after the other, as bytes. One with bytes that are no text is
/// written as `\x00\x08...`, any other as it is.
pub fn bytes(call: &str) -> Vec<u8> {
    let mut found = Vec::new();
    for text in call.split('"').skip(1).step_by(2) {
        match text.strip_prefix("\\x") {
            Some(digits) => {
                let parts = digits.split("\\x");
                found.extend(parts.filter_map(|part| u8::from_str_radix(part, 16).ok()));
            }
            None => found.extend(text.as_bytes()),
        }
    }
    found
}

/// The partitions and offsets of a topic that a request OffsetCommit (API key 8) tells; none of any
/// other request. Its length in four bytes, then the key and its version in two each.
pub fn told_offsets(request: &[u8], topic: &str) -> Vec<(i32, i64)> {
    if request.get(4..6) != Some(&[0, 8]) {
        return Vec::new();
    }
    let version = request[7];
    assert!((6..=9).contains(&version), "version {version} of OffsetCommit is not known here");
    let named = request.windows(topic.len()).position(|part| part == topic.as_bytes());
    let Some(at) = named else { return Vec::new() };
    let mut rest = &request[at + topic.len()..];
    let mut take = |count: usize| {
        let (taken, left) = rest.split_at(count);
        rest = left;
        taken.iter().fold(0_i64, |number, byte| number << 8 | i64::from(*byte))
    };
    let is_flexible = version >= 8;
    // Lengths of the flexible versions are one more than what they count, and below 128 a byte.
    let count = if is_flexible { take(1) - 1 } else { take(4) };
    let mut told = Vec::new();
    for _ in 0..count {
        let (partition, offset) = (take(4), take(8));
        // The epoch of the leader, and the metadata, which are empty or null.
        take(4);
        let metadata = if is_flexible { take(1) } else { take(2) };
        assert!([0, 1, 0xffff].contains(&metadata), "metadata of {metadata}");
        if is_flexible {
            take(1);
        }
        told.push((i32::try_from(partition).unwrap(), offset));
    }
    told
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A request of version 9 with one partition.
    pub fn request(topic: &str, partition: i32, offset: i64) -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 99, 0, 8, 0, 9, 0, 0, 0, 1];
        bytes.push(u8::try_from(topic.len() + 1).unwrap());
        bytes.extend(topic.as_bytes());
        bytes.push(2);
        bytes.extend(partition.to_be_bytes());
        bytes.extend(offset.to_be_bytes());
        bytes.extend([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
        bytes
    }

    #[test]
    fn what_a_group_is_told_is_read_from_the_wire() {
        assert_eq!(told_offsets(&request("t-1", 3, 500), "t-1"), [(3, 500)]);
        assert_eq!(told_offsets(&request("t-1", 3, 500), "t-2"), []);
        let mut other = request("t-1", 3, 500);
        other[5] = 9;
        assert_eq!(told_offsets(&other, "t-1"), []);
        let mut old = vec![0, 0, 0, 99, 0, 8, 0, 7, 0, 3];
        old.extend(b"t-1");
        old.extend([0, 0, 0, 1, 0, 0, 0, 4]);
        old.extend(7_i64.to_be_bytes());
        old.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(told_offsets(&old, "t-1"), [(4, 7)]);
        assert_eq!(bytes("f(\"ab\", \"\\x00\\xff\")"), [b'a', b'b', 0, 255]);
    }
}
