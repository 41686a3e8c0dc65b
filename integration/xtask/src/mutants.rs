//! Plants bugs where they would hurt most, and sees whether a test notices.
//!
//! `.cargo/mutants.toml` says in which files, and which survivors are accepted for what reason. Here stands which
//! package's tests are to notice, and how they are run.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;

use crate::ground::{Done, Trouble, cargo, root, run as run_command, succeeds};

#[derive(Args)]
pub(crate) struct Options {
    /// Only these packages, of ra-session, ra-ticket, ra-desktop and ra-novice
    packages: Vec<String>,
    /// Only mutants whose name matches this, to look at a survivor again
    #[arg(long, value_name = "REGEX")]
    only: Option<String>,
}

/// One package that keeps a part of the promise.
struct Package {
    name: &'static str,
    /// Which of its tests are built and run for each mutant.
    targets: &'static [&'static str],
    /// What those tests are told.
    tests: &'static [&'static str],
}

/// Quickest first.
const PACKAGES: [Package; 4] = [
    // What must not compile does not, whatever a function does: those tests cannot tell a mutant from the original.
    Package { name: "ra-session", targets: &["--lib", "--tests"], tests: &["--skip", "the_compiler_holds"] },
    Package { name: "ra-ticket", targets: &["--lib", "--tests"], tests: &[] },
    // The tests of a gate stand beside it; the others would start X servers, or wait for what a mutant never does.
    Package { name: "ra-desktop", targets: &["--lib"], tests: &["input::", "watch::"] },
    Package { name: "ra-novice", targets: &["--lib"], tests: &["writer::", "hands::"] },
];

/// What became of the mutants of one package.
struct Outcome {
    package: &'static str,
    caught: usize,
    /// The tests hung: whoever runs them would notice.
    hung: usize,
    /// The compiler refused it.
    unviable: usize,
    survivors: Vec<String>,
    took: Duration,
}

/// Runs cargo-mutants for each package and sums up. It fails when anything survived that is not on the list.
pub(crate) fn run(options: &Options) -> Done {
    if !succeeds(&mut cargo(&["mutants", "--version"])) {
        return Err(Trouble::new("cargo-mutants is not here: cargo install --locked cargo-mutants"));
    }
    if let Some(unknown) = options.packages.iter().find(|name| PACKAGES.iter().all(|p| p.name != **name)) {
        return Err(Trouble::new(format!("{unknown} is not one of the packages in which bugs are planted")));
    }
    let mut outcomes = Vec::new();
    for package in
        PACKAGES.iter().filter(|p| options.packages.is_empty() || options.packages.iter().any(|o| o == p.name))
    {
        println!("\n== {}", package.name);
        outcomes.push(plant(package, options.only.as_deref())?);
    }
    println!();
    for outcome in &outcomes {
        println!("{outcome}");
    }
    let survivors: Vec<&str> = outcomes.iter().flat_map(|o| &o.survivors).map(String::as_str).collect();
    println!("{} mutants, {} survived", outcomes.iter().map(Outcome::planted).sum::<usize>(), survivors.len());
    if survivors.is_empty() {
        return Ok(());
    }
    let advice = "write the test that catches it, or list it in .cargo/mutants.toml with its reason";
    Err(Trouble::new(format!("{}\n{advice}", survivors.join("\n"))))
}

fn plant(package: &'static Package, only: Option<&str>) -> Result<Outcome, Trouble> {
    let ground = root().join("target/mutants");
    let results = ground.join(package.name);
    // An older answer must not be taken for today's.
    if results.exists() {
        fs::remove_dir_all(&results)?;
    }
    fs::create_dir_all(&results)?;
    let mut command = cargo(&["mutants", "--package", package.name, "--jobs", "1", "--output"]);
    command.arg(&results);
    // Each run copies the tree; what it is built from is compiled once for all of them.
    command.env("CARGO_TARGET_DIR", ground.join("build"));
    // Each mutant is built once and run for a moment: a quick build is worth more than quick tests.
    command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "0").env("CARGO_PROFILE_DEV_DEBUG", "0");
    command.args(package.targets.iter().map(|target| format!("--cargo-arg={target}")));
    command.args(only.into_iter().flat_map(|regex| ["--re", regex]));
    if !package.tests.is_empty() {
        command.args(["--", "--"]).args(package.tests);
    }
    let begin = Instant::now();
    let ended = run_command(&mut command);
    let outcome = Outcome::read(package.name, &results.join("mutants.out"), begin.elapsed())?;
    match ended {
        // Its own failure says no more than that something survived or hung; without either it could not work.
        Err(trouble) if outcome.survivors.is_empty() && outcome.hung == 0 => Err(trouble),
        _ => Ok(outcome),
    }
}

impl Outcome {
    fn read(package: &'static str, folder: &Path, took: Duration) -> Result<Self, Trouble> {
        let lines = |name: &str| -> Result<Vec<String>, Trouble> {
            let text = fs::read_to_string(folder.join(name))
                .map_err(|e| Trouble::new(format!("{package}: cargo-mutants left no {name}: {e}")))?;
            Ok(text.lines().map(str::to_owned).collect())
        };
        Ok(Self {
            package,
            caught: lines("caught.txt")?.len(),
            hung: lines("timeout.txt")?.len(),
            unviable: lines("unviable.txt")?.len(),
            survivors: lines("missed.txt")?,
            took,
        })
    }

    fn planted(&self) -> usize {
        self.caught + self.hung + self.unviable + self.survivors.len()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minutes, seconds) = (self.took.as_secs() / 60, self.took.as_secs() % 60);
        write!(
            f,
            "{:12}{:4} planted: {} caught, {} hung, {} do not compile, {} survived ({minutes} min {seconds} s)",
            self.package,
            self.planted(),
            self.caught,
            self.hung,
            self.unviable,
            self.survivors.len()
        )
    }
}
