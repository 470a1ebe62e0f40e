//! The contents of files and buffers: a pseudo-random pattern that depends on the position.
//!
//! Zeros would falsify results: filesystems compress them, devices unmap them, and a block read from the
//! wrong place would look right.

use crate::random;

/// Fills `block` with the pattern of a file from `offset_bytes` on. The eight bytes at every multiple of
/// eight are SplitMix64's output for that position, little-endian.
pub fn fill(block: &mut [u8], offset_bytes: u64) {
    let misaligned_bytes = (offset_bytes % 8) as usize;
    let head_bytes = ((8 - misaligned_bytes) % 8).min(block.len());
    let (head, body) = block.split_at_mut(head_bytes);
    let head_word = word_at(offset_bytes);
    head.copy_from_slice(&head_word[misaligned_bytes % 8..][..head_bytes]);
    let body_offset_bytes = offset_bytes + head_bytes as u64;
    let (words, tail) = body.as_chunks_mut::<8>();
    for (index, word) in words.iter_mut().enumerate() {
        *word = word_at(body_offset_bytes + 8 * index as u64);
    }
    let tail_word = word_at(body_offset_bytes + 8 * words.len() as u64);
    tail.copy_from_slice(&tail_word[..tail.len()]);
}

#[inline]
fn word_at(offset_bytes: u64) -> [u8; 8] {
    let position = offset_bytes / 8 + 1;
    random::mix(position.wrapping_mul(random::STEP)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_piece_of_the_pattern_equals_that_piece_of_the_whole() {
        let mut whole = vec![0; 100];
        fill(&mut whole, 0);
        for start in 0..20 {
            for length in 0..40 {
                let mut piece = vec![0; length];
                fill(&mut piece, start as u64);
                assert_eq!(piece, whole[start..start + length], "{length} bytes from {start}");
            }
        }
    }

    #[test]
    fn no_two_words_of_a_file_are_alike() {
        let mut block = vec![0; 65536];
        fill(&mut block, 1 << 40);
        let words: std::collections::HashSet<&[u8]> = block.chunks(8).collect();
        assert_eq!(words.len(), 65536 / 8);
    }
}
