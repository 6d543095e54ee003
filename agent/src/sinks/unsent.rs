//! Answers that are made and not sent yet: so many bytes in all, whoever does not read.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{body::Body, codegen::http};

use super::{desk::places, refusal::Refusal};

/// The room for them.
#[derive(Debug, Clone)]
pub(super) struct Unsent {
    bytes: Arc<Semaphore>,
    limit: usize,
}

/// The room that one answer takes. It goes with the response as an extension, and then, see [`hold`], with its bytes.
#[derive(Debug, Clone)]
pub(super) struct Room {
    _bytes: Arc<OwnedSemaphorePermit>,
}

impl Unsent {
    /// Room for so many bytes.
    pub(super) fn new(limit: usize) -> Unsent {
        Unsent { bytes: places(limit), limit }
    }

    /// Room for an answer of so many bytes.
    ///
    /// # Errors
    /// [`Refusal::Busy`] when there is not enough.
    pub(super) fn room(&self, size: usize) -> Result<Room, Refusal> {
        let busy = Refusal::Busy { what: "bytes of answers", limit: self.limit };
        let bytes = u32::try_from(size).ok();
        let bytes = bytes.and_then(|size| Arc::clone(&self.bytes).try_acquire_many_owned(size).ok());
        Ok(Room { _bytes: Arc::new(bytes.ok_or(busy)?) })
    }
}

/// Bytes of an answer.
struct Held {
    data: Bytes,
    _room: Room,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

/// Ties the room of an answer to its bytes. Not to its body: that is dropped when its last frame is handed to HTTP/2, where
/// all of it waits until the client opens its window. The bytes are dropped when they are written, or when the stream or
/// the connection ends, which a client that is dead or stopped brings about by not answering keepalive.
pub(super) fn hold(mut response: http::Response<Body>) -> http::Response<Body> {
    let Some(room) = response.extensions_mut().remove::<Room>() else { return response };
    response.map(|body| {
        let held = move |data| Bytes::from_owner(Held { data, _room: room.clone() });
        Body::new(body.map_frame(move |frame| frame.map_data(&held)))
    })
}
