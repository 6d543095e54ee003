//! The wire: `rajut.v1`, generated from `rajut/v1/*.proto` when this crate is built.

/// Messages, clients and servers of `rajut.v1`. Their documentation is in the `.proto` files.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod v1 {
    tonic::include_proto!("rajut.v1");
}

/// The compiled descriptors, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
