//! Constants whose values are known only on the host, by the marks that stand for them in the object.

/// A constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Constant {
    /// Its name.
    pub name: &'static str,
    /// The immediate that the agent replaces.
    pub mark: i32,
}

/// The first mark; the others follow.
const FIRST_MARK: i32 = 0x7261_6a00;

macro_rules! constants {
    ($($name:ident = $index:literal;)*) => {
        $(#[doc = concat!("See the reader of ", stringify!($name), " in `kern::constants`.")]
        pub const $name: Constant = Constant { name: stringify!($name), mark: FIRST_MARK + $index };)*
        /// All of them.
        pub const ALL: &[Constant] = &[$($name),*];
    };
}

constants! {
    SLOTS = 0;
    SHARED = 1;
    CPUS = 2;
    HAS_THROTTLED = 3;
    THROTTLED_OFFSET = 4;
    HAS_PREV_STATE = 5;
    CREATE_AT_SWITCH = 6;
}
