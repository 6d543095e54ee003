//! Loads of kernel fields, see [`crate::abi::field`].

use crate::abi::field::Field;

impl<T: Copy> Field<T> {
    /// Loads the field.
    ///
    /// # Safety
    /// `base` is a pointer that the verifier knows: a BTF-typed one, or the context. The load itself cannot fault: the
    /// verifier checks the type, and the kernel turns a bad address into 0.
    #[inline(always)]
    pub unsafe fn of(self, base: *const u8) -> T {
        // SAFETY: as above.
        unsafe { base.add(self.mark as usize).cast::<T>().read() }
    }
}

impl Field<u64> {
    /// Loads a pointer.
    ///
    /// # Safety
    /// As [`Field::of`].
    #[inline(always)]
    pub unsafe fn pointer(self, base: *const u8) -> *const u8 {
        // SAFETY: as above; the cast keeps the verifier's type, since it is the same load.
        unsafe { base.add(self.mark as usize).cast::<*const u8>().read() }
    }
}
