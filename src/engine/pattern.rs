//! The contents of files and buffers: a pseudo-random pattern that depends on the position.
//!
//! Zeros would lie: filesystems compress them, devices unmap them, and a block read from the
//! wrong place would look right.

/// The next output of SplitMix64 and its state (Steele, Lea & Flood, OOPSLA 2014; the constants
/// and test values are those of Vigna's `splitmix64.c`).
#[inline]
pub fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mix(*state)
}

#[inline]
fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Fills `block` with the pattern of a file from `offset_bytes` on: the eight bytes at every
/// multiple of eight are SplitMix64's output for that position, little-endian.
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
    mix(position.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix64_gives_the_published_values() {
        // First outputs of splitmix64.c for the seed 1234567 (Rosetta Code, "Pseudo-random
        // numbers/Splitmix64").
        let mut state = 1_234_567;
        let outputs: Vec<u64> = (0..5).map(|_| splitmix64(&mut state)).collect();
        assert_eq!(
            outputs,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821
            ]
        );
    }

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
