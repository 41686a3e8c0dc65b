//! What must not compile: the injector takes nothing but permitted events.

#[test]
fn s052_r047_an_injector_cannot_be_given_a_bare_event() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
