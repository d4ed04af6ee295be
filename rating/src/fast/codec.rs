//! The three integer encodings of Parquet that the lake's writer uses, decoded whole pages at a time.
//!
//! Owns: the RLE and bit-packing hybrid, and `DELTA_BINARY_PACKED`. Invariant: a page that is shorter
//! than it says, or that says what cannot be, is `None`; nothing is guessed and nothing panics.

/// A little-endian base-128 number and the place after it.
fn varint(data: &[u8], mut at: usize) -> Option<(u64, usize)> {
    let (mut value, mut shift) = (0_u64, 0_u32);
    loop {
        let byte = *data.get(at)?;
        at += 1;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value, at));
        }
        shift += 7;
        if shift > 63 {
            return None;
        }
    }
}

fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Whether all of `count` values are one run of `value`.
pub(super) fn is_one_run(data: &[u8], value: u8, count: usize) -> bool {
    let run = varint(data, 0).filter(|(header, _)| header & 1 == 0);
    run.is_some_and(|(header, at)| {
        usize::try_from(header >> 1).is_ok_and(|number| number >= count)
            && data.get(at) == Some(&value)
    })
}

/// Appends `count` values of `width` bits each, in runs or packed.
pub(super) fn hybrid(data: &[u8], width: u8, count: usize, out: &mut Vec<u32>) -> Option<()> {
    if width > 32 {
        return None;
    }
    let end = out.len().checked_add(count)?;
    if width == 0 {
        out.resize(end, 0);
        return Some(());
    }
    out.reserve(count);
    let mut at = 0;
    while out.len() < end {
        let left = end - out.len();
        let (header, next) = varint(data, at)?;
        let number = usize::try_from(header >> 1).ok()?;
        if number == 0 {
            return None;
        }
        at = next;
        if header & 1 == 0 {
            let bytes = usize::from(width).div_ceil(8);
            let value = data.get(at..at + bytes)?.iter().rev();
            let value = value.fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
            out.resize(out.len() + number.min(left), value);
            at += bytes;
        } else {
            let count = number.checked_mul(8)?.min(left);
            unpack_codes(data.get(at..)?, usize::from(width), count, out)?;
            at = at.checked_add(number.checked_mul(usize::from(width))?)?;
        }
    }
    Some(())
}

/// The 32 lowest bits.
#[inline]
fn low(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The eight bytes from `at` on, with zeros past the end.
#[inline]
fn word_at(data: &[u8], at: usize) -> u64 {
    if let Some(word) = data.get(at..at + 8).and_then(|word| word.first_chunk()) {
        return u64::from_le_bytes(*word);
    }
    let mut word = [0_u8; 8];
    let rest = data.get(at..).unwrap_or_default();
    word[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(word)
}

/// Appends `count` packed values of 1 to 32 bits: eight of them fill `width` bytes.
fn unpack_codes(data: &[u8], width: usize, count: usize, out: &mut Vec<u32>) -> Option<()> {
    if count.checked_mul(width)?.div_ceil(8) > data.len() {
        return None;
    }
    let mask = u64::MAX >> (64 - width);
    let mut at = 0;
    for _ in 0..count / 8 {
        let mut eight = [0_u32; 8];
        if width <= 8 {
            let word = word_at(data, at);
            for (place, value) in eight.iter_mut().enumerate() {
                *value = low(word >> (place * width) & mask);
            }
        } else {
            for (place, value) in eight.iter_mut().enumerate() {
                let bit = place * width;
                *value = low(word_at(data, at + (bit >> 3)) >> (bit & 7) & mask);
            }
        }
        out.extend_from_slice(&eight);
        at += width;
    }
    for place in 0..count % 8 {
        let bit = place * width;
        out.push(low(word_at(data, at + (bit >> 3)) >> (bit & 7) & mask));
    }
    Some(())
}

/// Hands over `count` packed values of up to 64 bits.
#[inline]
fn unpack(data: &[u8], width: usize, count: usize, mut each: impl FnMut(u64)) -> Option<()> {
    if count.checked_mul(width)?.div_ceil(8) > data.len() {
        return None;
    }
    if width == 0 {
        (0..count).for_each(|_| each(0));
        return Some(());
    }
    let mask = u64::MAX >> (64 - width);
    let mut bit = 0;
    for _ in 0..count {
        let (byte, shift) = (bit >> 3, bit & 7);
        let mut value = word_at(data, byte) >> shift;
        if width + shift > 64 {
            value |= u64::from(*data.get(byte + 8)?) << (64 - shift);
        }
        each(value & mask);
        bit += width;
    }
    Some(())
}

/// Appends `count` values of a `DELTA_BINARY_PACKED` page.
pub(super) fn delta(data: &[u8], count: usize, out: &mut Vec<i64>) -> Option<()> {
    let (block, at) = varint(data, 0)?;
    let (parts, at) = varint(data, at)?;
    let (total, at) = varint(data, at)?;
    let (first, mut at) = varint(data, at)?;
    let (block, parts) = (usize::try_from(block).ok()?, usize::try_from(parts).ok()?);
    if parts == 0 || block == 0 || block % parts != 0 || usize::try_from(total).ok()? < count {
        return None;
    }
    if count == 0 {
        return Some(());
    }
    let end = out.len().checked_add(count)?;
    out.reserve(count);
    let mut last = zigzag(first);
    out.push(last);
    while out.len() < end {
        let (least, next) = varint(data, at)?;
        let least = zigzag(least);
        let widths = data.get(next..next.checked_add(parts)?)?;
        at = next + parts;
        for width in widths {
            let left = end - out.len();
            if left == 0 {
                break;
            }
            let (width, size) = (usize::from(*width), block / parts);
            if width > 64 {
                return None;
            }
            unpack(data.get(at..)?, width, size.min(left), |step| {
                last = last.wrapping_add(least).wrapping_add(step.cast_signed());
                out.push(last);
            })?;
            at = at.checked_add(size.checked_mul(width)?.div_ceil(8))?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_packed_values_come_out() {
        let mut out = Vec::new();
        // A run of three fives, then eight packed values of three bits: 0 to 7.
        let data = [6, 5, 3, 0b1000_1000, 0b1100_0110, 0b1111_1010];
        hybrid(&data, 3, 11, &mut out).expect("decodes");
        assert_eq!(out, [5, 5, 5, 0, 1, 2, 3, 4, 5, 6, 7]);
        assert!(hybrid(&data[..4], 3, 11, &mut Vec::new()).is_none());
        assert!(hybrid(&[0, 1], 3, 1, &mut Vec::new()).is_none());
        out.clear();
        hybrid(&[], 0, 2, &mut out).expect("decodes");
        assert_eq!(out, [0, 0]);
        assert!(is_one_run(&[6, 5], 5, 3));
        assert!(
            !is_one_run(&[6, 5], 5, 4) && !is_one_run(&[6, 4], 5, 3) && !is_one_run(&[3], 5, 1)
        );
    }

    #[test]
    fn codes_of_every_width_come_out() {
        for width in 1..=32_usize {
            let mask = u32::MAX >> (32 - width);
            let codes: Vec<u32> =
                (0..29_u32).map(|at| at.wrapping_mul(0x9e37_79b9) & mask).collect();
            let mut packed = vec![0_u8; (32 * width).div_ceil(8)];
            for (place, code) in codes.iter().enumerate() {
                for bit in (0..width).filter(|bit| code >> bit & 1 == 1) {
                    packed[(place * width + bit) / 8] |= 1 << ((place * width + bit) % 8);
                }
            }
            let mut out = Vec::new();
            unpack_codes(&packed, width, codes.len(), &mut out).expect("unpacks");
            assert_eq!(out, codes, "{width} bits");
            assert!(unpack_codes(&packed[..width * 3], width, 29, &mut out).is_none());
        }
    }

    #[test]
    fn deltas_come_out() {
        // Block 8 in one part, five values from 7 on: steps 1 + {0, 1, 2, 3}.
        let data = [8, 1, 5, 14, 2, 2, 0b1110_0100, 0];
        let mut out = Vec::new();
        delta(&data, 5, &mut out).expect("decodes");
        assert_eq!(out, [7, 8, 10, 13, 17]);
        assert!(delta(&data[..6], 5, &mut Vec::new()).is_none());
        assert!(delta(&data, 6, &mut Vec::new()).is_none());
    }

    #[test]
    fn wide_steps_come_out() {
        let wide = [u64::MAX, 1, u64::MAX - 5];
        let bytes: Vec<u8> = wide.iter().flat_map(|value| value.to_le_bytes()).collect();
        let mut out = Vec::new();
        unpack(&bytes, 64, 3, |value| out.push(value)).expect("unpacks");
        assert_eq!(out, wide);
    }
}
