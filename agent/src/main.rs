//! `rajut`: command line -> config -> role -> run until signal.

fn main() {}
