//! [`Row`]: sums over the first of many numbers that change, each in the logarithm of their number (a
//! Fenwick tree).

#[derive(Debug, Clone)]
pub(super) struct Row {
    /// At each place the sum of as many numbers up to it as the place's lowest bit says.
    sums: Vec<i128>,
}

impl Row {
    pub fn new(length: usize) -> Self {
        Self { sums: vec![0; length + 1] }
    }

    /// Changes the number at an index. `None`: too large.
    pub fn add(&mut self, index: usize, by: i128) -> Option<()> {
        let mut place = index + 1;
        while let Some(sum) = self.sums.get_mut(place) {
            *sum = sum.checked_add(by)?;
            place += lowest_bit(place);
        }
        Some(())
    }

    /// The sum of the numbers before an index.
    pub fn before(&self, index: usize) -> Option<i128> {
        let (mut place, mut sum) = (index, 0_i128);
        while place > 0 {
            sum = sum.checked_add(*self.sums.get(place)?)?;
            place -= lowest_bit(place);
        }
        Some(sum)
    }

    /// The first index up to which the numbers come to more than `most`, and what those before it come
    /// to. Where none is below zero.
    pub fn first_above(&self, most: i128) -> Option<(usize, i128)> {
        let (mut place, mut sum) = (0, 0_i128);
        let mut step = self.sums.len().next_power_of_two();
        while step > 0 {
            if let Some(more) = self.sums.get(place + step) {
                let next = sum.checked_add(*more)?;
                if next <= most {
                    (place, sum) = (place + step, next);
                }
            }
            step /= 2;
        }
        (place + 1 < self.sums.len()).then_some((place, sum))
    }
}

fn lowest_bit(place: usize) -> usize {
    place & place.wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_places_are_those_of_the_numbers() {
        for length in 0..20_usize {
            let mut row = Row::new(length);
            let mut numbers = vec![0_i128; length];
            for turn in 0..3 * length {
                let (index, by) = (turn * 7 % length, i128::try_from(turn % 4).expect("small"));
                row.add(index, by).expect("adds");
                numbers[index] += by;
                for end in 0..=length {
                    assert_eq!(row.before(end), Some(numbers[..end].iter().sum()));
                }
                for most in 0..numbers.iter().sum::<i128>() + 2 {
                    let sum = |end: usize| numbers[..end].iter().sum::<i128>();
                    let first = (0..length).find(|index| sum(index + 1) > most);
                    assert_eq!(row.first_above(most), first.map(|index| (index, sum(index))));
                }
            }
        }
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let mut row = Row::new(2);
        row.add(0, i128::MAX).expect("adds");
        assert_eq!(row.add(1, 1), None);
    }
}
