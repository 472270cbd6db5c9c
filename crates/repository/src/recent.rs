//! A cache of what was used of late, bounded by weight.
//!
//! Two generations: what is used moves into the young one; when that is full it becomes the old one,
//! and the old one is dropped. As good as least-recently-used within a factor of two, with no list to
//! keep in order.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;

/// A cache shared between threads.
#[derive(Debug)]
pub struct Recent<K, V> {
    weight_max: usize,
    generations: Mutex<Generations<K, V>>,
}

#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, (V, usize)>,
    old: HashMap<K, (V, usize)>,
    young_weight: usize,
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    /// A cache that holds at most about `weight_max`, in the unit that [`Recent::put`] is given.
    pub fn new(weight_max: usize) -> Self {
        let generations = Generations {
            young: HashMap::new(),
            old: HashMap::new(),
            young_weight: 0,
        };
        Self {
            weight_max,
            generations: Mutex::new(generations),
        }
    }

    /// The value, if it is still here.
    pub fn get(&self, key: &K) -> Option<V> {
        let mut generations = self.lock();
        if let Some((value, _)) = generations.young.get(key) {
            return Some(value.clone());
        }
        let (key, (value, weight)) = generations.old.remove_entry(key)?;
        generations.insert(key, value.clone(), weight, self.weight_max);
        Some(value)
    }

    /// Keeps a value.
    pub fn put(&self, key: K, value: V, weight: usize) {
        self.lock().insert(key, value, weight, self.weight_max);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations<K, V>> {
        // A cache has no invariant that a panic elsewhere could break.
        self.generations
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, V> Generations<K, V> {
    fn insert(&mut self, key: K, value: V, weight: usize, weight_max: usize) {
        if self.young_weight + weight > weight_max / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_weight = 0;
        }
        if let Some((_, replaced)) = self.young.insert(key, (value, weight)) {
            self.young_weight -= replaced;
        }
        self.young_weight += weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_weight_is_bounded() {
        let cache = Recent::new(100);
        cache.put(0, 0, 1);
        for n in 1..10_000 {
            cache.put(n, n, 1);
            assert_eq!(cache.get(&0), Some(0));
        }
        let generations = cache.lock();
        assert!(generations.young.len() + generations.old.len() <= 100);
        assert!(!generations.young.contains_key(&17) && !generations.old.contains_key(&17));
    }
}
