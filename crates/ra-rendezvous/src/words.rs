//! Four words for two screens: the same on both, or somebody stands in between.

use hkdf::Hkdf;
use sha2::Sha256;

/// The check words of a connection, from its exporter: 32 bits that both ends compute alike.
///
/// Who stands in between has one connection to each side and cannot choose what their words are; to make them the same
/// would take a hundred thousand connections on both sides while two people wait on the telephone.
#[must_use]
pub fn check_words(exporter: &[u8; 32]) -> [&'static str; 4] {
    let mut bytes = [0; 4];
    // Four bytes are far below what HKDF gives.
    let expanded = Hkdf::<Sha256>::new(None, exporter).expand(b"Remote Assistance check words v1", &mut bytes);
    debug_assert!(expanded.is_ok());
    bytes.map(|byte| WORDS[usize::from(byte)])
}

/// Short words for things that can be seen or heard, each once, none longer than eight letters: to be read out over a telephone.
const WORDS: [&str; 256] = [
    "acorn", "actor", "album", "alley", "amber", "anchor", "angle", "ankle", "apple", "apron", "arena", "arrow",
    "atlas", "attic", "autumn", "bacon", "badge", "baker", "bamboo", "banana", "banner", "barber", "barn", "basil",
    "basket", "beach", "beard", "beaver", "bell", "bench", "berry", "birch", "biscuit", "blanket", "boat", "bonus",
    "border", "bottle", "bowl", "branch", "brass", "bread", "brick", "bridge", "broom", "bubble", "bucket", "butter",
    "button", "cabin", "cable", "cactus", "camel", "candle", "canoe", "canvas", "captain", "carbon", "carpet",
    "carrot", "castle", "cedar", "cello", "cherry", "chess", "circle", "clay", "cliff", "clock", "clover", "coast",
    "cobra", "coffee", "comet", "copper", "coral", "cotton", "cousin", "crane", "crater", "cricket", "crown",
    "crystal", "cube", "curtain", "daisy", "dance", "desert", "diamond", "diver", "dolphin", "donkey", "dragon",
    "drum", "duck", "eagle", "echo", "elbow", "elephant", "engine", "fabric", "falcon", "farmer", "feather", "ferry",
    "fiddle", "finger", "flame", "flute", "forest", "fossil", "fountain", "fox", "frost", "galaxy", "garden", "garlic",
    "giant", "ginger", "giraffe", "glacier", "glove", "goblet", "gravel", "guitar", "hammer", "harbor", "hazel",
    "helmet", "heron", "hockey", "honey", "hotel", "husky", "igloo", "insect", "island", "ivory", "jacket", "jaguar",
    "jelly", "jewel", "jungle", "kangaroo", "kayak", "kettle", "kitchen", "kiwi", "ladder", "lagoon", "lake",
    "lantern", "lemon", "leopard", "lilac", "lizard", "lobster", "lotus", "lunar", "magnet", "mango", "maple",
    "marble", "meadow", "medal", "melon", "mirror", "monkey", "moss", "mustard", "napkin", "nectar", "needle",
    "nickel", "nutmeg", "oasis", "ocean", "olive", "onion", "opera", "orbit", "orchid", "otter", "oyster", "paddle",
    "palace", "panda", "paper", "parrot", "peach", "pebble", "pencil", "pepper", "piano", "pigeon", "pillow", "planet",
    "plum", "pocket", "polar", "pony", "poplar", "potato", "prism", "pumpkin", "puzzle", "quartz", "quilt", "rabbit",
    "radar", "radish", "rainbow", "raven", "ribbon", "river", "robin", "rocket", "saddle", "salad", "salmon", "sandal",
    "saturn", "scarf", "shadow", "silver", "spider", "sponge", "squirrel", "sugar", "summer", "sunset", "swan",
    "tango", "teapot", "thunder", "tiger", "toast", "tomato", "tower", "trumpet", "tulip", "tunnel", "turtle",
    "umbrella", "vanilla", "velvet", "violin", "volcano", "wagon", "walnut", "whale", "willow", "window", "winter",
    "wizard", "zebra",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_words_are_all_different_and_short() {
        let all: BTreeSet<&str> = WORDS.into();
        assert_eq!(all.len(), WORDS.len());
        assert!(WORDS.iter().all(|word| (3..=8).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase())));
    }

    #[test]
    fn both_ends_have_the_same_words_and_other_connections_others() {
        assert_eq!(check_words(&[1; 32]), check_words(&[1; 32]));
        assert_ne!(check_words(&[1; 32]), check_words(&[2; 32]));
    }
}
