//! The first few of many in some order, without sorting the rest.

use std::cmp::Ordering;

/// The `n` items that come first in `order`, in that order. An order without ties gives one answer.
pub fn first<T>(mut items: Vec<T>, n: usize, order: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    if n < items.len() {
        items.select_nth_unstable_by(n, &order);
        items.truncate(n);
    }
    items.sort_unstable_by(order);
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_those_of_a_sorted_list() {
        let items = [5, 1, 4, 1, 3, 9, 2];
        let mut sorted = items.to_vec();
        sorted.sort_unstable();
        for n in 0..9 {
            let found = first(items.to_vec(), n, Ord::cmp);
            assert_eq!(found, sorted[..n.min(sorted.len())], "{n}");
        }
    }
}
