//! An array map, mapped into this process: read without a system call.

use std::{io, marker::PhantomData, os::fd::AsRawFd, ptr};

/// Elements of an array map, shared with the kernel's programs.
#[derive(Debug)]
pub struct Mapped<T> {
    base: *mut T,
    elements: usize,
    bytes: usize,
    kind: PhantomData<T>,
}

// SAFETY: the mapping belongs to the process, not to a thread; every access is by volatile copies.
unsafe impl<T: Send> Send for Mapped<T> {}

/// Types that any bytes make: what kernel programs write can be copied out as them.
pub trait Plain: Copy {}

impl Plain for u64 {}
impl Plain for rajut_ebpf::abi::cell::Cell {}
impl Plain for rajut_ebpf::abi::ledger::Ledger {}

impl<T: Plain> Mapped<T> {
    /// Maps `elements` of an array map whose values are `T`, a multiple of 8 bytes long.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new(map: &impl AsRawFd, elements: usize) -> io::Result<Mapped<T>> {
        const { assert!(size_of::<T>().is_multiple_of(8)) };
        let bytes = (elements * size_of::<T>()).next_multiple_of(4096);
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                map.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Mapped { base: base.cast(), elements, bytes, kind: PhantomData })
    }

    /// How many elements.
    #[must_use]
    pub fn count(&self) -> usize {
        self.elements
    }

    /// A copy of an element; words may be of different instants.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<T> {
        // SAFETY: inside the mapping; any bytes make a `T`; volatile, since the kernel writes there meanwhile.
        (index < self.elements).then(|| unsafe { ptr::read_volatile(self.base.add(index)) })
    }

    /// Replaces an element.
    pub fn set(&self, index: usize, value: T) {
        if index < self.elements {
            // SAFETY: as in `get`; the caller's protocol says when nobody else writes.
            unsafe { ptr::write_volatile(self.base.add(index), value) };
        }
    }

    /// An element where it lies, for reading without a copy of the whole.
    #[must_use]
    pub fn pointer(&self, index: usize) -> Option<*mut T> {
        // SAFETY: inside the mapping.
        (index < self.elements).then(|| unsafe { self.base.add(index) })
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length, and no reference into it outlives `self`.
        unsafe { libc::munmap(self.base.cast(), self.bytes) };
    }
}
