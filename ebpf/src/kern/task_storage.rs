//! Task storage: one value for each task, which dies with it. aya-ebpf has no such map, so here are its ten lines.

use core::{ffi::c_void, ptr};

use aya_ebpf::helpers::generated::bpf_task_storage_get;

const GET_F_CREATE: u64 = 1;

/// BPF_MAP_TYPE_TASK_STORAGE with BPF_F_NO_PREALLOC, as BTF describes a map: by the types of pointers.
#[repr(C)]
pub struct TaskStorage<T> {
    r#type: *const [i32; 29],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; 1],
}

// SAFETY: it has no bytes that anyone reads; it only describes a map.
unsafe impl<T> Sync for TaskStorage<T> {}

impl<T> TaskStorage<T> {
    /// A description of the map.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            r#type: ptr::null(),
            key: ptr::null(),
            value: ptr::null(),
            max_entries: ptr::null(),
            map_flags: ptr::null(),
        }
    }

    /// The task's value, made of zeros where there is none yet. Null when the kernel has no memory for it.
    ///
    /// # Safety
    /// `task` is a BTF-typed task pointer. The value is the caller's alone only while the task cannot run elsewhere:
    /// it is running here, or is being switched here, or has not run yet.
    #[inline(always)]
    pub unsafe fn get_or_create(&self, task: *const u8) -> *mut T {
        // SAFETY: as above.
        unsafe { self.find(task, GET_F_CREATE) }
    }

    /// The task's value; null where there is none.
    ///
    /// # Safety
    /// As [`TaskStorage::get_or_create`].
    #[inline(always)]
    pub unsafe fn get(&self, task: *const u8) -> *mut T {
        // SAFETY: as above.
        unsafe { self.find(task, 0) }
    }

    #[inline(always)]
    unsafe fn find(&self, task: *const u8, flags: u64) -> *mut T {
        // SAFETY: the helper checks the pointer's type at load time.
        unsafe {
            let map = ptr::from_ref(self).cast_mut().cast();
            bpf_task_storage_get(map, task.cast_mut().cast(), ptr::null_mut::<c_void>(), flags).cast()
        }
    }
}

impl<T> Default for TaskStorage<T> {
    fn default() -> Self {
        Self::new()
    }
}
