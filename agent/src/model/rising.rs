//! Lists by rising key, and a cursor that walks along them.

/// The value of `key` in a list by rising key; put there, if it is absent. `at` is the place after the key before it, at
/// first 0: whoever comes with rising keys walks along the list once, and mostly finds each key in the next place. Keys
/// that do not rise are found too, by a search.
pub(crate) fn rising<'a, K: Copy + Ord, V: Default>(
    list: &'a mut Vec<(K, V)>,
    at: &mut usize,
    key: K,
) -> &'a mut V {
    if list.get(*at).is_none_or(|(own, _)| *own != key) {
        *at = seek(list, *at, key);
    }
    let found = *at;
    *at += 1;
    &mut list[found].1
}

#[cold]
fn seek<K: Copy + Ord, V: Default>(list: &mut Vec<(K, V)>, mut at: usize, key: K) -> usize {
    if at.checked_sub(1).and_then(|before| list.get(before)).is_some_and(|(before, _)| *before >= key) {
        at = list.partition_point(|(own, _)| *own < key);
    }
    while list.get(at).is_some_and(|(own, _)| *own < key) {
        at += 1;
    }
    if list.get(at).is_none_or(|(own, _)| *own != key) {
        list.insert(at, (key, V::default()));
    }
    at
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The same as a map, in whatever order the keys come.
        #[test]
        fn is_a_map(keys in prop::collection::vec(0u8..20, 0..60)) {
            let (mut list, mut at, mut map) = (Vec::new(), 0, BTreeMap::new());
            for (position, key) in keys.into_iter().enumerate() {
                *rising(&mut list, &mut at, key) += position;
                *map.entry(key).or_default() += position;
            }
            prop_assert_eq!(list, map.into_iter().collect::<Vec<(u8, usize)>>());
        }
    }
}
