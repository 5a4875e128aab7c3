//! A cache of immutable values by object id, bounded by what they weigh.

use crate::sys::locks::Mutex;
use crate::types::Oid;
use std::collections::{BTreeMap, HashMap};

/// What a value takes beside its own weight, about.
const SLOT: u64 = 200;

/// Drops what was not used for longest when it grows over its limit; never the newest value, so
/// that one value may be larger than the limit.
pub(super) struct Cache<V> {
    limit: u64,
    state: Mutex<State<V>>,
}

struct State<V> {
    values: HashMap<Oid, Slot<V>>,
    /// Ids by the time of their last use.
    by_use: BTreeMap<u64, Oid>,
    time: u64,
    weight: u64,
}

struct Slot<V> {
    value: V,
    weight: u64,
    used: u64,
}

impl<V: Clone> Cache<V> {
    pub(super) fn new(limit: u64) -> Self {
        let state = State { values: HashMap::new(), by_use: BTreeMap::new(), time: 0, weight: 0 };
        Self { limit, state: Mutex::new(state) }
    }

    pub(super) fn get(&self, oid: Oid) -> Option<V> {
        let state = &mut *self.state.lock();
        let slot = state.values.get_mut(&oid)?;
        state.by_use.remove(&slot.used);
        state.time += 1;
        slot.used = state.time;
        state.by_use.insert(slot.used, oid);
        Some(slot.value.clone())
    }

    /// Keeps `value`, which weighs so much beside what every slot takes.
    pub(super) fn insert(&self, oid: Oid, value: V, weight: u64) {
        let weight = weight + SLOT;
        let state = &mut *self.state.lock();
        state.remove(oid);
        state.time += 1;
        state.by_use.insert(state.time, oid);
        state.weight += weight;
        state.values.insert(oid, Slot { value, weight, used: state.time });
        while state.weight > self.limit && state.values.len() > 1 {
            let Some((_, oldest)) = state.by_use.pop_first() else { break };
            state.remove(oldest);
        }
    }
}

impl<V> State<V> {
    fn remove(&mut self, oid: Oid) {
        if let Some(slot) = self.values.remove(&oid) {
            self.by_use.remove(&slot.used);
            self.weight -= slot.weight;
        }
    }
}
