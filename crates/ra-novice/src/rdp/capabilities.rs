//! What this host announces, and what it reads out of what an expert confirms.

use ironrdp_acceptor::DesktopSize;
use ironrdp_pdu::gcc::{ClientEarlyCapabilityFlags, KeyboardType};
use ironrdp_pdu::rdp::capability_sets::{
    self as caps, CapabilitySet, GeneralExtraFlags, InputFlags, OrderFlags, OrderSupportExFlags, VirtualChannelFlags,
};
use ra_graphics::bitmap::{BitmapClient, ColorDepth};
use ra_graphics::pointer::PointerClient;

/// What the way to an expert is taken to bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// All colours.
    Fast,
    /// Policy asks for fewer bytes: fewer colours, where the graphics pipeline is not spoken.
    Slow,
}

/// The Demand Active of this host, for a desktop of `size`.
///
/// Fast-path output is a must in Remote Assistance ([MS-RA] 3.3). No orders: everything is pictures.
pub(super) fn announced(size: DesktopSize, link: Link) -> Vec<CapabilitySet> {
    vec![
        CapabilitySet::General(caps::General {
            major_platform_type: caps::MajorPlatformType::UNIX,
            minor_platform_type: caps::MinorPlatformType::UNSPECIFIED,
            protocol_version: caps::PROTOCOL_VER,
            extra_flags: GeneralExtraFlags::FASTPATH_OUTPUT_SUPPORTED
                | GeneralExtraFlags::LONG_CREDENTIALS_SUPPORTED
                | GeneralExtraFlags::NO_BITMAP_COMPRESSION_HDR,
            refresh_rect_support: true,
            suppress_output_support: true,
        }),
        CapabilitySet::Bitmap(caps::Bitmap {
            // A client takes the depth over in its answer; the pipeline has its own.
            pref_bits_per_pix: match link {
                Link::Fast => 32,
                Link::Slow => 16,
            },
            desktop_width: size.width,
            desktop_height: size.height,
            desktop_resize_flag: true,
            drawing_flags: caps::BitmapDrawingFlags::ALLOW_SKIP_ALPHA,
        }),
        CapabilitySet::Order(caps::Order::new(
            OrderFlags::NEGOTIATE_ORDER_SUPPORT | OrderFlags::ZERO_BOUNDS_DELTAS_SUPPORT,
            OrderSupportExFlags::empty(),
            0,
            0,
        )),
        CapabilitySet::Pointer(caps::Pointer { color_pointer_cache_size: POINTERS, pointer_cache_size: POINTERS }),
        CapabilitySet::Input(caps::Input {
            input_flags: InputFlags::SCANCODES
                | InputFlags::MOUSEX
                | InputFlags::FASTPATH_INPUT
                | InputFlags::FASTPATH_INPUT_2
                | InputFlags::UNICODE
                | InputFlags::MOUSE_RELATIVE
                | InputFlags::TS_MOUSE_HWHEEL,
            keyboard_layout: 0,
            keyboard_type: None::<KeyboardType>,
            keyboard_subtype: 0,
            keyboard_function_key: 0,
            keyboard_ime_filename: String::new(),
        }),
        CapabilitySet::VirtualChannel(caps::VirtualChannel {
            flags: VirtualChannelFlags::NO_COMPRESSION,
            chunk_size: None,
        }),
        CapabilitySet::MultiFragmentUpdate(caps::MultifragmentUpdate { max_request_size: MAX_UPDATE }),
        CapabilitySet::SurfaceCommands(caps::SurfaceCommands {
            flags: caps::CmdFlags::SET_SURFACE_BITS
                | caps::CmdFlags::FRAME_MARKER
                | caps::CmdFlags::STREAM_SURFACE_BITS,
        }),
        CapabilitySet::FrameAcknowledge(caps::FrameAcknowledge { max_unacknowledged_frame_count: 2 }),
    ]
}

/// What an expert without the graphics pipeline can be shown.
pub(super) fn bitmap_client(confirmed: &[CapabilitySet]) -> BitmapClient {
    let mut client = BitmapClient { depth: ColorDepth::Bpp16, skip_alpha: false, frame_acknowledge: None };
    let (mut marks, mut acknowledges) = (false, None);
    for set in confirmed {
        match set {
            CapabilitySet::Bitmap(bitmap) => {
                client.depth = ColorDepth::from_bits(bitmap.pref_bits_per_pix).unwrap_or(ColorDepth::Bpp16);
                client.skip_alpha = bitmap.drawing_flags.contains(caps::BitmapDrawingFlags::ALLOW_SKIP_ALPHA);
            }
            CapabilitySet::SurfaceCommands(surface) => marks = surface.flags.contains(caps::CmdFlags::FRAME_MARKER),
            CapabilitySet::FrameAcknowledge(frames) => acknowledges = Some(frames.max_unacknowledged_frame_count),
            _ => {}
        }
    }
    client.frame_acknowledge = acknowledges.filter(|_| marks);
    client
}

/// What an expert can do with pointers.
pub(super) fn pointer_client(confirmed: &[CapabilitySet]) -> PointerClient {
    let mut client =
        PointerClient { cache_size: 0, color_cache_size: 0, large_pointer_flags: 0, max_request_size: None };
    for set in confirmed {
        match set {
            CapabilitySet::Pointer(pointer) => {
                client.cache_size = pointer.pointer_cache_size;
                client.color_cache_size = pointer.color_pointer_cache_size;
            }
            CapabilitySet::LargePointer(large) => client.large_pointer_flags = large.flags.bits(),
            CapabilitySet::MultiFragmentUpdate(update) => client.max_request_size = Some(update.max_request_size),
            _ => {}
        }
    }
    client
}

/// Whether the expert opens the graphics channel when it is offered.
pub(super) fn speaks_graphics(early: ClientEarlyCapabilityFlags) -> bool {
    early.contains(ClientEarlyCapabilityFlags::SUPPORT_DYN_VC_GFX_PROTOCOL)
}

/// Pointers an expert may remember. FreeRDP and mstsc offer 20 to 32; more is never asked for.
const POINTERS: u16 = 32;

/// The largest fast-path update that this host reassembles, bytes. It receives none; the value is mstsc's.
const MAX_UPDATE: u32 = 0x3F_0000;
