//! A small seeded generator: the same seed gives the same provider on every machine.
//!
//! xoshiro256** (Blackman and Vigna) seeded by splitmix64. No floats: what is drawn are integers.

/// A stream of pseudo-random integers.
#[derive(Debug, Clone)]
pub struct Random {
    state: [u64; 4],
}

fn splitmix(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    /// The stream of a seed and a path below it, such as (actor, purpose).
    pub fn new(seed: u64, path: &[u64]) -> Self {
        let mut mixed = seed;
        for step in path {
            mixed = splitmix(&mut mixed) ^ step.wrapping_mul(0xd6e8_feb8_6659_fd93);
        }
        Self { state: std::array::from_fn(|_| splitmix(&mut mixed)) }
    }

    pub fn next(&mut self) -> u64 {
        let s = &mut self.state;
        let answer = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        answer
    }

    /// An integer in `[0, bound)`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// An integer in `[from, to)`.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        let width = u64::try_from(to - from).unwrap_or(0);
        from + i64::try_from(self.below(width)).unwrap_or(0)
    }

    /// True `parts` times in `whole`.
    pub fn chance(&mut self, parts: u64, whole: u64) -> bool {
        self.below(whole) < parts
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }

    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// A wait around a mean: the sum of two uniform draws, so that it is rarely near 0.
    pub fn wait(&mut self, mean: i64) -> i64 {
        self.between(0, mean) + self.between(0, mean) + 1
    }

    /// A version 4 UUID.
    pub fn uuid(&mut self) -> String {
        let bits = (u128::from(self.next()) << 64) | u128::from(self.next());
        let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        let hex = format!("{bits:032x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let draw = |seed, path: &[u64]| -> Vec<u64> {
            let mut random = Random::new(seed, path);
            (0..4).map(|_| random.next()).collect()
        };
        assert_eq!(draw(1, &[2, 3]), draw(1, &[2, 3]));
        assert_ne!(draw(1, &[2, 3]), draw(1, &[3, 2]));
        assert_ne!(draw(1, &[]), draw(2, &[]));
    }

    #[test]
    fn draws_stay_within_bounds() {
        let mut random = Random::new(7, &[]);
        assert!((0..1_000).all(|_| random.below(3) < 3));
        assert!((0..1_000).all(|_| (-5..5).contains(&random.between(-5, 5))));
        assert_eq!(random.below(0), 0);
        let uuid = random.uuid();
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"));
    }
}
