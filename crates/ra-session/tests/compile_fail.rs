//! What must not compile does not compile.
#![allow(missing_docs, reason = "a test")]

#[test]
fn s052_s053_s054_r043_r047_the_compiler_holds_consent() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
