//! [`Spare`]: the memory of blocks that were written, for those to come. Given back to the system,
//! each page of it would be cleared again for the next batch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::block::Block;

/// Blocks of two batches, more or less: two are built at a time.
const BLOCKS_MAX: usize = 64;
/// Buffers that are larger are not kept: few records are as long.
const BYTES_MAX: usize = 4 << 20;

/// Shared by who decodes and who writes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spare(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    blocks: Vec<Block>,
    buffers: Vec<Vec<u8>>,
}

impl Spare {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        // What is kept is empty, so nobody can have left it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty block.
    pub fn block(&self) -> Block {
        self.kept().blocks.pop().unwrap_or_default()
    }

    /// An empty buffer.
    pub fn buffer(&self) -> Vec<u8> {
        self.kept().buffers.pop().unwrap_or_default()
    }

    /// Takes blocks back whose rows are written.
    pub fn keep(&self, blocks: Vec<Block>) {
        for mut block in blocks {
            let mut buffer = std::mem::take(&mut block.bytes.read);
            buffer.clear();
            block.clear();
            let mut kept = self.kept();
            if kept.blocks.len() < BLOCKS_MAX && block.bytes.written.capacity() <= BYTES_MAX {
                kept.blocks.push(block);
            }
            if kept.buffers.len() < BLOCKS_MAX && (1..=BYTES_MAX).contains(&buffer.capacity()) {
                kept.buffers.push(buffer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_empty_and_bounded() {
        let spare = Spare::default();
        let block = |size: usize| {
            let mut block = Block::default();
            block.bytes.read = vec![1; size];
            block.bytes.written = vec![1; size];
            block.systems.push("native".to_owned());
            block
        };
        let large = BYTES_MAX + 1;
        spare.keep((0..2 * BLOCKS_MAX).map(|at| block(if at == 0 { large } else { 10 })).collect());
        for _ in 0..BLOCKS_MAX {
            let (block, buffer) = (spare.block(), spare.buffer());
            assert_eq!((block.bytes.written.capacity(), buffer.capacity()), (10, 10));
            assert!(block.bytes.written.is_empty() && block.systems.is_empty());
            assert!(buffer.is_empty());
        }
        assert_eq!((spare.block().bytes.written.capacity(), spare.buffer().capacity()), (0, 0));
    }
}
