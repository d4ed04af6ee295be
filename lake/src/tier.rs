//! Which files to merge so that few remain and each row is rewritten few times.

/// Where to start merging `sizes` (oldest first) so that at most `max` remain; `None`: no need.
/// Merges at least two, and older ones while they are at most twice as large as what is merged
/// with them, so that sizes grow geometrically and a row is rewritten about log(n) times.
pub(crate) fn merge_from(sizes: &[u64], max: usize) -> Option<usize> {
    if sizes.len() <= max || sizes.len() < 2 {
        return None;
    }
    let surplus = sizes.len() - max.max(1);
    let mut start = sizes.len() - (surplus + 1).min(sizes.len());
    let mut sum = sizes[start..].iter().sum::<u64>();
    while start > 0 && sizes[start - 1] <= sum.saturating_mul(2) {
        start -= 1;
        sum += sizes[start];
    }
    Some(start)
}

#[cfg(test)]
mod tests {
    use super::merge_from;

    #[test]
    fn merges_only_what_is_needed_and_like_sizes() {
        let check = |sizes: &[u64], expected: Option<usize>| {
            assert_eq!(merge_from(sizes, 4), expected, "{sizes:?}");
        };
        check(&[], None);
        check(&[1, 1, 1, 1], None);
        check(&[1, 1, 1, 1, 1], Some(0));
        check(&[100, 1, 1, 1, 1], Some(1));
        check(&[1000, 500, 50, 9, 1], Some(3));
        check(&[100, 50, 20, 9, 5, 1], Some(0));
    }

    #[test]
    fn the_number_stays_bounded_and_rewriting_small() {
        let (mut sizes, mut rewritten) = (Vec::new(), 0);
        for _ in 0..10_000 {
            sizes.push(1);
            if let Some(start) = merge_from(&sizes, 8) {
                let merged = sizes.split_off(start).into_iter().sum();
                rewritten += merged;
                sizes.push(merged);
            }
            assert!(sizes.len() <= 8);
        }
        assert!(rewritten < 10_000 * 14, "each row was rewritten {} times", rewritten / 10_000);
    }
}
