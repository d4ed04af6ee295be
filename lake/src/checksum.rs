//! Checksums of data files: a disk that gives other bytes back than it was given must not change a
//! bill.
//!
//! Owns: the sum, and where a file's commit says it (a tag). Every flipped bit changes it: each step
//! is a bijection of its lane. It is no defence against somebody who forges files.
#![deny(clippy::arithmetic_side_effects)]

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::LakeError;
use crate::data_file::DataFile;

const TAG: &str = "turnpike.checksum";
const LANES: usize = 4;
const WORD: usize = 8;
const BLOCK: usize = LANES * WORD;
/// Bytes read at once; a multiple of a block. They stay in the processor's cache until they are summed.
const CHUNK: usize = 1 << 17;
/// Odd, with bits in no order: the first of xxHash's.
const PRIME: u64 = 0x9e37_79b1_85eb_ca87;

/// A sum over bytes that are given in pieces; all pieces but the last are whole blocks.
#[derive(Debug)]
struct Sum {
    lanes: [u64; LANES],
    length: u64,
}

impl Sum {
    fn new() -> Self {
        Self { lanes: [1, 2, 3, 4], length: 0 }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.length = self.length.wrapping_add(bytes.len() as u64);
        let mut blocks = bytes.chunks_exact(BLOCK);
        for block in &mut blocks {
            self.mix(block);
        }
        if !blocks.remainder().is_empty() {
            let mut last = [0; BLOCK];
            for (to, from) in last.iter_mut().zip(blocks.remainder()) {
                *to = *from;
            }
            self.mix(&last);
        }
    }

    fn mix(&mut self, block: &[u8]) {
        for (lane, word) in self.lanes.iter_mut().zip(block.chunks_exact(WORD)) {
            let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
            *lane = step(*lane, word);
        }
    }

    fn finish(&self) -> u64 {
        self.lanes.iter().fold(self.length, |sum, lane| step(sum, *lane))
    }
}

fn step(sum: u64, word: u64) -> u64 {
    (sum ^ word).wrapping_mul(PRIME).rotate_left(31)
}

/// The tag of a file with this content.
pub(crate) fn tag(content: &[u8]) -> (String, Option<String>) {
    let mut sum = Sum::new();
    sum.add(content);
    (TAG.to_owned(), Some(format!("{:016x}", sum.finish())))
}

/// Fails where a file is not what its commit says. One without a tag is of an earlier version.
pub(crate) fn check(table: &'static str, path: &Path, file: &DataFile) -> Result<(), LakeError> {
    let Some(expected) = file.tag(TAG) else { return Ok(()) };
    let found = of_file(path).map_err(|source| LakeError::File {
        operation: "read",
        path: path.to_owned(),
        source: source.into(),
    })?;
    if format!("{found:016x}") == expected {
        return Ok(());
    }
    Err(LakeError::Checksum { table, path: path.to_owned() })
}

fn of_file(path: &Path) -> std::io::Result<u64> {
    let mut file = File::open(path)?;
    let mut sum = Sum::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = fill(&mut file, &mut chunk)?;
        sum.add(chunk.get(..length).unwrap_or_default());
        if length < CHUNK {
            return Ok(sum.finish());
        }
    }
}

/// Reads until the chunk is full or the file ends.
fn fill(file: &mut File, chunk: &mut [u8]) -> std::io::Result<usize> {
    let mut length: usize = 0;
    while let Some(free) = chunk.get_mut(length..).filter(|free| !free.is_empty()) {
        match file.read(free)? {
            0 => break,
            read => length = length.saturating_add(read),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(bytes: &[u8]) -> u64 {
        let mut sum = Sum::new();
        sum.add(bytes);
        sum.finish()
    }

    #[test]
    fn every_bit_and_every_byte_more_or_less_shows() {
        let bytes: Vec<u8> = (0..100_u8).collect();
        let whole = sum(&bytes);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert_ne!(sum(&flipped), whole, "bit {bit} of byte {at}");
            }
            assert_ne!(sum(&bytes[..at]), whole, "cut at {at}");
        }
        let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
        assert_ne!(sum(&longer), whole);
    }

    #[test]
    fn a_file_is_summed_in_chunks_as_at_once() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("file");
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 33] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            std::fs::write(&path, &bytes).expect("written");
            assert_eq!(of_file(&path).expect("read"), sum(&bytes), "{length} bytes");
        }
    }
}
