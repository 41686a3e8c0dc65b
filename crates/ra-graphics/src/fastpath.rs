//! Fast-path update PDUs: a header, an update, and fragments of it where it is too long for one PDU.
//!
//! Source: [MS-RDPBCGR] 2.2.9.1.2, TS_FP_UPDATE_PDU, and 2.2.9.1.2.1, TS_FP_UPDATE.

/// What an update contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum UpdateCode {
    Bitmap = 0x1,
    SurfaceCommands = 0x4,
    PointerHidden = 0x5,
    PointerDefault = 0x6,
    PointerPosition = 0x8,
    PointerColour = 0x9,
    PointerCached = 0xA,
    PointerNew = 0xB,
    PointerLarge = 0xC,
}

/// Longest update that travels in one PDU; anything longer needs a client that puts fragments together.
pub(crate) const MAX_UNFRAGMENTED: usize = MAX_PDU - HEADERS;

/// Appends the PDU of `update`, or the PDUs of its fragments.
pub(crate) fn push_update(code: UpdateCode, update: &[u8], pdus: &mut Vec<Vec<u8>>) {
    if update.len() <= MAX_UNFRAGMENTED {
        pdus.push(pdu(code, SINGLE, update));
        return;
    }
    let last = update.len().div_ceil(MAX_UNFRAGMENTED) - 1;
    for (number, fragment) in update.chunks(MAX_UNFRAGMENTED).enumerate() {
        let place = match number {
            0 => FIRST,
            _ if number == last => LAST,
            _ => NEXT,
        };
        pdus.push(pdu(code, place, fragment));
    }
}

/// The one PDU of a short update.
pub(crate) fn short_update(code: UpdateCode, update: &[u8]) -> Vec<u8> {
    debug_assert!(update.len() <= MAX_UNFRAGMENTED);
    pdu(code, SINGLE, update)
}

fn pdu(code: UpdateCode, place: u8, data: &[u8]) -> Vec<u8> {
    let length = HEADERS + data.len();
    let mut pdu = Vec::with_capacity(length);
    pdu.push(0); // fast-path, not encrypted: TLS does that
    pdu.extend_from_slice(&(length as u16 | 0x8000).to_be_bytes()); // at most MAX_PDU
    pdu.push(code as u8 | place);
    pdu.extend_from_slice(&(data.len() as u16).to_le_bytes());
    pdu.extend_from_slice(data);
    pdu
}

/// Two bytes of length could say 32,767, but FreeRDP's receivers are built for half of that.
const MAX_PDU: usize = 0x3FFF;
/// Action, length in its two-byte form, update code, length of the update.
const HEADERS: usize = 1 + 2 + 1 + 2;
const SINGLE: u8 = 0 << 4;
const LAST: u8 = 1 << 4;
const FIRST: u8 = 2 << 4;
const NEXT: u8 = 3 << 4;

#[cfg(test)]
mod tests {
    use ironrdp_core::{ReadCursor, decode_cursor};
    use ironrdp_pdu::fast_path::{FastPathHeader, FastPathUpdatePdu, Fragmentation};

    use super::*;

    #[test]
    fn fragments_add_up_to_the_update() {
        for length in [0, 1, 100, MAX_UNFRAGMENTED, MAX_UNFRAGMENTED + 1, 2 * MAX_UNFRAGMENTED, 50_000] {
            let update: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let mut pdus = Vec::new();
            push_update(UpdateCode::PointerNew, &update, &mut pdus);
            let mut whole = Vec::new();
            for (number, pdu) in pdus.iter().enumerate() {
                assert!(pdu.len() <= MAX_PDU);
                let mut cursor = ReadCursor::new(pdu);
                let header: FastPathHeader = decode_cursor(&mut cursor).unwrap();
                assert_eq!(header.data_length, cursor.len());
                let update: FastPathUpdatePdu<'_> = decode_cursor(&mut cursor).unwrap();
                let place = match (number, pdus.len() - 1) {
                    (0, 0) => Fragmentation::Single,
                    (0, _) => Fragmentation::First,
                    (n, last) if n == last => Fragmentation::Last,
                    _ => Fragmentation::Next,
                };
                assert_eq!(update.fragmentation, place);
                whole.extend_from_slice(update.data);
            }
            assert_eq!(whole, update);
        }
    }
}
