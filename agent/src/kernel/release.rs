//! Slots given back, so that others can claim them.

use std::ptr;

use aya::maps::{HashMap, MapError};
use rajut_ebpf::abi::cell::{Cell, FIRST, OTHER};

use super::{Kernel, load::queue};
use crate::model::EntityId;

impl Kernel {
    /// The protocol with the programs: the cgroup is gone, so that no task can be in it, or has done nothing for many
    /// windows; nobody writes these cells. A task that still remembers the slot sees another generation and looks its own
    /// up. One of a silent cgroup that wakes up in this very moment loses what it did in it.
    pub(super) fn release_slots(&mut self, gone: &[EntityId]) -> Vec<EntityId> {
        let slots = self.loaded.slot_ids.count();
        let mut freed = Vec::new();
        for id in gone {
            let slot = match self.forget(id.0) {
                Ok(Some(slot)) if slot >= FIRST && (slot as usize) < slots => slot as usize,
                Ok(_) => continue,
                Err(error) => {
                    tracing::warn!(id = id.0, %error, "cannot take a cgroup out of the slot table");
                    continue;
                }
            };
            self.loaded.slot_ids.set(slot, 0);
            for shard in 0..self.loaded.topology.shards as usize {
                let index = shard * slots + slot;
                let Some(cell) = self.loaded.cells.get(index) else { continue };
                let generation = cell.generation.wrapping_add(1);
                self.loaded.cells.set(index, Cell { generation, ..Cell::EMPTY });
            }
            self.give("FREE_SLOTS", slot as u32);
            freed.push(*id);
        }
        if !freed.is_empty() {
            self.retry_the_unlucky();
        }
        freed
    }

    /// Those who found no slot free may look again.
    fn retry_the_unlucky(&self) {
        let slots = self.loaded.slot_ids.count();
        for shard in 0..self.loaded.topology.shards as usize {
            let Some(cell) = self.loaded.cells.pointer(shard * slots + OTHER as usize) else { continue };
            // SAFETY: inside the mapping. Only this word is written, which programs never do, so that counts to which
            // they are adding are left alone.
            unsafe {
                let generation = &raw mut (*cell).generation;
                ptr::write_volatile(generation, ptr::read_volatile(generation).wrapping_add(1));
            }
        }
    }

    /// Takes a cgroup out of the slot table, and gives the slot that it had.
    fn forget(&mut self, id: u64) -> Result<Option<u32>, MapError> {
        let Some(map) = self.loaded.object.map_mut("SLOT_OF") else { return Ok(None) };
        let mut slots = HashMap::<_, u64, u32>::try_from(map)?;
        match slots.get(&id, 0) {
            Ok(slot) => slots.remove(&id).map(|()| Some(slot)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn give(&mut self, pool: &str, value: u32) {
        let given = queue(&mut self.loaded.object, pool).and_then(|mut queue| Ok(queue.push(value, 0)?));
        if let Err(error) = given {
            tracing::warn!(pool, value, %error, "cannot give back");
        }
    }
}
