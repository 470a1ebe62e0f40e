//! Random numbers from a seed: SplitMix64, for the order of samples and blocks and for the contents of files.
//!
//! Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014. Constants and test
//! values are those of Vigna's `splitmix64.c`.

/// Distance between two states of the sequence.
pub const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output of SplitMix64 for a state.
#[inline]
pub fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A sequence with a state of 64 bits. All seeds are equally good.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// An integer from 0 to `bound - 1`, or 0 if `bound` is 0.
    ///
    /// Uses multiplication (Lemire, ACM TOMACS 29(1), 2019) without the rejection step, which would correct a
    /// bias of `bound` in 2^64.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// Uniform in 0 < x < 1.
    pub fn uniform(&mut self) -> f64 {
        ((self.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Brings `items` into a random order (Fisher & Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// Takes two measurements in random order, so an effect of the first on the second is noise.
    ///
    /// # Errors
    /// That of either measurement.
    pub fn pair<T, E>(
        &mut self,
        first: impl FnOnce() -> Result<T, E>,
        second: impl FnOnce() -> Result<T, E>,
    ) -> Result<(T, T), E> {
        if self.below(2) == 0 {
            return Ok((first()?, second()?));
        }
        let second = second()?;
        Ok((first()?, second))
    }
}

/// Populations for simulations.
#[cfg(test)]
impl Random {
    /// Standard normal, by Box & Muller (1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// `n` values whose logarithm is normal: skewed to the right, like times.
    pub(crate) fn lognormal(&mut self, n: usize, median: f64, sigma: f64) -> Vec<f64> {
        (0..n).map(|_| median * (sigma * self.normal()).exp()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First outputs of `splitmix64.c` for the seed 1234567 (Rosetta Code, "Pseudo-random
    /// numbers/Splitmix64").
    #[test]
    fn gives_the_published_values() {
        let mut random = Random::new(1_234_567);
        let outputs = [(); 5].map(|()| random.next_u64());
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

    /// Each of the six orders of three items, in 60,000 shuffles. The standard deviation of each count is 91.
    #[test]
    fn shuffle_reaches_every_order_about_as_often() {
        let mut random = Random::new(2);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..60_000 {
            let mut items = [0, 1, 2];
            random.shuffle(&mut items);
            *counts.entry(items).or_insert(0_u32) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count| count.abs_diff(10_000) < 450), "{counts:?}");
    }

    #[test]
    fn below_reaches_every_number_about_as_often() {
        let mut random = Random::new(1);
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[random.below(7)] += 1;
        }
        // The standard deviation of each count is 93.
        assert!(counts.iter().all(|&count| count.abs_diff(10_000) < 450), "{counts:?}");
        assert_eq!(random.below(0), 0);
    }
}
