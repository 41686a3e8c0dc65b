//! RESULT codes: the novice's verdicts as numbers, and a sentence for the expert for each.

use core::fmt;

macro_rules! result_codes {
    ($($number:literal $name:ident, $doc:literal, $sentence:literal;)*) => {
        /// A code of a RESULT message. Source: session-protocol.md 5.5, \[MS-RA\] 2.2.6.
        ///
        /// `Display` is one plain sentence for the person at the expert's side, lower case and without a full stop.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ResultCode {
            $(#[doc = $doc] $name,)*
            /// A number without a name.
            Other(UnknownResult),
        }

        impl ResultCode {
            /// Every code that has a name, in the order of the numbers.
            pub const NAMED: &[Self] = &[$(Self::$name,)*];

            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> u32 {
                match self {
                    $(Self::$name => $number,)*
                    Self::Other(UnknownResult(number)) => number,
                }
            }
        }

        impl From<u32> for ResultCode {
            fn from(number: u32) -> Self {
                match number {
                    $($number => Self::$name,)*
                    _ => Self::Other(UnknownResult(number)),
                }
            }
        }

        impl fmt::Display for ResultCode {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name => f.write_str($sentence),)*
                    Self::Other(UnknownResult(number)) => {
                        write!(f, "the other computer ended the attempt with the unknown code {number}")
                    }
                }
            }
        }
    };
}

/// A RESULT number that has no name here; only [`ResultCode::from`] makes it, so that no named code has two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UnknownResult(u32);

impl ResultCode {
    /// The code with this number, named where it has a name: the same as `ResultCode::from`.
    #[must_use]
    pub fn other(number: u32) -> Self {
        Self::from(number)
    }

    /// True for 0 alone; every other code ends the attempt.
    #[must_use]
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::NoError)
    }
}

result_codes! {
    0 NoError, "SAFERROR_NOERROR: accepted", "the other side agreed";
    1 NoInfo, "SAFERROR_NOINFO", "the session ended and the other side did not say why";
    3 LocalNotError, "SAFERROR_LOCALNOTERROR", "the session ended without an error";
    4 RemoteByUser, "SAFERROR_REMOTEBYUSER", "the person at the other side ended the session";
    5 ByServer, "SAFERROR_BYSERVER", "the other computer ended the session";
    6 DnsLookupFailed, "SAFERROR_DNSLOOKUPFAILED", "the name of the other computer could not be looked up";
    7 OutOfMemory, "SAFERROR_OUTOFMEMORY", "the other computer is out of memory";
    8 ConnectionTimedOut, "SAFERROR_CONNECTIONTIMEDOUT", "the connection timed out";
    9 SocketConnectFailed, "SAFERROR_SOCKETCONNECTFAILED", "the connection could not be made";
    11 HostNotFound, "SAFERROR_HOSTNOTFOUND", "the other computer was not found";
    12 WinsockSendFailed, "SAFERROR_WINSOCKSENDFAILED", "the other computer could not send";
    14 InvalidIpAddress, "SAFERROR_INVALIDIPADDR", "the address of the other computer is not valid";
    15 SocketReceiveFailed, "SAFERROR_SOCKETRECVFAILED", "the other computer could not receive";
    18 InvalidEncryption, "SAFERROR_INVALIDENCRYPTION", "the encryption does not fit";
    20 GetHostByNameFailed, "SAFERROR_GETHOSTBYNAMEFAILED", "the name of the other computer has no address";
    21 LicensingFailed, "SAFERROR_LICENSINGFAILED", "the licence check of the other computer failed";
    22 EncryptionError, "SAFERROR_ENCRYPTIONERROR", "the other computer could not encrypt";
    23 DecryptionError, "SAFERROR_DECRYPTIONERROR", "the other computer could not decrypt";
    24 InvalidParameterString, "SAFERROR_INVALIDPARAMETERSTRING: a message could not be read",
        "the other computer could not read what this program sent";
    25 HelpSessionNotFound, "SAFERROR_HELPSESSIONNOTFOUND; never sent by our novice, who stays silent instead",
        "the other computer does not know this invitation";
    26 InvalidPassword, "SAFERROR_INVALIDPASSWORD: wrong password in version 1", "the password is wrong";
    27 HelpSessionExpired, "SAFERROR_HELPSESSIONEXPIRED: the ticket ended while the expert was connecting",
        "the invitation has ended";
    28 CannotOpenResolver, "SAFERROR_CANTOPENRESOLVER", "the other computer could not ask its user";
    29 UnknownSessionManagerError, "SAFERROR_UNKNOWNSESSMGRERROR", "the help service of the other computer failed";
    30 CannotFormLinkToUserSession, "SAFERROR_CANTFORMLINKTOUSERSESSION",
        "the other computer could not reach its user's desktop";
    32 ProtocolError, "SAFERROR_RCPROTOCOLERROR: a message was wrong at its place",
        "the other computer met an error in the protocol";
    33 UnknownError, "SAFERROR_RCUNKNOWNERROR", "the other computer met an unknown error";
    34 InternalError, "SAFERROR_INTERNALERROR", "the other computer met an internal error";
    37 AlreadyBeingHelped, "SAFERROR_HELPEEALREADYBEINGHELPED: a second expert",
        "the other person is already being helped";
    40 HelpeeNeverResponded, "SAFERROR_HELPEENEVERRESPONDED: the consent timer ran out",
        "the other person did not answer";
    41 HelpeeSaidNo, "SAFERROR_HELPEESAIDNO", "the other person declined";
    42 HelpSessionAccessDenied, "SAFERROR_HELPSESSIONACCESSDENIED: locked for now, or forbidden by policy",
        "the invitation is locked for now or the other computer does not allow this";
    43 UserNotFound, "SAFERROR_USERNOTFOUND", "the user to be helped was not found";
    44 SessionManagerNotReady, "SAFERROR_SESSMGRERRORNOTINIT", "the help service of the other computer is not ready";
    45 SelfHelpNotSupported, "SAFERROR_SELFHELPNOTSUPPORTED", "a user cannot help the same user";
    47 IncompatibleVersion, "SAFERROR_INCOMPATIBLEVERSION: version 1 only",
        "the two programs speak incompatible versions";
    50 SystemShutdown, "SAFERROR_SYSTEMSHUTDOWN", "the other computer is shutting down";
    51 StopListenByUser, "SAFERROR_STOPLISTENBYUSER", "the other person no longer accepts connections";
    52 WinsockFailed, "SAFERROR_WINSOCK_FAILED", "the network of the other computer failed";
    53 MismatchedParameters, "SAFERROR_MISMATCHPARMS", "the two programs do not agree on the session";
    61 PasswordsDoNotMatch, "PASSWORDS_DONT_MATCH: wrong password in version 2", "the password is wrong";
    300 ShadowEndBase, "SAFERROR_SHADOWEND_BASE", "the other computer ended the view";
    301 ShadowEndConfigChange, "SAFERROR_SHADOWEND_CONFIGCHANGE",
        "the other computer ended the view because its settings changed";
    302 ShadowEndUnknown, "SAFERROR_SHADOWEND_UNKNOWN", "the other computer ended the view and did not say why";
    0x8000_4005 Failed, "E_FAIL, which Windows Vista and later send for an unsuitable version 1",
        "the other computer could not go on, perhaps because the versions do not fit";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_one_form() {
        for number in (0..=400).chain([0x8000_4005, u32::MAX]) {
            let code = ResultCode::from(number);
            assert_eq!(code.number(), number);
            assert_eq!(matches!(code, ResultCode::Other(_)), !ResultCode::NAMED.contains(&code));
        }
        assert_eq!(ResultCode::NAMED.len(), 45);
    }

    #[test]
    fn every_code_says_one_plain_sentence() {
        for code in ResultCode::NAMED.iter().copied().chain([ResultCode::other(36)]) {
            let sentence = code.to_string();
            assert!(sentence.starts_with(char::is_lowercase), "{sentence}");
            assert!(!sentence.contains(['.', '\n']), "{sentence}");
        }
        assert!(ResultCode::other(48).to_string().contains("48"));
    }

    #[test]
    fn the_numbers_that_our_novice_sends_are_those_of_the_table() {
        use ResultCode as R;
        let table = [
            (R::NoError, 0),
            (R::InvalidParameterString, 24),
            (R::InvalidPassword, 26),
            (R::HelpSessionExpired, 27),
            (R::ProtocolError, 32),
            (R::AlreadyBeingHelped, 37),
            (R::HelpeeNeverResponded, 40),
            (R::HelpeeSaidNo, 41),
            (R::HelpSessionAccessDenied, 42),
            (R::IncompatibleVersion, 47),
            (R::SystemShutdown, 50),
            (R::StopListenByUser, 51),
            (R::PasswordsDoNotMatch, 61),
        ];
        for (code, number) in table {
            assert_eq!(code.number(), number);
            assert_eq!(ResultCode::from(number), code);
        }
    }
}
