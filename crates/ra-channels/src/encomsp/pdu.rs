//! The bytes of `encomsp`: one complete channel PDU to its orders and back.

use core::fmt;

use zeroize::Zeroizing;

use super::Rights;
use crate::wire::{MAX_MESSAGE_BYTES, TextError, check_text, push_utf16, read_utf16_lossy};

/// One order. Source: session-protocol.md section 6, \[MS-RDPEMC\] 2.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// FILTER_STATE_UPDATED (1), novice to expert.
    FilterStateUpdated {
        /// Whether only some applications are shown.
        enabled: bool,
    },
    /// APP_REMOVED (2), novice to expert.
    AppRemoved {
        /// Which application.
        app: u32,
    },
    /// APP_CREATED (3), novice to expert.
    AppCreated {
        /// 1: the application is shared.
        flags: u16,
        /// Which application.
        app: u32,
        /// Its name. Untrusted text.
        name: String,
    },
    /// WND_REMOVED (4), novice to expert.
    WindowRemoved {
        /// Which window.
        window: u32,
    },
    /// WND_CREATED (5), novice to expert.
    WindowCreated {
        /// 1: the window is shared.
        flags: u16,
        /// The application that it belongs to.
        app: u32,
        /// Which window.
        window: u32,
        /// Its title. Untrusted text.
        name: String,
    },
    /// WND_SHOW (6), expert to novice.
    WindowShow {
        /// Which window.
        window: u32,
    },
    /// PARTICIPANT_REMOVED (7), novice to expert.
    ParticipantRemoved {
        /// Who.
        id: ParticipantId,
        /// DiscType: 0 by the host, 2 by the participant. Windows does not look at it.
        kind: u32,
        /// DiscCode: 0 for none. Windows does not look at it.
        code: u32,
    },
    /// PARTICIPANT_CREATED (8), novice to expert: a participant, or a change of its flags.
    ParticipantCreated {
        /// Who.
        id: ParticipantId,
        /// 0 in every known implementation.
        group: u32,
        /// Its rights, and whether it is the receiver.
        flags: ParticipantFlags,
        /// Its name. Untrusted text.
        name: String,
    },
    /// CTRL_CHANGE (9), expert to novice: the wish for other rights.
    ControlChange {
        /// What is wanted.
        flags: ControlFlags,
        /// For whom: the sender.
        id: ParticipantId,
    },
    /// GRAPHICS_STREAM_PAUSED (0xA), novice to expert.
    GraphicsPaused,
    /// GRAPHICS_STREAM_RESUMED (0xB), novice to expert.
    GraphicsResumed,
    /// WND_REGION_UPDATE (0xC), novice to expert; fatal to FreeRDP, so our novice never sends it.
    WindowRegion {
        /// Left edge in pixels.
        left: u32,
        /// Top edge in pixels.
        top: u32,
        /// Right edge in pixels.
        right: u32,
        /// Bottom edge in pixels.
        bottom: u32,
    },
    /// CTRL_CHANGE_RESPONSE (0xD), novice to expert; fatal to FreeRDP, so our novice never sends it.
    ControlChangeResponse {
        /// What was wanted.
        flags: ControlFlags,
        /// For whom.
        id: ParticipantId,
        /// 0 for granted.
        reason: u32,
    },
}

/// Number of a participant, chosen by the novice. 0 is a valid one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ParticipantId(pub u32);

/// Flags of PARTICIPANT_CREATED; unknown bits are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ParticipantFlags(pub u16);

impl ParticipantFlags {
    /// MAY_VIEW.
    pub const MAY_VIEW: u16 = 0x1;
    /// MAY_INTERACT.
    pub const MAY_INTERACT: u16 = 0x2;
    /// IS_PARTICIPANT: the order is about its receiver.
    pub const IS_PARTICIPANT: u16 = 0x4;

    /// The flags of an order about its receiver: 4, 5 or 7.
    #[must_use]
    pub const fn own(rights: Rights) -> Self {
        Self(Self::IS_PARTICIPANT | rights.bits())
    }

    /// True when the order is about its receiver.
    #[must_use]
    pub const fn is_receiver(self) -> bool {
        self.0 & Self::IS_PARTICIPANT != 0
    }

    /// The rights; to interact without a view is nothing.
    #[must_use]
    pub const fn rights(self) -> Rights {
        match (self.0 & Self::MAY_VIEW != 0, self.0 & Self::MAY_INTERACT != 0) {
            (false, _) => Rights::Nothing,
            (true, false) => Rights::View,
            (true, true) => Rights::ViewAndInteract,
        }
    }
}

/// Flags of CTRL_CHANGE; unknown bits are kept. ALLOW_CONTROL_REQUESTS (8) is never sent and has no meaning here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ControlFlags(pub u16);

impl ControlFlags {
    /// REQUEST_VIEW.
    pub const REQUEST_VIEW: u16 = 0x1;
    /// REQUEST_INTERACT.
    pub const REQUEST_INTERACT: u16 = 0x2;

    /// The flags that wish for these rights: 0, 1 or 3.
    #[must_use]
    pub const fn wishing(rights: Rights) -> Self {
        Self(rights.bits())
    }

    /// The rights that are wished for; to interact means to view as well.
    #[must_use]
    pub const fn wish(self) -> Rights {
        match (self.0 & Self::REQUEST_VIEW != 0, self.0 & Self::REQUEST_INTERACT != 0) {
            (_, true) => Rights::ViewAndInteract,
            (true, false) => Rights::View,
            (false, false) => Rights::Nothing,
        }
    }
}

impl Rights {
    const fn bits(self) -> u16 {
        match self {
            Self::Nothing => 0,
            Self::View => 1,
            Self::ViewAndInteract => 3,
        }
    }
}

/// Why a channel PDU is no sequence of orders: the peer broke the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncomspError {
    /// The PDU is longer than [`MAX_MESSAGE_BYTES`].
    #[error("an encomsp message of {bytes} bytes exceeds {MAX_MESSAGE_BYTES}")]
    TooLong {
        /// Length of the PDU.
        bytes: usize,
    },
    /// The PDU ends inside an order, or the order's length is below that of its header.
    #[error("an order claims {length} bytes and the message has {left} left")]
    OrderLength {
        /// What the order claims, 0 when even the header is cut.
        length: u16,
        /// What is there.
        left: usize,
    },
    /// The order is too short for its fields.
    #[error("an order of type {kind:#x} is too short for its fields")]
    OrderTooShort {
        /// The type.
        kind: u16,
    },
    /// A name is longer than [`MAX_NAME_UNITS`].
    #[error("a name of {units} UTF-16 units exceeds {MAX_NAME_UNITS}")]
    NameTooLong {
        /// What the name claims.
        units: u16,
    },
    /// More orders than an honest peer sends arrived at once.
    #[error("more orders arrived at once than anybody needs")]
    Flood,
}

/// Reads the orders of one complete, dechunked channel PDU, all or none.
///
/// Orders of an unknown type are passed over, as Windows does; so are surplus bytes inside an order.
///
/// # Errors
///
/// [`EncomspError`] when the peer broke the protocol.
pub fn decode(pdu: &[u8]) -> Result<Vec<Order>, EncomspError> {
    if pdu.len() > MAX_MESSAGE_BYTES {
        return Err(EncomspError::TooLong { bytes: pdu.len() });
    }
    let mut orders = Vec::new();
    let mut rest = pdu;
    while !rest.is_empty() {
        let cut = |length| EncomspError::OrderLength { length, left: rest.len() };
        let (header, _) = rest.split_first_chunk::<4>().ok_or_else(|| cut(0))?;
        let kind = u16::from_le_bytes([header[0], header[1]]);
        let length = u16::from_le_bytes([header[2], header[3]]);
        let (order, behind) = rest.split_at_checked(length.into()).ok_or_else(|| cut(length))?;
        let body = order.get(4..).ok_or_else(|| cut(length))?;
        orders.extend(Fields { kind, rest: body }.order()?);
        rest = behind;
    }
    Ok(orders)
}

impl Order {
    /// Writes the order, with its exact length.
    ///
    /// # Errors
    ///
    /// [`TextError`] when a name is longer than [`MAX_NAME_UNITS`] or holds a NUL.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, TextError> {
        let mut body = Vec::new();
        match self {
            Self::FilterStateUpdated { enabled } => body.push(u8::from(*enabled)),
            Self::AppRemoved { app } => put(&mut body, &[*app]),
            Self::AppCreated { flags, app, name } => {
                body.extend(flags.to_le_bytes());
                put(&mut body, &[*app]);
                put_name(&mut body, name)?;
            }
            Self::WindowRemoved { window } | Self::WindowShow { window } => put(&mut body, &[*window]),
            Self::WindowCreated { flags, app, window, name } => {
                body.extend(flags.to_le_bytes());
                put(&mut body, &[*app, *window]);
                put_name(&mut body, name)?;
            }
            Self::ParticipantRemoved { id, kind, code } => put(&mut body, &[id.0, *kind, *code]),
            Self::ParticipantCreated { id, group, flags, name } => {
                put(&mut body, &[id.0, *group]);
                body.extend(flags.0.to_le_bytes());
                put_name(&mut body, name)?;
            }
            Self::ControlChange { flags, id } => {
                body.extend(flags.0.to_le_bytes());
                put(&mut body, &[id.0]);
            }
            Self::GraphicsPaused | Self::GraphicsResumed => {}
            Self::WindowRegion { left, top, right, bottom } => put(&mut body, &[*left, *top, *right, *bottom]),
            Self::ControlChangeResponse { flags, id, reason } => {
                body.extend(flags.0.to_le_bytes());
                put(&mut body, &[id.0, *reason]);
            }
        }
        // The longest body is a window with a name of 1024 units: far under u16::MAX.
        let length = 4 + body.len() as u16;
        let mut out = Zeroizing::new(Vec::with_capacity(length.into()));
        out.extend(self.kind().to_le_bytes());
        out.extend(length.to_le_bytes());
        out.extend(body);
        Ok(out)
    }

    fn kind(&self) -> u16 {
        match self {
            Self::FilterStateUpdated { .. } => 0x1,
            Self::AppRemoved { .. } => 0x2,
            Self::AppCreated { .. } => 0x3,
            Self::WindowRemoved { .. } => 0x4,
            Self::WindowCreated { .. } => 0x5,
            Self::WindowShow { .. } => 0x6,
            Self::ParticipantRemoved { .. } => 0x7,
            Self::ParticipantCreated { .. } => 0x8,
            Self::ControlChange { .. } => 0x9,
            Self::GraphicsPaused => 0xa,
            Self::GraphicsResumed => 0xb,
            Self::WindowRegion { .. } => 0xc,
            Self::ControlChangeResponse { .. } => 0xd,
        }
    }
}

impl fmt::Display for ParticipantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The fields of one order, read from the front.
struct Fields<'a> {
    kind: u16,
    rest: &'a [u8],
}

impl Fields<'_> {
    fn order(mut self) -> Result<Option<Order>, EncomspError> {
        Ok(Some(match self.kind {
            0x1 => Order::FilterStateUpdated { enabled: self.bytes::<1>()?[0] & 1 != 0 },
            0x2 => Order::AppRemoved { app: self.u32()? },
            0x3 => Order::AppCreated { flags: self.u16()?, app: self.u32()?, name: self.name()? },
            0x4 => Order::WindowRemoved { window: self.u32()? },
            0x5 => {
                Order::WindowCreated { flags: self.u16()?, app: self.u32()?, window: self.u32()?, name: self.name()? }
            }
            0x6 => Order::WindowShow { window: self.u32()? },
            0x7 => Order::ParticipantRemoved { id: self.id()?, kind: self.u32()?, code: self.u32()? },
            0x8 => Order::ParticipantCreated {
                id: self.id()?,
                group: self.u32()?,
                flags: ParticipantFlags(self.u16()?),
                name: self.name()?,
            },
            0x9 => Order::ControlChange { flags: ControlFlags(self.u16()?), id: self.id()? },
            0xa => Order::GraphicsPaused,
            0xb => Order::GraphicsResumed,
            0xc => Order::WindowRegion { left: self.u32()?, top: self.u32()?, right: self.u32()?, bottom: self.u32()? },
            0xd => {
                Order::ControlChangeResponse { flags: ControlFlags(self.u16()?), id: self.id()?, reason: self.u32()? }
            }
            _ => return Ok(None),
        }))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], EncomspError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(EncomspError::OrderTooShort { kind: self.kind })?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn u16(&mut self) -> Result<u16, EncomspError> {
        self.bytes().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, EncomspError> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn id(&mut self) -> Result<ParticipantId, EncomspError> {
        self.u32().map(ParticipantId)
    }

    fn name(&mut self) -> Result<String, EncomspError> {
        let too_short = EncomspError::OrderTooShort { kind: self.kind };
        let units = self.u16()?;
        if usize::from(units) > MAX_NAME_UNITS {
            return Err(EncomspError::NameTooLong { units });
        }
        let Some((text, rest)) = self.rest.split_at_checked(2 * usize::from(units)) else { return Err(too_short) };
        self.rest = rest;
        read_utf16_lossy(text).map_err(|_| too_short)
    }
}

fn put(body: &mut Vec<u8>, numbers: &[u32]) {
    body.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn put_name(body: &mut Vec<u8>, name: &str) -> Result<(), TextError> {
    let units = check_text(name, "name", MAX_NAME_UNITS)?;
    body.extend((units as u16).to_le_bytes());
    push_utf16(body, name);
    Ok(())
}

/// Most UTF-16 units of a name. Source: session-protocol.md section 6, UNICODE_STRING.
pub const MAX_NAME_UNITS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_too_short_for_its_fields_is_an_error_and_a_longer_one_is_not() {
        let order = Order::ControlChange { flags: ControlFlags(3), id: ParticipantId(1) };
        let exact = order.encode().unwrap();
        for length in 4..exact.len() {
            let mut short = exact[..length].to_vec();
            short[2] = length as u8;
            assert_eq!(decode(&short), Err(EncomspError::OrderTooShort { kind: 9 }));
        }
        let mut long = [&exact[..], &[1, 2, 3]].concat();
        long[2] = long.len() as u8;
        assert_eq!(decode(&[long, exact.to_vec()].concat()).unwrap(), [order.clone(), order]);
    }

    #[test]
    fn unknown_types_are_passed_over() {
        let paused = Order::GraphicsPaused.encode().unwrap();
        let unknown = [0x77, 0x77, 6, 0, 1, 2];
        assert_eq!(decode(&[&unknown[..], &paused, &unknown].concat()).unwrap(), [Order::GraphicsPaused]);
    }

    #[test]
    fn lengths_are_checked_before_they_are_used() {
        for (bytes, length, left) in
            [(&[1, 0, 5][..], 0, 3), (&[1, 0, 3, 0, 0], 3, 5), (&[1, 0, 6, 0, 0], 6, 5), (&[1, 0, 0, 0], 0, 4)]
        {
            assert_eq!(decode(bytes), Err(EncomspError::OrderLength { length, left }));
        }
        let long = vec![0; MAX_MESSAGE_BYTES + 1];
        assert_eq!(decode(&long), Err(EncomspError::TooLong { bytes: long.len() }));
    }

    #[test]
    fn a_name_is_at_most_1024_units() {
        let named = |units: u16| {
            let mut order = vec![8, 0, 0, 0];
            order.extend([0; 10]);
            order.extend(units.to_le_bytes());
            order.extend(vec![b'n'; 2 * usize::from(units)]);
            let length = order.len() as u16;
            order[2..4].copy_from_slice(&length.to_le_bytes());
            decode(&order)
        };
        assert!(named(1024).is_ok());
        assert_eq!(named(1025), Err(EncomspError::NameTooLong { units: 1025 }));
    }
}
