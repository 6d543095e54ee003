//! What crosses: layouts and bucket math, compiled for both targets.

pub mod histogram;
