//! The machines as static channels of ironrdp.
//!
//! `process` never fails for what a peer sent: an error would end ironrdp's session before the engine could say why.
//! The machine reports `Malformed` instead, and is deaf from then on.

use ironrdp_core::impl_as_any;
use ironrdp_pdu::PduResult;
use ironrdp_pdu::gcc::{ChannelName, ChannelOptions};
use ironrdp_svc::{CompressionCondition, SvcClientProcessor, SvcMessage, SvcProcessor, SvcServerProcessor};

use crate::again::{AgainExpert, AgainNovice};
use crate::encomsp::{EncomspExpert, EncomspNovice};
use crate::remdesk::{RemdeskExpert, RemdeskNovice};

impl SvcProcessor for RemdeskNovice {
    fn channel_name(&self) -> ChannelName {
        REMDESK
    }

    /// Says hello. The engine starts channels once the connection sequence is complete, not at the channel join.
    fn start(&mut self) -> PduResult<Vec<SvcMessage>> {
        Ok(self.hello().into_iter().map(Into::into).collect())
    }

    fn process(&mut self, payload: &[u8]) -> PduResult<Vec<SvcMessage>> {
        Ok(self.receive(payload).into_iter().map(Into::into).collect())
    }
}

impl SvcProcessor for EncomspNovice {
    fn channel_name(&self) -> ChannelName {
        ENCOMSP
    }

    fn process(&mut self, payload: &[u8]) -> PduResult<Vec<SvcMessage>> {
        self.receive(payload);
        Ok(Vec::new())
    }
}

impl SvcProcessor for RemdeskExpert {
    fn channel_name(&self) -> ChannelName {
        REMDESK
    }

    fn compression_condition(&self) -> CompressionCondition {
        CompressionCondition::WhenRdpDataIsCompressed
    }

    fn channel_options(&self) -> ChannelOptions {
        OPTIONS
    }

    fn process(&mut self, payload: &[u8]) -> PduResult<Vec<SvcMessage>> {
        Ok(self.receive(payload).into_iter().map(Into::into).collect())
    }
}

impl SvcProcessor for EncomspExpert {
    fn channel_name(&self) -> ChannelName {
        ENCOMSP
    }

    fn compression_condition(&self) -> CompressionCondition {
        CompressionCondition::WhenRdpDataIsCompressed
    }

    fn channel_options(&self) -> ChannelOptions {
        OPTIONS
    }

    fn process(&mut self, payload: &[u8]) -> PduResult<Vec<SvcMessage>> {
        self.receive(payload);
        Ok(Vec::new())
    }
}

impl SvcProcessor for AgainNovice {
    fn channel_name(&self) -> ChannelName {
        AGAIN
    }

    fn process(&mut self, payload: &[u8]) -> PduResult<Vec<SvcMessage>> {
        Ok(self.receive(payload).into_iter().map(Into::into).collect())
    }
}

impl SvcProcessor for AgainExpert {
    fn channel_name(&self) -> ChannelName {
        AGAIN
    }

    fn compression_condition(&self) -> CompressionCondition {
        CompressionCondition::WhenRdpDataIsCompressed
    }

    fn channel_options(&self) -> ChannelOptions {
        OPTIONS
    }

    fn process(&mut self, payload: &[u8]) -> PduResult<Vec<SvcMessage>> {
        self.receive(payload);
        Ok(Vec::new())
    }
}

impl SvcServerProcessor for AgainNovice {}
impl SvcClientProcessor for AgainExpert {}
impl SvcServerProcessor for RemdeskNovice {}
impl SvcServerProcessor for EncomspNovice {}
impl SvcClientProcessor for RemdeskExpert {}
impl SvcClientProcessor for EncomspExpert {}

impl_as_any!(AgainNovice);
impl_as_any!(AgainExpert);
impl_as_any!(RemdeskNovice);
impl_as_any!(EncomspNovice);
impl_as_any!(RemdeskExpert);
impl_as_any!(EncomspExpert);

const REMDESK: ChannelName = ChannelName::from_static(b"remdesk\0");
const ENCOMSP: ChannelName = ChannelName::from_static(b"encomsp\0");
const AGAIN: ChannelName = ChannelName::from_static(b"RAAGAIN\0");

/// What an expert announces for both channels: 0xC0A00000. Source: session-protocol.md 3.1.
const OPTIONS: ChannelOptions = ChannelOptions::INITIALIZED
    .union(ChannelOptions::ENCRYPT_RDP)
    .union(ChannelOptions::COMPRESS_RDP)
    .union(ChannelOptions::SHOW_PROTOCOL);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remdesk::Credentials;
    use ironrdp_svc::{StaticVirtualChannel, client_encode_svc_messages, server_encode_svc_messages};

    fn expert() -> RemdeskExpert {
        RemdeskExpert::new(Credentials::VersionTwo {
            encrypted_stub: vec![1; 32].into(),
            expert_blob: "6;NAME=E".into(),
        })
        .unwrap()
    }

    #[test]
    fn an_expert_announces_both_channels_as_freerdp_does() {
        assert_eq!(StaticVirtualChannel::new(expert()).channel_options().bits(), 0xC0A0_0000);
        assert_eq!(StaticVirtualChannel::new(EncomspExpert::new()).channel_options().bits(), 0xC0A0_0000);
        assert_eq!(StaticVirtualChannel::new(expert()).channel_name().as_str(), Some("remdesk"));
        assert_eq!(StaticVirtualChannel::new(EncomspExpert::new()).channel_name().as_str(), Some("encomsp"));
    }

    #[test]
    fn chunks_to_the_novice_show_the_protocol_and_chunks_to_the_expert_do_not() {
        let up = expert().disconnect();
        let down = RemdeskNovice::new().disconnect();
        // TPKT, X.224 and MCS headers of a send-data PDU take 15 bytes when the data is longer than 127 bytes, else 14.
        let up = client_encode_svc_messages(vec![up.into()], 1004, 1007).unwrap();
        let down = server_encode_svc_messages(vec![down.into()], 1004, 1002).unwrap();
        assert_eq!(up[up.len() - 34..][..8], [0x1a, 0, 0, 0, 0x13, 0, 0, 0]);
        assert_eq!(down[down.len() - 34..][..8], [0x1a, 0, 0, 0, 0x03, 0, 0, 0]);
    }

    #[test]
    fn garbage_is_an_event_and_not_an_error_of_the_session() {
        let mut channel = StaticVirtualChannel::new(RemdeskNovice::new());
        assert_eq!(channel.start().unwrap().len(), 2);
        let mut chunk = vec![3, 0, 0, 0, 3, 0, 0, 0];
        chunk.extend([1, 2, 3]);
        assert!(channel.process(&chunk).unwrap().is_empty());
        let machine: &mut RemdeskNovice = channel.channel_processor_downcast_mut().unwrap();
        assert!(matches!(machine.take_events()[..], [crate::remdesk::NoviceEvent::Malformed(_)]));
    }
}
