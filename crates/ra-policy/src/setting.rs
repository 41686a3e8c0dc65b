//! The settings themselves: their original names, what kind of value they take, and how layers join.

/// One setting of Remote Assistance, under its original value name.
///
/// Source: policy.md sections 1 and 2. [`Setting::AllowBuddyHelp`] and [`Setting::OfficialHelpers`] are names of our own, for what
/// the original calls buddy support and never published a value name of; so is [`Setting::AllowOfferByPassword`], for what the
/// original leaves to the logon of a domain, and [`Setting::OfficialRelays`], for what it did not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Setting {
    /// `fAllowToGetHelp`: "Solicited Remote Assistance", whether anybody may invite and whether experts may connect.
    AllowToGetHelp,
    /// `fAllowFullControl`: control, or view only.
    AllowFullControl,
    /// `MaxTicketExpiry` with `MaxTicketExpiryUnits`: the longest time that an invitation may be open.
    MaxTicketExpiry,
    /// `fAllowBuddyHelp`: anybody may be invited, or official helpers only.
    AllowBuddyHelp,
    /// `OfficialHelpers`: who counts as official.
    OfficialHelpers,
    /// `CreateEncryptedOnlyTickets`: only invitations of type 2 without the clear connection string.
    CreateEncryptedOnlyTickets,
    /// `fUseMailto`: how an invitation would be mailed; nothing here mails one.
    UseMailto,
    /// `fEnableChatControl`: whether chat is offered.
    EnableChatControl,
    /// `fAllowUnsolicited`: "Offer Remote Assistance", help without an invitation.
    AllowUnsolicited,
    /// `fAllowUnsolicitedFullControl`: control, or view only, for such help.
    AllowUnsolicitedFullControl,
    /// `RAUnsolicit`: who may offer help.
    OfferHelpers,
    /// `fAllowOfferByPassword`: whether such a helper may be known by the password of an account of this computer.
    AllowOfferByPassword,
    /// `OfficialRelays`: the relays that may be used, and are where nobody names any; none of them means that nothing but addresses is.
    OfficialRelays,
    /// `LoggingEnabled`: whether sessions are logged.
    LoggingEnabled,
    /// `UseCustomMessages`: whether the two texts below are shown.
    UseCustomMessages,
    /// `ViewMessage`: shown with the question about viewing, beside our own text and never instead of it.
    ViewMessage,
    /// `ShareControlMessage`: the same for control.
    ShareControlMessage,
    /// `UseBandwidthOptimization`: fewer colours for fewer bytes.
    UseBandwidthOptimization,
    /// `OptimizeBandwidth`: read, and without effect; neither name nor numbers are confirmed anywhere.
    OptimizeBandwidth,
}

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 0 is no, other numbers are yes.
    Switch,
    /// A number from 1 to 99 and, beside it, a unit.
    Time,
    /// Any number of 32 bits.
    Number,
    /// Text.
    Text,
    /// A list of names of accounts or groups.
    Names,
    /// A list of addresses of relays.
    Relays,
}

/// Which of two values is the stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joining {
    /// It allows something: one no is enough.
    Allows,
    /// It demands something: one yes is enough.
    Demands,
    /// The shorter time.
    Shorter,
    /// Who or what stands in both lists.
    Both,
    /// Neither permits anything: the layer that comes first.
    First,
}

impl Setting {
    /// All of them, in the order in which people read them.
    pub const ALL: &'static [Self] = &[
        Self::AllowToGetHelp,
        Self::AllowFullControl,
        Self::MaxTicketExpiry,
        Self::AllowBuddyHelp,
        Self::OfficialHelpers,
        Self::CreateEncryptedOnlyTickets,
        Self::UseMailto,
        Self::EnableChatControl,
        Self::AllowUnsolicited,
        Self::AllowUnsolicitedFullControl,
        Self::OfferHelpers,
        Self::AllowOfferByPassword,
        Self::OfficialRelays,
        Self::LoggingEnabled,
        Self::UseCustomMessages,
        Self::ViewMessage,
        Self::ShareControlMessage,
        Self::UseBandwidthOptimization,
        Self::OptimizeBandwidth,
    ];

    /// The value name; of a list, the name of the subkey.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AllowToGetHelp => "fAllowToGetHelp",
            Self::AllowFullControl => "fAllowFullControl",
            Self::MaxTicketExpiry => "MaxTicketExpiry",
            Self::AllowBuddyHelp => "fAllowBuddyHelp",
            Self::OfficialHelpers => "OfficialHelpers",
            Self::CreateEncryptedOnlyTickets => "CreateEncryptedOnlyTickets",
            Self::UseMailto => "fUseMailto",
            Self::EnableChatControl => "fEnableChatControl",
            Self::AllowUnsolicited => "fAllowUnsolicited",
            Self::AllowUnsolicitedFullControl => "fAllowUnsolicitedFullControl",
            Self::OfferHelpers => "RAUnsolicit",
            Self::AllowOfferByPassword => "fAllowOfferByPassword",
            Self::OfficialRelays => "OfficialRelays",
            Self::LoggingEnabled => "LoggingEnabled",
            Self::UseCustomMessages => "UseCustomMessages",
            Self::ViewMessage => "ViewMessage",
            Self::ShareControlMessage => "ShareControlMessage",
            Self::UseBandwidthOptimization => "UseBandwidthOptimization",
            Self::OptimizeBandwidth => "OptimizeBandwidth",
        }
    }

    /// The setting of this name, in exactly this spelling.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|setting| setting.name() == name)
    }

    /// What it takes.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::MaxTicketExpiry => Kind::Time,
            Self::OptimizeBandwidth => Kind::Number,
            Self::ViewMessage | Self::ShareControlMessage => Kind::Text,
            Self::OfficialHelpers | Self::OfferHelpers => Kind::Names,
            Self::OfficialRelays => Kind::Relays,
            _ => Kind::Switch,
        }
    }

    /// True for what the person at the computer may set too: what the original's control panel has.
    /// Source: policy.md section 2.
    #[must_use]
    pub const fn is_local_switch(self) -> bool {
        matches!(
            self,
            Self::AllowToGetHelp
                | Self::AllowFullControl
                | Self::MaxTicketExpiry
                | Self::AllowBuddyHelp
                | Self::CreateEncryptedOnlyTickets
                | Self::EnableChatControl
        )
    }

    pub(crate) const fn joining(self) -> Joining {
        match self {
            Self::AllowToGetHelp
            | Self::AllowFullControl
            | Self::AllowBuddyHelp
            | Self::EnableChatControl
            | Self::AllowUnsolicited
            | Self::AllowUnsolicitedFullControl
            | Self::AllowOfferByPassword => Joining::Allows,
            Self::CreateEncryptedOnlyTickets | Self::LoggingEnabled => Joining::Demands,
            Self::MaxTicketExpiry => Joining::Shorter,
            Self::OfficialHelpers | Self::OfferHelpers | Self::OfficialRelays => Joining::Both,
            Self::UseMailto
            | Self::UseCustomMessages
            | Self::ViewMessage
            | Self::ShareControlMessage
            | Self::UseBandwidthOptimization
            | Self::OptimizeBandwidth => Joining::First,
        }
    }
}

/// The second half of [`Setting::MaxTicketExpiry`].
pub(crate) const UNITS: &str = "MaxTicketExpiryUnits";
