# The verbs of the day; `cargo xtask --help` has the same, and nothing needs just.

# List the verbs
default:
    @just --list --unsorted

# Play the main job and look at target/demo/*.png
demo *options:
    cargo xtask demo {{options}}

# Everything CI runs
test:
    cargo xtask test

# The same as CI
ci:
    .ci/run

# Compile, nothing more
check:
    cargo check --workspace --all-targets

# Format the sources
fmt:
    cargo fmt --all

# Clippy, warnings denied
lint:
    cargo xtask lint

# Edges between crates that must not exist
pure:
    cargo xtask pure

# Licences, sources and banned crates
deny:
    cargo deny check bans licenses sources

# The documentation, without a warning
doc:
    cargo xtask doc

# Test vectors and recorded files only
golden:
    cargo test -p ra-ticket -p ra-channels

# Tests of the shipped programs
integration *filter:
    cargo build --workspace --bins
    cargo test -p integration --test it -- {{filter}}

# Tests against another implementation
peers:
    cargo build --workspace --bins
    cargo test -p integration --test it -- peers::

# Which behaviours of the seeds are proved
trace *options:
    cargo xtask trace {{options}}

# Plant bugs, see whether the tests notice
mutants *packages:
    cargo xtask mutants {{packages}}

# Measure the release programs
bench *options:
    cargo xtask bench {{options}}

# Play the storms of refusals and kills, write their figures to docs/generated
figures *which:
    cargo xtask figures {{which}}

# Play the NAT table in the laboratory (root), write docs/generated/nat.md
nat *options:
    cargo xtask nat {{options}}

# Run the novice's program
novice *options:
    cargo run -p novice-host -- {{options}}

# Run the expert's program
expert *options:
    cargo run -p expert-connect -- {{options}}
