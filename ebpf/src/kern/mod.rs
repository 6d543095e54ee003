//! What every kernel program needs.
