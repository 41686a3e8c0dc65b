//! Memory that the X server writes pictures into, passed as a file descriptor: the frame itself lies there.
//!
//! A wide part is written by the server straight into its rows, as a band over the full width, which is copied by nobody. A narrow
//! part has other rows than the frame; it goes packed into scratch memory behind the frame and from there to its place.
//!
//! The one place of this crate with `unsafe`: mapping a file is unsafe because somebody else can write to it.

use memmap2::{MmapMut, MmapOptions};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use x11rb::connection::Connection;
use x11rb::cookie::Cookie;
use x11rb::protocol::shm::{self, ConnectionExt as _, GetImageReply, Seg};
use x11rb::protocol::xproto::{ImageFormat, Window};
use x11rb::rust_connection::{ReplyError, RustConnection};
use x11rb::utils::RawFdContainer;

use super::plan::{Read, plan};
use crate::frame::{Frame, Rect, Size};

/// The server's name for the memory that a frame lies in.
pub(super) struct Segment {
    id: Seg,
    size: Size,
}

impl Segment {
    /// Makes a segment and a black frame in it, the server's way or ours; `None` when neither works, as over a network.
    pub(super) fn new(connection: &RustConnection, size: Size) -> Option<(Self, Frame)> {
        let version = connection.shm_query_version().ok()?.reply().ok()?;
        if (version.major_version, version.minor_version) < FD_PASSING {
            return None;
        }
        // The plan never needs more scratch than half a frame.
        let bytes = u32::try_from(size.bytes() + size.bytes() / 2).ok()?;
        let (id, memory) = Self::from_server(connection, bytes).or_else(|| Self::from_us(connection, bytes))?;
        Some((Self { id, size }, Frame::over(size, memory)?))
    }

    fn from_server(connection: &RustConnection, bytes: u32) -> Option<(Seg, MmapMut)> {
        let id = connection.generate_id().ok()?;
        let reply = connection.shm_create_segment(id, bytes, false).ok()?.reply().ok()?;
        Self::mapped(connection, id, &reply.shm_fd, bytes)
    }

    fn from_us(connection: &RustConnection, bytes: u32) -> Option<(Seg, MmapMut)> {
        let fd = memfd_create("ra-desktop", MemfdFlags::CLOEXEC).ok()?;
        ftruncate(&fd, u64::from(bytes)).ok()?;
        let fd = RawFdContainer::from(fd);
        let id = connection.generate_id().ok()?;
        connection.shm_attach_fd(id, fd.try_clone().ok()?, false).ok()?.check().ok()?;
        Self::mapped(connection, id, &fd, bytes)
    }

    #[expect(unsafe_code, reason = "mapping memory that another process writes; the argument stands at the block")]
    fn mapped(connection: &RustConnection, id: Seg, fd: &RawFdContainer, bytes: u32) -> Option<(Seg, MmapMut)> {
        // SAFETY: the mapping is shared with the X server alone (nobody else was ever given the descriptor). The server
        // writes to it only while it carries out a ShmGetImage, and the only ones are those of `grab`. That has the frame,
        // which owns the mapping, for itself (`&mut`), so no slice of it lives while a request is under way, and it comes back
        // only when every request was answered; where an answer cannot come any more, it leaves another frame behind.
        // The server neither shrinks the file nor writes at other times; one that did could as well send us any picture.
        let memory = unsafe { MmapOptions::new().len(usize::try_from(bytes).ok()?).map_mut(fd) };
        match memory {
            Ok(memory) => Some((id, memory)),
            Err(error) => {
                tracing::debug!(%error, "cannot map a shared segment");
                drop(connection.shm_detach(id));
                None
            }
        }
    }

    /// Lets the server write `parts` into `frame`, which must be the one that came with this segment. The frame's upper left
    /// corner lies at `origin` of the root window.
    ///
    /// # Errors
    /// As the server has it; what the frame shows then is unknown. When the connection broke, the frame is another one,
    /// black and empty, because nobody knows whether the server still writes into the old one.
    pub(super) fn grab(
        &self,
        connection: &RustConnection,
        (root, origin): (Window, (u16, u16)),
        parts: &[Rect],
        frame: &mut Frame,
    ) -> Result<(), ReplyError> {
        if frame.size() != self.size {
            return Ok(());
        }
        let reads = plan(frame.size(), parts);
        let mut starts = Vec::with_capacity(reads.len());
        let asked = self.ask(connection, root, origin, &reads, &mut starts);
        // Every reply is awaited, also after an error: the memory is quiet when this returns.
        let answered: Vec<_> = asked.cookies.into_iter().map(Cookie::reply).collect();
        let mut result = asked.result;
        for answer in answered {
            match answer {
                Err(error @ ReplyError::ConnectionError(_)) => result = Err(error),
                Err(error) if result.is_ok() => result = Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        if matches!(result, Err(ReplyError::ConnectionError(_))) {
            *frame = Frame::black(Size { width: 0, height: 0 });
        }
        result?;
        for (read, start) in reads.iter().zip(starts) {
            if let Read::Piece(rect) = read {
                frame.put_from_scratch(*rect, start);
            }
        }
        Ok(())
    }

    /// Sends all requests; `starts` tells where each piece begins in the scratch memory, bytes.
    fn ask<'c>(
        &self,
        connection: &'c RustConnection,
        root: Window,
        origin: (u16, u16),
        reads: &[Read],
        starts: &mut Vec<usize>,
    ) -> Asked<'c> {
        let mut asked = Asked { cookies: Vec::with_capacity(reads.len()), result: Ok(()) };
        let mut scratch = 0;
        for read in reads {
            let rect = read.rect();
            let offset = match read {
                Read::Band(band) => usize::from(band.y) * self.size.rect().row_bytes(),
                Read::Piece(_) => self.size.bytes() + scratch,
            };
            starts.push(scratch);
            if let Read::Piece(piece) = read {
                scratch += piece.row_bytes() * usize::from(piece.height);
            }
            let place = |start: u16, place: u16| i16::try_from(start.saturating_add(place)).unwrap_or(i16::MAX);
            let (x, y) = (place(origin.0, rect.x), place(origin.1, rect.y));
            let offset = u32::try_from(offset).unwrap_or(u32::MAX);
            let format = ImageFormat::Z_PIXMAP.into();
            match shm::get_image(connection, root, x, y, rect.width, rect.height, !0, format, self.id, offset) {
                Ok(cookie) => asked.cookies.push(cookie),
                Err(error) => {
                    asked.result = Err(error.into());
                    break;
                }
            }
        }
        asked
    }

    /// Gives the segment back to the server.
    pub(super) fn detach(self, connection: &RustConnection) {
        drop(connection.shm_detach(self.id));
    }
}

/// Requests under way, and whether all could be sent.
struct Asked<'c> {
    cookies: Vec<Cookie<'c, RustConnection, GetImageReply>>,
    result: Result<(), ReplyError>,
}

/// The first version of MIT-SHM that passes descriptors.
const FD_PASSING: (u16, u16) = (1, 2);
