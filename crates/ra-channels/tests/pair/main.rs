//! Both sides in memory, in both versions: the words between two machines, cut into chunks and cut off anywhere.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod people;

use people::{Act, Machines, Verdict};
use ra_channels::remdesk::{ControlNotice, ResultCode, Version};

/// A whole session: in, control, ESC, control again, handed back, over.
const WHOLE: &[Act] = &[
    Act::ExpertAsksForControl,
    Act::NoviceAllowsControl,
    Act::NovicePressesEsc,
    Act::ExpertAsksForControl,
    Act::NoviceAllowsControl,
    Act::ExpertReleasesControl,
    Act::ExpertAsksForControl,
    Act::NoviceRefusesControl,
    Act::NoviceEnds,
];

const VERSIONS: [Version; 2] = [Version::One, Version::Two];

#[test]
fn a_right_password_and_a_yes_show_the_desktop_and_nothing_more() {
    for version in VERSIONS {
        let mut both = Machines::new(version, Verdict::Yes);
        both.talk();
        assert_eq!(both.novice.remdesk.version(), Some(version));
        assert!(both.novice.viewing && both.expert.viewing);
        assert!(!both.novice.controlling && !both.expert.controlling);
        assert_eq!(both.novice.asked_to_view, 1);
    }
}

#[test]
fn r038_a_wrong_password_is_answered_in_the_version_of_the_expert() {
    for (version, code) in
        [(Version::One, ResultCode::InvalidPassword), (Version::Two, ResultCode::PasswordsDoNotMatch)]
    {
        let mut both = Machines::new(version, Verdict::WrongPassword);
        both.talk();
        assert_eq!(both.expert.over, Some(code));
        assert_eq!(both.novice.asked_to_view, 0, "nobody is asked for a wrong password");
        assert!(!both.novice.viewing && !both.expert.viewing);
        both.both_are_deaf();
    }
}

#[test]
fn a_no_ends_the_attempt_on_both_sides() {
    for version in VERSIONS {
        let mut both = Machines::new(version, Verdict::No);
        both.talk();
        assert_eq!(both.expert.over, Some(ResultCode::HelpeeSaidNo));
        assert_eq!(both.novice.asked_to_view, 1);
        assert!(!both.novice.viewing && !both.expert.viewing);
        both.both_are_deaf();
    }
}

#[test]
fn control_is_asked_granted_and_revoked_by_esc() {
    for version in VERSIONS {
        let mut both = Machines::new(version, Verdict::Yes);
        both.play(&[Act::ExpertAsksForControl]);
        assert_eq!(both.novice.asked_to_control, 1);
        assert!(!both.expert.controlling, "a request grants nothing");

        both.play(&[Act::NoviceAllowsControl]);
        assert!(both.novice.controlling && both.expert.controlling);

        both.play(&[Act::NovicePressesEsc]);
        assert!(!both.novice.controlling && !both.expert.controlling);
        assert_eq!(both.expert.notices.last(), Some(&ControlNotice::RevokedByEsc));
        assert!(both.novice.viewing && both.expert.viewing, "ESC leaves the view");
    }
}

#[test]
fn control_is_released_refused_and_denied() {
    for version in VERSIONS {
        let mut both = Machines::new(version, Verdict::Yes);
        both.play(&[Act::ExpertAsksForControl, Act::NoviceAllowsControl, Act::ExpertReleasesControl]);
        assert!(!both.novice.controlling && !both.expert.controlling);

        both.play(&[Act::ExpertAsksForControl, Act::NoviceRefusesControl]);
        assert_eq!(both.expert.notices.last(), Some(&ControlNotice::Rejected));
        both.play(&[Act::ExpertAsksForControl, Act::SettingsForbidControl]);
        assert_eq!(both.expert.notices.last(), Some(&ControlNotice::Denied));
        assert!(!both.novice.controlling && !both.expert.controlling);
    }
}

#[test]
fn either_side_ends_the_session() {
    for version in VERSIONS {
        for act in [Act::NoviceEnds, Act::ExpertLeaves] {
            let mut both = Machines::new(version, Verdict::Yes);
            both.play(&[Act::ExpertAsksForControl, Act::NoviceAllowsControl, act]);
            assert!(!both.novice.viewing && !both.expert.viewing);
            assert!(!both.novice.controlling && !both.expert.controlling);
            both.both_are_deaf();
        }
    }
}

#[test]
fn words_and_names_arrive_and_files_are_turned_down() {
    for version in VERSIONS {
        let mut both = Machines::new(version, Verdict::Yes);
        both.play(&[Act::BothChat, Act::NoviceOffersFile, Act::ExpertOffersFile]);
        assert_eq!(both.novice.heard, ["grüß dich, 你好 🙂", "file note.txt"]);
        assert_eq!(both.expert.heard, ["novice-pc", "hello", "file note.txt"]);
        assert_eq!(both.file_rejections, 2);
    }
}

#[test]
fn the_stream_may_be_cut_after_any_chunk() {
    for version in VERSIONS {
        let chunks = {
            let mut both = Machines::new(version, Verdict::Yes);
            both.play(WHOLE);
            assert!(!both.novice.viewing && !both.expert.viewing);
            both.carried
        };
        assert!(chunks > 40, "{chunks} chunks are too few for this test to mean anything");
        for cut in 0..chunks {
            let mut both = Machines::new(version, Verdict::Yes);
            both.cut_after = Some(cut);
            both.play(WHOLE);
            assert_eq!(both.carried, cut);
            // Machines::deliver checks after each chunk that nobody controls without a grant.
            both.lose_connection();
            assert!(!both.novice.controlling && !both.expert.controlling);
        }
    }
}

#[test]
fn the_wire_may_deliver_one_direction_late() {
    for version in VERSIONS {
        for lag in 0..40 {
            let mut both = Machines::new(version, Verdict::Yes);
            both.lag = lag;
            both.play(WHOLE);
            assert!(!both.novice.viewing && !both.expert.viewing);
        }
    }
}
