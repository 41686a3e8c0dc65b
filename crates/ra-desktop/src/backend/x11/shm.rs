//! Memory that the X server writes pictures into, passed as a file descriptor.
//!
//! The one place of this crate with `unsafe`: mapping a file is unsafe because somebody else can write to it.

use memmap2::{Mmap, MmapOptions};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use x11rb::connection::Connection;
use x11rb::protocol::shm::{self, ConnectionExt as _, Seg};
use x11rb::protocol::xproto::{ImageFormat, Window};
use x11rb::rust_connection::{ReplyError, RustConnection};
use x11rb::utils::RawFdContainer;

use crate::frame::{BYTES_PER_PIXEL, Rect, Size};

/// A shared segment as large as the whole screen.
pub(super) struct Segment {
    id: Seg,
    memory: Mmap,
}

impl Segment {
    /// Makes a segment, the server's way or ours; `None` when neither works, as over a network.
    pub(super) fn new(connection: &RustConnection, size: Size) -> Option<Self> {
        let version = connection.shm_query_version().ok()?.reply().ok()?;
        if (version.major_version, version.minor_version) < FD_PASSING {
            return None;
        }
        let bytes = u32::from(size.width) * u32::from(size.height) * u32::try_from(BYTES_PER_PIXEL).ok()?;
        Self::from_server(connection, bytes).or_else(|| Self::from_us(connection, bytes))
    }

    fn from_server(connection: &RustConnection, bytes: u32) -> Option<Self> {
        let id = connection.generate_id().ok()?;
        let reply = connection.shm_create_segment(id, bytes, false).ok()?.reply().ok()?;
        Self::mapped(connection, id, &reply.shm_fd, bytes)
    }

    fn from_us(connection: &RustConnection, bytes: u32) -> Option<Self> {
        let fd = memfd_create("ra-desktop", MemfdFlags::CLOEXEC).ok()?;
        ftruncate(&fd, u64::from(bytes)).ok()?;
        let fd = RawFdContainer::from(fd);
        let id = connection.generate_id().ok()?;
        connection.shm_attach_fd(id, fd.try_clone().ok()?, false).ok()?.check().ok()?;
        Self::mapped(connection, id, &fd, bytes)
    }

    #[expect(unsafe_code, reason = "mapping memory that another process writes; the argument stands at the block")]
    fn mapped(connection: &RustConnection, id: Seg, fd: &RawFdContainer, bytes: u32) -> Option<Self> {
        // SAFETY: the mapping is shared with the X server alone (nobody else was ever given the descriptor). The server
        // writes to it only while it carries out a ShmGetImage, and `bytes` is only read after that request's reply,
        // through `&mut self` of the methods that send requests, so no request is under way while a slice lives.
        // The server neither shrinks the file nor writes at other times; one that did could as well send us any picture.
        let memory = unsafe { MmapOptions::new().len(usize::try_from(bytes).ok()?).map(fd) };
        match memory {
            Ok(memory) => Some(Self { id, memory }),
            Err(error) => {
                tracing::debug!(%error, "cannot map a shared segment");
                drop(connection.shm_detach(id));
                None
            }
        }
    }

    /// Lets the server write all `rects` of the root window into the segment, one behind the other.
    ///
    /// Returns where each starts, in bytes; its rows have no padding. The sum of the areas must not exceed the screen's.
    pub(super) fn grab(
        &mut self,
        connection: &RustConnection,
        root: Window,
        rects: &[Rect],
    ) -> Result<Vec<usize>, ReplyError> {
        let mut offset = 0;
        let mut cookies = Vec::with_capacity(rects.len());
        for rect in rects {
            let (x, y) = (i16::try_from(rect.x).unwrap_or(i16::MAX), i16::try_from(rect.y).unwrap_or(i16::MAX));
            let format = ImageFormat::Z_PIXMAP.into();
            let start = u32::try_from(offset).unwrap_or(u32::MAX);
            let cookie = shm::get_image(connection, root, x, y, rect.width, rect.height, !0, format, self.id, start)?;
            cookies.push((offset, cookie));
            offset += usize::from(rect.width) * usize::from(rect.height) * BYTES_PER_PIXEL;
        }
        // Every reply is awaited, also after an error: the memory is quiet when this returns.
        let replies: Vec<_> = cookies.into_iter().map(|(start, cookie)| cookie.reply().map(|_| start)).collect();
        replies.into_iter().collect()
    }

    /// What the last grab wrote.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.memory
    }

    /// Gives the segment back to the server.
    pub(super) fn detach(self, connection: &RustConnection) {
        drop(connection.shm_detach(self.id));
    }
}

/// The first version of MIT-SHM that passes descriptors.
const FD_PASSING: (u16, u16) = (1, 2);
